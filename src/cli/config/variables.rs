//! The environment as a layer of settings: our own variables, those that others have named, and files that hold
//! values.

use std::collections::BTreeMap;
use std::path::Path;

use super::key::{
    CONNECTION_ALIASES, FOR_ANYTHING, KEYS, Key, Meaning, OTHER_VARIABLES, WITHOUT_MEANING,
};
use super::{Origin, Setting, most_like};
use crate::connect::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::text;

/// No value that somebody puts into a file of its own comes near this.
const VALUE_BYTES_MAX: u64 = 1 << 16;

/// What the environment says.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Variables {
    /// Settings by the name of the key.
    pub(in crate::cli) settings: BTreeMap<&'static str, Setting>,
    /// What variables of others say about how long something is kept; the file comes before them.
    pub(in crate::cli) retention: BTreeMap<&'static str, Setting>,
    /// The variables that libpq would look up, completed by those of others.
    pub(in crate::cli) environment: Environment,
    /// What a person should know.
    pub(in crate::cli) notes: Vec<String>,
}

impl Variables {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for a variable of ours that means nothing, for one that is set twice, and for a number
    /// that is none.
    pub(in crate::cli) fn read(environment: &Environment) -> Result<Variables> {
        let mut found = Variables { environment: environment.clone(), ..Variables::default() };
        found.check_own()?;
        for key in KEYS {
            let Some(setting) = found.setting(key)? else { continue };
            match setting.origin {
                Origin::Alias { .. } => found.retention.insert(key.name, setting),
                _ => found.settings.insert(key.name, setting),
            };
        }
        for (name, aliases) in CONNECTION_ALIASES {
            if found.environment.variable(name).is_some_and(|value| !value.is_empty()) {
                continue;
            }
            for alias in *aliases {
                if let Some((value, origin)) = found.value(alias)? {
                    found.notes.push(format!("{name} is taken from {origin}"));
                    found.environment.variables.insert((*name).to_owned(), value);
                    break;
                }
            }
        }
        for (names, what) in WITHOUT_MEANING {
            for name in *names {
                if environment.variable(name).is_some_and(|value| !value.is_empty()) {
                    found.notes.push(format!("{name} is set: {what}"));
                }
            }
        }
        Ok(found)
    }

    fn setting(&mut self, key: &Key) -> Result<Option<Setting>> {
        let own = key.variable();
        if let Some((value, origin)) = self.value(&own)? {
            return Ok(Some(Setting { values: values(key, &value), origin }));
        }
        for (alias, meaning) in key.aliases {
            let Some((value, origin)) = self.value(alias)? else { continue };
            let origin = match key.is_retention() {
                true => Origin::Alias {
                    name: origin.to_string(),
                    for_anything: FOR_ANYTHING.contains(alias),
                },
                false => origin,
            };
            let unit = match meaning {
                Meaning::Same => return Ok(Some(Setting { values: vec![value], origin })),
                Meaning::Days => "d",
                Meaning::Weeks => "w",
                Meaning::Months => "m",
            };
            if !value.bytes().all(|byte| byte.is_ascii_digit()) {
                let message = format!("{origin} is \"{value}\", and a number is expected");
                return Err(Error::new(ErrorKind::Usage, message));
            }
            if value.bytes().all(|byte| byte == b'0') {
                // With some programs that means that everything is kept, with others that nothing is.
                let message =
                    format!("{origin} is {value}, which does not say how long backups are kept");
                return Err(Error::new(ErrorKind::Usage, message)
                    .with_hint(format!("unset it, or set {own}: that may be 0")));
            }
            return Ok(Some(Setting { values: vec![format!("{value}{unit}")], origin }));
        }
        Ok(None)
    }

    /// Returns the value of a variable, or of the file that `NAME_FILE` names.
    fn value(&mut self, name: &str) -> Result<Option<(String, Origin)>> {
        let get = |name: &str| {
            let value = self.environment.variable(name).filter(|value| !value.is_empty());
            value.map(str::to_owned)
        };
        let in_file = format!("{name}_FILE");
        let direct = get(name);
        if direct.as_deref().is_some_and(is_injected) {
            self.notes.push(format!("{name} was put there by the container platform: ignored"));
            return Ok(None);
        }
        match (direct, get(&in_file)) {
            (Some(_), Some(_)) => Err(Error::new(
                ErrorKind::Usage,
                format!("both {name} and {in_file} are set: which is meant?"),
            )),
            (Some(value), None) => Ok(Some((value, Origin::Variable(name.to_owned())))),
            (None, Some(path)) => {
                let path = text::path(&path);
                let value = super::read_text(&path, VALUE_BYTES_MAX)?;
                let value = value.trim_end_matches(['\n', '\r']).to_owned();
                Ok(Some((value, Origin::FileOfVariable(in_file, path))))
            }
            (None, None) => Ok(None),
        }
    }

    /// Refuses variables of ours that mean nothing: they are typing errors.
    fn check_own(&mut self) -> Result<()> {
        let known: Vec<String> = KEYS
            .iter()
            .map(Key::variable)
            .chain(OTHER_VARIABLES.iter().map(|&name| name.to_owned()))
            .collect();
        let ours: Vec<(&String, &String)> = self
            .environment
            .variables
            .iter()
            .filter(|(name, _)| name.starts_with("PGARK_") && !name.starts_with("PGARK_TEST_"))
            .collect();
        let mut notes = Vec::new();
        for (name, value) in ours {
            let base = name.strip_suffix("_FILE").unwrap_or(name);
            if known.iter().any(|known| known == name || known == base) {
                continue;
            }
            // What platforms tell containers about a service called "pgark".
            let of_platform = is_injected(value)
                || ["_SERVICE_HOST", "_SERVICE_PORT"].iter().any(|part| name.contains(part))
                || name.starts_with("PGARK_PORT_");
            if of_platform {
                notes.push(format!("{name} was put there by the container platform: ignored"));
                continue;
            }
            let error =
                Error::new(ErrorKind::Usage, format!("the variable {name} means nothing to pgark"));
            return Err(match most_like(name, known.iter().map(String::as_str)) {
                Some(like) => error.with_hint(format!("is {like} meant?")),
                None => error.with_hint("\"pgark config show\" lists what can be set"),
            });
        }
        self.notes.append(&mut notes);
        Ok(())
    }
}

/// Lists are divided by commas in variables.
fn values(key: &Key, value: &str) -> Vec<String> {
    let is_list = key.name == "databases" || key.name.starts_with("exclude_");
    match is_list {
        true => {
            let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        }
        false => vec![value.to_owned()],
    }
}

/// Tells whether a value is what container platforms set for a service, such as `tcp://10.0.0.1:5432`.
fn is_injected(value: &str) -> bool {
    value.starts_with("tcp://") || value.starts_with("udp://")
}

/// Puts variables into a text: `${NAME}`.
///
/// # Errors
///
/// [`ErrorKind::Usage`] when one is not set, or a brace is missing.
pub(super) fn expanded(text: &str, environment: &Environment, place: &Path) -> Result<String> {
    let wrong = |what: String| {
        Error::new(ErrorKind::Usage, format!("configuration \"{}\": {what}", place.display()))
    };
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        result.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let end = inner.find('}').ok_or_else(|| wrong("\"${\" has no \"}\"".to_owned()))?;
        let name = &inner[..end];
        let value = environment
            .variable(name)
            .ok_or_else(|| wrong(format!("the variable {name} is not set")))?;
        result.push_str(value);
        rest = &inner[end + 1..];
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Variables> {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Variables::read(&Environment { variables: variables.collect(), ..Environment::default() })
    }

    #[test]
    fn our_own_names_come_before_those_of_others() {
        let found = read(&[
            ("PGARK_KEEP_DAILY", "7"),
            ("BACKUP_KEEP_DAYS", "14"),
            ("BACKUP_KEEP_WEEKS", "4"),
            ("WEEKLY_RETENTION", "60"),
            ("MONTHLY_RETENTION", "730"),
            ("BACKUP_DIR", "/b"),
        ])
        .expect("variables");
        let value = |name| found.settings[name].values.join(",");
        assert_eq!(value("keep_daily"), "7");
        assert_eq!(value("path"), "/b");
        let of_others = |name| {
            let Setting { values, origin } = &found.retention[name];
            (values.join(","), origin.clone())
        };
        let alias =
            |name: &str, for_anything| Origin::Alias { name: name.to_owned(), for_anything };
        assert_eq!(of_others("keep_weekly"), ("4w".to_owned(), alias("BACKUP_KEEP_WEEKS", false)));
        assert_eq!(
            of_others("keep_monthly"),
            ("730d".to_owned(), alias("MONTHLY_RETENTION", true))
        );
    }

    #[test]
    fn nothing_for_ever_and_everything_at_once_are_not_guessed_apart() {
        for name in ["RETENTION_DAYS", "BACKUP_KEEP_DAYS", "BACKUP_KEEP_MONTHS"] {
            let error = read(&[(name, "00")]).expect_err("which of both?");
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.message().starts_with(name), "{error}");
        }
        assert!(read(&[("PGARK_KEEP_ALL", "0")]).is_ok());
    }

    #[test]
    fn a_comma_too_many_names_nothing() {
        let found = read(&[("PGARK_DATABASES", "shop, ,blog,")]).expect("variables");
        assert_eq!(found.settings["databases"].values, ["shop", "blog"]);
    }

    #[test]
    fn connections_of_other_images_come_after_those_of_libpq() {
        let found = read(&[
            ("PGHOST", "db"),
            ("POSTGRES_HOST", "other"),
            ("POSTGRES_USER", "me"),
            ("DB_NAME", "shop"),
            ("POSTGRES_PORT", "tcp://10.0.0.1:5432"),
        ])
        .expect("variables");
        let variable = |name| found.environment.variable(name);
        assert_eq!((variable("PGHOST"), variable("PGUSER")), (Some("db"), Some("me")));
        assert_eq!((variable("PGDATABASE"), variable("PGPORT")), (Some("shop"), None));
        assert!(found.notes.iter().any(|note| note.starts_with("POSTGRES_PORT was put there")));
    }

    #[test]
    fn unknown_variables_of_ours_are_errors_and_those_of_platforms_are_not() {
        let error = read(&[("PGARK_KEEP_DAYLY", "7")]).expect_err("a typing error");
        assert_eq!(error.hints(), ["is PGARK_KEEP_DAILY meant?"]);
        let found = read(&[
            ("PGARK_PORT", "tcp://10.0.0.1:80"),
            ("PGARK_SERVICE_HOST", "10.0.0.1"),
            ("PGARK_PORT_80_TCP_PROTO", "tcp"),
            ("PGARK_TEST_ALL", "1"),
        ]);
        assert_eq!(found.expect("ignored").notes.len(), 3);
        assert!(read(&[("RETENTION_DAYS", "a month")]).is_err());
    }

    #[test]
    fn a_file_may_hold_the_value() {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("password");
        std::fs::write(&path, "secret\n").expect("writes");
        let path = path.to_str().expect("UTF-8");
        let found = read(&[("POSTGRES_PASSWORD_FILE", path)]).expect("variables");
        assert_eq!(found.environment.variable("PGPASSWORD"), Some("secret"));
        let both = read(&[("BACKUP_DIR", "/b"), ("BACKUP_DIR_FILE", path)]);
        assert_eq!(both.expect_err("two answers").kind(), ErrorKind::Usage);
        let none = read(&[("BACKUP_DIR_FILE", "/nowhere/at/all")]).expect_err("not there");
        assert!(none.message().contains("/nowhere/at/all"), "{none}");
    }

    #[test]
    fn variables_are_put_into_texts() {
        let environment = read(&[("A", "1")]).expect("variables").environment;
        let expand = |text| expanded(text, &environment, Path::new("x"));
        assert_eq!(expand("a${A}b$A}").expect("text"), "a1b$A}");
        assert!(expand("${B}").is_err() && expand("${A").is_err());
    }
}
