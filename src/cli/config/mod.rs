//! Settings: flags over environment over file over defaults, each with where it comes from.
//!
//! ```text
//! --keep-daily 7   PGARK_KEEP_DAILY   pgark.toml: job, source, repo, defaults   BACKUP_KEEP_DAYS   30d
//! ```
//!
//! Variables that others have named for how long something is kept come last, and only where nobody has said a word
//! about it: they may be meant for something else.

pub(super) mod check;
mod file;
mod key;
pub(super) mod show;
mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use self::file::{ConfigFile, JobSettings, Value};
use self::key::{KEYS, Section};
use self::variables::Variables;
use super::arguments::RepositoryArguments;
use super::world::World;
use crate::connect::Environment;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::sql::text;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Flag(String),
    Variable(String),
    /// A variable that names a file.
    FileOfVariable(String, PathBuf),
    /// A variable of others about how long something is kept.
    Alias {
        name: String,
        /// Whether it need not be meant for backups.
        for_anything: bool,
    },
    /// A file and the section in it.
    Config(PathBuf, String),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(option) => write!(f, "--{option}"),
            Origin::Variable(name) => f.write_str(name),
            Origin::Alias { name, .. } => f.write_str(name),
            Origin::FileOfVariable(name, path) => write!(f, "{name} ({})", path.display()),
            Origin::Config(path, section) => write!(f, "{} [{section}]", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A value with its origin; most settings have one value, lists have several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) values: Vec<String>,
    pub(super) origin: Origin,
}

/// Everything that was set for a job.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    found: BTreeMap<&'static str, Setting>,
    /// The variables that libpq looks up, completed by those of others.
    pub(super) environment: Environment,
    /// What a person should know.
    pub(super) notes: Vec<String>,
    /// The job, when there is one.
    pub(super) profile: Option<String>,
    /// The file, when there is one.
    pub(super) file: Option<PathBuf>,
    /// The repositories of the file, when there are several and the job names none of them.
    unnamed_repositories: Vec<String>,
    /// The connection of the file when a variable comes before it.
    overridden_connection: Option<String>,
}

impl Settings {
    /// Reads environment and file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for what is wrong in either, and when several jobs are there and none is named.
    pub(super) fn read(arguments: &RepositoryArguments, world: &World) -> Result<Settings> {
        let variables = Variables::read(&world.environment)?;
        let file = find_file(arguments, world)?;
        let profile = match &arguments.profile {
            Some(name) => Some(name.as_str()),
            None => world.variable("PGARK_PROFILE"),
        };
        let mut settings = Settings {
            found: BTreeMap::new(),
            environment: variables.environment,
            notes: variables.notes,
            profile: None,
            file: file.as_ref().map(|file| file.path.clone()),
            unnamed_repositories: Vec::new(),
            overridden_connection: None,
        };
        match &file {
            Some(file) => settings.take_job(file, profile)?,
            None => {
                if let Some(name) = profile {
                    let message =
                        format!("there is no profile \"{name}\": no pgark.toml was found");
                    return Err(Error::new(ErrorKind::Usage, message)
                        .with_hint("--config names the file; \"pgark config show\" says where it is looked for"));
                }
            }
        }
        for (name, setting) in variables.settings {
            if let Some(overridden) = settings.found.get(name)
                && name == "connection"
            {
                settings
                    .notes
                    .push(format!("{} comes before {}", setting.origin, overridden.origin));
                settings.overridden_connection = overridden.values.first().cloned();
            }
            settings.found.insert(name, setting);
        }
        for (name, setting) in variables.retention {
            settings.found.entry(name).or_insert(setting);
        }
        settings.prefer_policy();
        for key in KEYS {
            if let (Some(value), false) = (key.default, settings.found.contains_key(key.name)) {
                settings.found.insert(key.name, default(value));
            }
        }
        Ok(settings)
    }

    /// Leaves out what variables of others say about how long something is kept when somebody has said so for us.
    ///
    /// Half of a policy that was written down and half of one that happens to be around is what nobody meant.
    pub(super) fn prefer_policy(&mut self) {
        let is_ours = |key: &&key::Key| {
            key.is_policy()
                && self.found.get(key.name).is_some_and(|setting| {
                    !matches!(setting.origin, Origin::Default | Origin::Alias { .. })
                })
        };
        let Some(ours) = KEYS.iter().find(is_ours) else { return self.prefer_backups() };
        let ours = self.found[ours.name].origin.to_string();
        for key in KEYS {
            let Some(Setting { origin: Origin::Alias { name, .. }, .. }) = self.found.get(key.name)
            else {
                continue;
            };
            self.notes.push(format!("{name} is not used: {ours} says how long backups are kept"));
            match key.default {
                Some(value) => self.found.insert(key.name, default(value)),
                None => self.found.remove(key.name),
            };
        }
    }

    /// Leaves out what need not be about backups when variables that are speak of them.
    fn prefer_backups(&mut self) {
        let of_alias = |key: &key::Key, generic: bool| match self.found.get(key.name)?.origin {
            Origin::Alias { ref name, for_anything } if for_anything == generic => {
                Some(name.clone())
            }
            _ => None,
        };
        let Some(ours) = KEYS.iter().find_map(|key| of_alias(key, false)) else { return };
        let generic: Vec<(&key::Key, String)> =
            KEYS.iter().filter_map(|key| Some((key, of_alias(key, true)?))).collect();
        for (key, name) in generic {
            self.notes.push(format!("{name} is not used: {ours} says how long backups are kept"));
            match key.default {
                Some(value) => self.found.insert(key.name, default(value)),
                None => self.found.remove(key.name),
            };
        }
    }

    /// Says what is kept because of variables of others.
    pub(super) fn notes_of_aliases(&self) -> Vec<String> {
        let of_alias = |key: &key::Key| {
            let Setting { values, origin: Origin::Alias { name, .. } } = self.get(key.name)? else {
                return None;
            };
            Some(format!("--{} is {} because {name} is set", key.option, values.join(",")))
        };
        KEYS.iter().filter_map(of_alias).collect()
    }

    /// Puts what was typed before everything else.
    pub(super) fn typed<T: ToString>(
        &mut self,
        name: &'static str,
        values: impl IntoIterator<Item = T>,
    ) {
        let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        let option = key::find(name).map_or(name, |key| key.option);
        if !values.is_empty() {
            let setting = Setting { values, origin: Origin::Flag(option.to_owned()) };
            self.found.insert(name, setting);
        }
    }

    /// Returns a setting.
    pub(super) fn get(&self, name: &str) -> Option<&Setting> {
        self.found.get(name)
    }

    /// Returns all values of a setting.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.get(name).map(|setting| setting.values.clone()).unwrap_or_default()
    }

    /// Returns the connection of the file when a variable comes before it.
    pub(super) fn overridden_connection(&self) -> Option<&str> {
        self.overridden_connection.as_deref()
    }

    /// Returns the value of a setting.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.values.first().map(String::as_str)
    }

    /// Tells whether somebody has set it, and not for something else perhaps.
    pub(super) fn is_chosen(&self, name: &str) -> bool {
        let is_chosen = |origin: &Origin| {
            !matches!(origin, Origin::Default | Origin::Alias { for_anything: true, .. })
        };
        self.get(name).is_some_and(|setting| is_chosen(&setting.origin))
    }

    /// Tells whether it has another value than the default.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|setting| setting.origin != Origin::Default)
    }

    /// Reads the value of a setting with whatever understands it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] with the name and the origin of the value.
    pub(super) fn parsed<T, E: fmt::Display>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> std::result::Result<T, E>,
    ) -> Result<Option<T>> {
        let Some(setting) = self.get(name) else { return Ok(None) };
        let [value] = setting.values.as_slice() else {
            let message = format!("{name} ({}) is one value, not a list", setting.origin);
            return Err(Error::new(ErrorKind::Usage, message));
        };
        read(value).map(Some).map_err(|error| {
            let origin = &setting.origin;
            Error::new(ErrorKind::Usage, format!("{name} ({origin}) is wrong: {error}"))
        })
    }

    /// Reads a setting that is true or false.
    ///
    /// # Errors
    ///
    /// As [`Settings::parsed`].
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        let read = |value: &str| match value {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(format!("\"{value}\" is neither true nor false")),
        };
        Ok(self.parsed(name, read)?.unwrap_or(false))
    }

    /// Takes what the file says for a job, its source and its repository.
    fn take_job(&mut self, file: &ConfigFile, profile: Option<&str>) -> Result<()> {
        let (name, job) = job_of(file, profile)?;
        let source = section_of(&file.sources, job.and_then(|job| job.source.as_deref()));
        let repo = section_of(&file.repositories, job.and_then(|job| job.repository.as_deref()));
        let sections = [
            (Some(("defaults".to_owned(), &file.defaults)), Section::Job),
            (source.map(|(name, it)| (format!("source.{name}"), it)), Section::Source),
            (repo.map(|(name, it)| (format!("repo.{name}"), it)), Section::Repo),
            (job.zip(name).map(|(job, name)| (format!("job.{name}"), &job.settings)), Section::Job),
        ];
        for (section, kind) in sections {
            let Some((place, settings)) = section else { continue };
            for key in KEYS.iter().filter(|key| key.section == kind) {
                let Some(value) = settings.get(key.name) else { continue };
                let values = plain(value, &self.environment, &file.path)?;
                let origin = Origin::Config(file.path.clone(), place.clone());
                self.found.insert(key.name, Setting { values, origin });
            }
        }
        if repo.is_none() {
            self.unnamed_repositories = file.repositories.keys().cloned().collect();
        }
        self.profile = name.map(str::to_owned);
        Ok(())
    }

    /// Refuses to take the default where the file has several repositories: backups would go where nobody looks.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] with their names.
    pub(super) fn one_repository(&self) -> Result<()> {
        if self.is_chosen("path") || self.unnamed_repositories.is_empty() {
            return Ok(());
        }
        let names = self.unnamed_repositories.join(", ");
        let message = format!("the file has several repositories: {names}");
        Err(Error::new(ErrorKind::Usage, message)
            .with_hint("name one in the job with \"repo\", or a folder with --repo"))
    }
}

fn default(value: &str) -> Setting {
    Setting { values: vec![value.to_owned()], origin: Origin::Default }
}

/// Finds the job: the one that is named, the one called `default`, the only one.
fn job_of<'a>(
    file: &'a ConfigFile,
    profile: Option<&str>,
) -> Result<(Option<&'a str>, Option<&'a JobSettings>)> {
    let names = || file.jobs.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let place = file.path.display();
    let named = match profile {
        Some(name) => Some(file.jobs.get_key_value(name).ok_or_else(|| {
            let message = format!("there is no profile \"{name}\" in \"{place}\"");
            Error::new(ErrorKind::Usage, message).with_hint(format!("there are: {}", names()))
        })?),
        None => match file.jobs.len() {
            0 | 1 => file.jobs.iter().next(),
            _ => Some(file.jobs.get_key_value("default").ok_or_else(|| {
                let message = format!("\"{place}\" has several jobs: {}", names());
                Error::new(ErrorKind::Usage, message).with_hint("name one with --profile")
            })?),
        },
    };
    Ok((named.map(|(name, _)| name.as_str()), named.map(|(_, job)| job)))
}

/// Finds the section that is named, or the only one.
fn section_of<'a>(
    sections: &'a BTreeMap<String, file::Settings>,
    named: Option<&str>,
) -> Option<(&'a String, &'a file::Settings)> {
    match named {
        Some(name) => sections.get_key_value(name),
        None if sections.len() == 1 => sections.iter().next(),
        None => None,
    }
}

/// Returns the text of a value, with variables put in and files read.
fn plain(value: &Value, environment: &Environment, place: &Path) -> Result<Vec<String>> {
    let expanded = |text: &String| variables::expanded(text, environment, place);
    Ok(match value {
        Value::Flag(flag) => vec![flag.to_string()],
        Value::Number(number) => vec![number.to_string()],
        Value::Text(text) => vec![expanded(text)?],
        Value::List(texts) => texts.iter().map(expanded).collect::<Result<_>>()?,
        Value::InFile(named) => {
            let content = read_text(&named.file, 1 << 16)?;
            vec![content.trim_end_matches(['\n', '\r']).to_owned()]
        }
    })
}

/// Finds the file: the one that is named, or the first of the usual places.
fn find_file(arguments: &RepositoryArguments, world: &World) -> Result<Option<ConfigFile>> {
    let named = arguments.config.clone();
    let named = named.or_else(|| world.variable("PGARK_CONFIG").map(text::path));
    if let Some(path) = named {
        return ConfigFile::read(&path).map(Some);
    }
    let found = usual_places(world).into_iter().find(|path| path.is_file());
    found.map(|path| ConfigFile::read(&path)).transpose()
}

/// Returns where the file is looked for.
fn usual_places(world: &World) -> Vec<PathBuf> {
    let of_user = match world.variable("XDG_CONFIG_HOME") {
        Some(folder) => Some(text::path(folder)),
        None => world.environment.home.as_ref().map(|home| home.join(".config")),
    };
    let mut places = vec![PathBuf::from("pgark.toml")];
    places.extend(of_user.map(|folder| folder.join("pgark/pgark.toml")));
    places.push(PathBuf::from("/etc/pgark/pgark.toml"));
    places
}

/// Reads a file of text that is not longer than it can be.
fn read_text(path: &Path, bytes_max: u64) -> Result<String> {
    let what = || format!("could not read \"{}\"", path.display());
    let mut content = String::new();
    let file = File::open(path).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Storage,
        };
        Error::new(kind, what()).with_source(error)
    })?;
    file.take(bytes_max + 1).read_to_string(&mut content).context(ErrorKind::Storage, what)?;
    match content.len() as u64 > bytes_max {
        true => Err(Error::new(ErrorKind::Usage, format!("{}: it is too long", what()))),
        false => Ok(content),
    }
}

/// Returns the name that looks most like another, when one does.
fn most_like<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let ratio = |other: &str| similar::TextDiff::from_chars(name, other).ratio();
    let best =
        known.map(|other| (ratio(other), other)).max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(ratio, _)| *ratio > 0.75).map(|(_, other)| other)
}
