//! `pgark config show`: each setting, its value and where it comes from.

use serde::Serialize;

use super::key::{KEYS, Key};
use super::{Settings, usual_places};
use crate::cli::arguments::ConfigArguments;
use crate::cli::connection::check_scheme;
use crate::cli::output;
use crate::cli::progress::visible;
use crate::cli::world::World;
use crate::connect::ConnectParams;
use crate::error::Result;

/// What is printed.
#[derive(Debug, Serialize)]
struct Shown {
    file: Option<String>,
    searched: Vec<String>,
    profile: Option<String>,
    settings: Vec<ShownSetting>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownSetting {
    name: &'static str,
    value: Option<String>,
    origin: Option<String>,
    variable: String,
}

pub(in crate::cli) fn run(arguments: &ConfigArguments, world: &World) -> Result<()> {
    let settings = Settings::read(&arguments.repository, world)?;
    let mut settings = settings;
    settings.typed("path", arguments.repository.repo.iter().map(|path| path.display()));
    let shown = Shown {
        file: settings.file.as_ref().map(|path| path.display().to_string()),
        searched: usual_places(world).iter().map(|path| path.display().to_string()).collect(),
        profile: settings.profile.clone(),
        settings: KEYS.iter().map(|key| shown(key, &settings)).collect(),
        notes: settings.notes.iter().cloned().chain(settings.notes_of_aliases()).collect(),
    };
    output::result(&shown, arguments.json, text)
}

fn shown(key: &Key, settings: &Settings) -> ShownSetting {
    let setting = settings.get(key.name);
    ShownSetting {
        name: key.name,
        value: setting.map(|setting| match key.name {
            "connection" => masked(setting.values.first().map_or("", String::as_str)),
            _ => without_user(&setting.values.join(", ")),
        }),
        origin: setting.map(|setting| setting.origin.to_string()),
        variable: key.variable(),
    }
}

/// Returns where a connection leads, without its password; what cannot be read is not shown at all.
fn masked(connection: &str) -> String {
    if check_scheme(connection).is_err() {
        return "***".to_owned();
    }
    if !crate::connect::is_connection_string(connection) {
        return connection.to_owned();
    }
    ConnectParams::parse(connection).map_or_else(|_| "***".to_owned(), |params| params.describe())
}

/// Returns a URL without who logs in and how; what is no URL is returned as it is.
fn without_user(value: &str) -> String {
    let parts = value.split_once("://").and_then(|(scheme, rest)| {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (_, host) = authority.rsplit_once('@')?;
        Some(format!("{scheme}://***@{host}/{path}"))
    });
    parts.unwrap_or_else(|| value.to_owned())
}

fn text(shown: &Shown) -> String {
    let mut text = match &shown.file {
        Some(file) => format!("file     {}\n", visible(file)),
        None => format!("file     none; looked for {}\n", visible(&shown.searched.join(", "))),
    };
    if let Some(profile) = &shown.profile {
        text += &format!("profile  {}\n", visible(profile));
    }
    for setting in &shown.settings {
        let value = setting.value.as_deref().unwrap_or("-");
        let origin = setting.origin.as_deref().unwrap_or("not set");
        text += &format!("{:<18}  {}  ({})\n", setting.name, visible(value), visible(origin));
    }
    for note in &shown.notes {
        text += &format!("note: {}\n", visible(note));
    }
    text
}
