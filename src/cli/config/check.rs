//! `pgark config check`: everything that can be found wrong without a server.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;

use super::file::{ConfigFile, Value};
use super::{Settings, find_file, usual_places};
use crate::cli::arguments::{ConfigArguments, RepositoryArguments};
use crate::cli::connection::check_scheme;
use crate::cli::output;
use crate::cli::progress::visible;
use crate::cli::vault::settings;
use crate::cli::world::World;
use crate::connect::ConnectParams;
use crate::error::{Error, ErrorKind, Result, with_causes};

/// What is printed when all is well.
#[derive(Debug, Serialize)]
struct Checked {
    file: Option<String>,
    profiles: Vec<String>,
    notes: Vec<String>,
}

pub(in crate::cli) fn run(arguments: &ConfigArguments, world: &World) -> Result<()> {
    let file = find_file(&arguments.repository, world)?;
    let all: Vec<Option<String>> = match (&file, &arguments.repository.profile) {
        (Some(file), None) if !file.jobs.is_empty() => {
            file.jobs.keys().cloned().map(Some).collect()
        }
        (_, named) => vec![named.clone()],
    };
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    for profile in &all {
        let arguments =
            RepositoryArguments { profile: profile.clone(), ..arguments.repository.clone() };
        match of_profile(&arguments, world) {
            Ok(found) => notes.extend(found),
            Err(error) => {
                let place = profile.as_ref().map(|name| format!("profile {name}: "));
                let hints: String = error.hints().iter().map(|hint| format!(" ({hint})")).collect();
                problems.push(format!(
                    "{}{}{hints}",
                    place.unwrap_or_default(),
                    with_causes(&error)
                ));
            }
        }
    }
    if let Some(file) = &file {
        notes.extend(readable_secret(file));
    }
    if !problems.is_empty() {
        let message = match &file {
            Some(file) => format!("configuration \"{}\" is wrong", file.path.display()),
            None => "the environment is wrong".to_owned(),
        };
        return Err(Error::new(ErrorKind::Usage, message)
            .with_source(std::io::Error::other(problems.join("\n"))));
    }
    notes.sort();
    notes.dedup();
    let checked = Checked {
        file: file.as_ref().map(|file| file.path.display().to_string()),
        profiles: all.into_iter().flatten().collect(),
        notes,
    };
    output::result(&checked, arguments.json, |checked| text(checked, world))
}

/// Reads every value of a profile with whatever will use it, and returns what a person should know.
fn of_profile(arguments: &RepositoryArguments, world: &World) -> Result<Vec<String>> {
    let settings = Settings::read(arguments, world)?;
    settings::check(&settings)?;
    if let Some(connection) = settings.text("connection") {
        check_scheme(connection)?;
        if crate::connect::is_connection_string(connection) {
            ConnectParams::parse(connection)?;
        }
    }
    settings.one_repository()?;
    Ok(settings.notes)
}

/// Tells of a file that everybody may read although a password stands in it.
fn readable_secret(file: &ConfigFile) -> Option<String> {
    let has_password = |value: &Value| match value {
        Value::Text(text) => {
            let authority = text.split_once("://").map(|(_, rest)| rest.split('/').next());
            let in_uri = authority.flatten().and_then(|it| it.split_once('@'));
            in_uri.is_some_and(|(user, _)| user.contains(':') && !user.contains("${"))
                || (text.contains("password=") && !text.contains("password=${"))
        }
        _ => false,
    };
    let connections = file.sources.values().filter_map(|source| source.get("connection"));
    let is_open = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
    };
    let path = &file.path;
    (connections.into_iter().any(has_password) && is_open(path)).then(|| {
        format!("others may read \"{}\", and a password stands in it: chmod 600", path.display())
    })
}

fn text(checked: &Checked, world: &World) -> String {
    let mut text = match (&checked.file, checked.profiles.len()) {
        (None, _) => {
            let places = usual_places(world);
            let places: Vec<String> =
                places.iter().map(|path| path.display().to_string()).collect();
            format!(
                "no file; looked for {}: the environment is right\n",
                visible(&places.join(", "))
            )
        }
        (Some(file), 0) => format!("{} is right\n", visible(file)),
        (Some(file), _) => {
            format!("{} is right: {}\n", visible(file), visible(&checked.profiles.join(", ")))
        }
    };
    for note in &checked.notes {
        text += &format!("note: {}\n", visible(note));
    }
    text
}
