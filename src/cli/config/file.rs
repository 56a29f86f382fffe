//! The file: `pgark.toml`, read strictly. What is not known, and what does nothing yet, is an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::key::{KEYS, Section};
use crate::error::{Error, ErrorKind, Result};

/// No configuration comes near this.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Sections that later versions will have; what is written there now would do nothing.
const LATER: &[&str] = &["notify", "server"];

/// What a file says.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct ConfigFile {
    pub(in crate::cli) path: PathBuf,
    /// `[defaults]`.
    pub(in crate::cli) defaults: Settings,
    pub(in crate::cli) sources: BTreeMap<String, Settings>,
    pub(in crate::cli) repositories: BTreeMap<String, Settings>,
    pub(in crate::cli) jobs: BTreeMap<String, JobSettings>,
}

/// The settings of a section by the name of the key.
pub(in crate::cli) type Settings = BTreeMap<String, Value>;

/// What a job says.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct JobSettings {
    pub(in crate::cli) source: Option<String>,
    pub(in crate::cli) repository: Option<String>,
    pub(in crate::cli) settings: Settings,
}

/// A value as it stands in the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(in crate::cli) enum Value {
    Flag(bool),
    Number(i64),
    /// `${NAME}` in it stands for a variable.
    Text(String),
    List(Vec<String>),
    /// The value is the content of a file.
    InFile(InFile),
}

/// `{ file = "/run/secrets/x" }`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct InFile {
    pub(in crate::cli) file: PathBuf,
}

/// The file as TOML has it.
#[derive(Debug, Default, Deserialize)]
struct Written {
    #[serde(default)]
    defaults: Settings,
    #[serde(default)]
    source: BTreeMap<String, Settings>,
    #[serde(default)]
    repo: BTreeMap<String, Settings>,
    #[serde(default)]
    job: BTreeMap<String, Settings>,
    #[serde(flatten)]
    others: BTreeMap<String, toml::Value>,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] with everything that is wrong in it, [`ErrorKind::NotFound`] when it is not there.
    pub(in crate::cli) fn read(path: &Path) -> Result<ConfigFile> {
        let content = super::read_text(path, FILE_BYTES_MAX)?;
        parse(path, &content)
    }

    fn check(&self, problems: &mut Vec<String>) {
        let sections = [
            ("source", &self.sources, Section::Source),
            ("repo", &self.repositories, Section::Repo),
        ];
        for (word, sections, section) in sections {
            for (name, settings) in sections {
                check_keys(&format!("{word}.{name}"), settings, &[section], problems);
            }
        }
        check_keys("defaults", &self.defaults, &[Section::Job], problems);
        for (name, job) in &self.jobs {
            let place = format!("job.{name}");
            check_keys(&place, &job.settings, &[Section::Job], problems);
            let named = [
                ("source", &job.source, &self.sources),
                ("repo", &job.repository, &self.repositories),
            ];
            for (word, named, sections) in named {
                if let Some(named) = named.as_ref().filter(|name| !sections.contains_key(*name)) {
                    problems.push(format!("{place}: there is no [{word}.{named}]"));
                }
            }
        }
    }
}

fn parse(path: &Path, content: &str) -> Result<ConfigFile> {
    let wrong = |what: &str| {
        Error::new(ErrorKind::Usage, format!("configuration \"{}\" is wrong", path.display()))
            .with_source(std::io::Error::other(what.to_owned()))
    };
    let written: Written =
        toml::from_str(content).map_err(|error| wrong(&described(&error, content)))?;
    let mut problems = Vec::new();
    for name in written.others.keys() {
        problems.push(match LATER.contains(&name.as_str()) {
            true => format!("[{name}] does nothing yet"),
            false => {
                format!("there is no section [{name}]: they are defaults, source, repo and job")
            }
        });
    }
    let mut jobs = BTreeMap::new();
    for (name, mut settings) in written.job {
        let mut take = |key: &str| match settings.remove(key) {
            Some(Value::Text(named)) => Some(named),
            Some(_) => {
                problems.push(format!("job.{name}: {key} is the name of a section"));
                None
            }
            None => None,
        };
        let (source, repository) = (take("source"), take("repo"));
        jobs.insert(name, JobSettings { source, repository, settings });
    }
    let file = ConfigFile {
        path: path.to_owned(),
        defaults: written.defaults,
        sources: written.source,
        repositories: written.repo,
        jobs,
    };
    file.check(&mut problems);
    match problems.is_empty() {
        true => Ok(file),
        false => Err(wrong(&problems.join("\n"))),
    }
}

/// Says what is no TOML, and where; never the line itself, in which a password may stand.
fn described(error: &toml::de::Error, content: &str) -> String {
    let message = error.message();
    // What stands there instead of what is expected is quoted, too.
    let message = match (message.find("string \""), message.rfind("\", expected ")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}a text{}", &message[..start], &message[end + 1..])
        }
        _ => message.to_owned(),
    };
    let place = error.span().and_then(|span| content.get(..span.start)).map(|before| {
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("line {line}, column {column}: ")
    });
    format!("{}{message}", place.unwrap_or_default())
}

/// Keys that later versions will have.
const LATER_KEYS: &[&str] = &[
    "schedule",
    "restore_test",
    "hooks",
    "repos",
    "storage_class",
    "recipients",
    "object_lock",
    "url",
    "critical_tables",
];

fn check_keys(place: &str, settings: &Settings, sections: &[Section], problems: &mut Vec<String>) {
    for name in settings.keys() {
        let known = KEYS.iter().find(|key| key.name == name);
        match known {
            Some(key) if sections.contains(&key.section) => {}
            Some(key) => {
                let word = match key.section {
                    Section::Source => "[source.NAME]",
                    Section::Repo => "[repo.NAME]",
                    Section::Job => "[job.NAME] or [defaults]",
                };
                problems.push(format!("{place}: {name} belongs into {word}"));
            }
            None if LATER_KEYS.contains(&name.as_str()) => {
                problems.push(format!("{place}: {name} does nothing yet"));
            }
            None => problems.push(format!("{place}: there is no key {name}{}", like(name))),
        }
    }
}

/// Returns a known key that looks alike, for a typing error.
fn like(name: &str) -> String {
    super::most_like(name, KEYS.iter().map(|key| key.name))
        .map_or(String::new(), |key| format!("; is {key} meant?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(content: &str) -> String {
        let error = parse(Path::new("pgark.toml"), content).expect_err("wrong");
        assert_eq!(error.kind(), ErrorKind::Usage);
        std::error::Error::source(&error).expect("a cause").to_string()
    }

    #[test]
    fn a_file_is_read() {
        let file = parse(
            Path::new("pgark.toml"),
            "[defaults]\nkeep_daily = 7\n[source.shop]\nconnection = \"postgres://db/shop\"\n\
             exclude_tables = [\"log_*\"]\n[repo.local]\npath = { file = \"/run/x\" }\n\
             [job.nightly]\nsource = \"shop\"\nrepo = \"local\"\nverify = false\n",
        )
        .expect("a file");
        assert_eq!(file.defaults["keep_daily"], Value::Number(7));
        assert_eq!(file.sources["shop"]["exclude_tables"], Value::List(vec!["log_*".to_owned()]));
        assert!(matches!(file.repositories["local"]["path"], Value::InFile(_)));
        assert_eq!(file.jobs["nightly"].source.as_deref(), Some("shop"));
        assert_eq!(file.jobs["nightly"].settings["verify"], Value::Flag(false));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let said = problems(
            "[defaults]\nkeep_dayly = 7\npath = \"x\"\n[notify.slack]\nurl = \"x\"\n[jobs.a]\n\
             [job.a]\nsource = \"none\"\nschedule = \"@daily\"\n",
        );
        for expected in [
            "defaults: there is no key keep_dayly; is keep_daily meant?",
            "defaults: path belongs into [repo.NAME]",
            "[notify] does nothing yet",
            "there is no section [jobs]",
            "job.a: there is no [source.none]",
            "job.a: schedule does nothing yet",
        ] {
            assert!(said.contains(expected), "{expected} in {said}");
        }
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_place() {
        assert!(problems("[defaults\n").contains("line 1"));
        assert!(!problems("[source.a]\nconnection = 1.5\n").is_empty());
        for content in [
            "[source.a]\nconnection = \"postgres://u:hunter2@h/d\n",
            "[source.a]\nconnection = 'hunter2' x\n",
            "source = \"hunter2\"\n",
            "[source]\na = \"hunter2\"\n",
            "[source.a]\nconnection = hunter2\n",
            "[source.a]\nconnection = { file = \"x\", password = \"hunter2\" }\n",
        ] {
            let said = problems(content);
            assert!(said.starts_with("line ") && !said.contains("hunter2"), "{said}");
        }
    }
}
