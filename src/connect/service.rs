//! The service file: named sets of connection parameters, in the manner of an INI file.
//!
//! Authority: `parseServiceInfo` and `parseServiceFile` in `src/interfaces/libpq/fe-connect.c` (18).

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::keyword::{Origin, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::text;

/// Where Debian's libpq looks when `PGSYSCONFDIR` says nothing; others have a directory under their prefix.
const SYSTEM_DIRECTORY: &str = "/etc/postgresql-common";

/// Adds the parameters of the service that `settings` or `PGSERVICE` names, where nothing is set yet.
pub(super) fn apply(settings: &mut Settings, environment: &Environment) -> Result<()> {
    let Some(service) = settings
        .get("service")
        .or(environment.variable("PGSERVICE"))
        .filter(|name| !name.is_empty())
    else {
        return Ok(());
    };
    let service = service.to_owned();
    for candidate in candidates(environment) {
        // Whatever encoding names and passwords are in: the server compares bytes.
        let text = match std::fs::read(&candidate.path) {
            Ok(bytes) => text::decode(&bytes),
            Err(_) if !candidate.is_required => continue,
            Err(error) => {
                return Err(Error::new(
                    ErrorKind::Connection,
                    format!("could not read the service file {}", candidate.path.display()),
                )
                .with_source(error));
            }
        };
        if parse(&text, &candidate.path, &service, settings)? {
            return Ok(());
        }
    }
    let looked: Vec<String> = candidates(environment)
        .iter()
        .map(|candidate| candidate.path.display().to_string())
        .collect();
    Err(Error::new(
        ErrorKind::Connection,
        format!("the service \"{service}\" is defined in none of: {}", looked.join(", ")),
    )
    .with_hint("PGSERVICEFILE names another service file"))
}

struct Candidate {
    path: PathBuf,
    is_required: bool,
}

fn candidates(environment: &Environment) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    match (environment.variable("PGSERVICEFILE"), &environment.home) {
        (Some(path), _) => candidates.push(Candidate { path: text::path(path), is_required: true }),
        (None, Some(home)) => {
            candidates.push(Candidate { path: home.join(".pg_service.conf"), is_required: false })
        }
        (None, None) => {}
    }
    let directory = environment.variable("PGSYSCONFDIR").unwrap_or(SYSTEM_DIRECTORY);
    candidates.push(Candidate {
        path: text::path(directory).join("pg_service.conf"),
        is_required: false,
    });
    candidates
}

/// Takes the section of `service` out of a service file; tells whether there is one.
fn parse(text: &str, path: &Path, service: &str, settings: &mut Settings) -> Result<bool> {
    let mut found = false;
    for (number, line) in text.lines().enumerate() {
        let broken = |what: &str| {
            Error::new(
                ErrorKind::Usage,
                format!("line {} of the service file {} {what}", number + 1, path.display()),
            )
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found {
                break;
            }
            found = section.split_once(']').is_some_and(|(name, _)| name == service);
            continue;
        }
        if !found {
            continue;
        }
        if line.starts_with("ldap") {
            return Err(broken("asks an LDAP server for parameters, which pgark cannot do"));
        }
        let (name, value) = line.split_once('=').ok_or_else(|| broken("has no \"=\""))?;
        if name == "service" {
            return Err(broken("names another service, which is not possible"));
        }
        settings
            .set_default(name, value, Origin::Service(path.display().to_string()))
            .map_err(|_| broken("names a parameter that does not exist"))?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str =
        "# services\n[other]\nhost=wrong\n\n[db]\nhost=right\nport=6000\n\n[third]\nhost=wrong\n";

    fn read(text: &str, service: &str) -> Result<Option<Settings>> {
        let mut settings = Settings::default();
        settings.set("port", "7000", Origin::Option)?;
        Ok(parse(text, Path::new("services"), service, &mut settings)?.then_some(settings))
    }

    #[test]
    fn only_the_named_section_counts_and_only_for_what_is_not_set() {
        let settings = read(FILE, "db").expect("parses").expect("section");
        assert_eq!(settings.get("host"), Some("right"));
        assert_eq!(settings.get("port"), Some("7000"));
        assert!(read(FILE, "d").expect("parses").is_none());
    }

    #[test]
    fn broken_lines_are_named() {
        for (line, complaint) in [
            ("host", "has no \"=\""),
            ("color=red", "does not exist"),
            ("service=x", "another service"),
            ("ldap://x", "LDAP"),
        ] {
            let error = read(&format!("[db]\n{line}\n"), "db").err().expect("an error");
            assert!(
                error.message().starts_with("line 2 ") && error.message().contains(complaint),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(
            text in any::<String>(),
            lines in prop::collection::vec("(\\[db\\]|\\[|\\]|[a-z]{0,8}=.{0,8}|ldap|[ #=].{0,8})", 0..8),
        ) {
            let _ = read(&text, "db");
            let _ = read(&lines.join("\n"), "db");
        }
    }
}
