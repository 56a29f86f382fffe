//! The password file: lines of `host:port:database:user:password`, the first that fits wins.
//!
//! Authority: `passwordFromFile` and `getPgPassFilename` in `src/interfaces/libpq/fe-connect.c` (18).

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::secret::Secret;
use crate::sql::text;

/// The lines of a password file.
#[derive(Debug, Clone, Default)]
pub(super) struct Passfile {
    pub(super) path: PathBuf,
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    /// Host, port, database, user.
    keys: [String; 4],
    password: Secret,
}

impl Passfile {
    /// Reads the file if it exists and nobody else may read it.
    ///
    /// As in libpq a file that cannot be used is no error: the text returned beside is a warning.
    pub(super) fn read(path: &Path) -> (Passfile, Option<String>) {
        let nothing = Passfile { path: path.to_owned(), lines: Vec::new() };
        let Ok(metadata) = std::fs::metadata(path) else { return (nothing, None) };
        if !metadata.is_file() {
            return (
                nothing,
                Some(format!(
                    "the password file {} is not a plain file and is ignored",
                    path.display()
                )),
            );
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            let warning = format!(
                "the password file {} can be read by group or others and is ignored; its permissions should be 0600 or less",
                path.display()
            );
            return (nothing, Some(warning));
        }
        match std::fs::read(path) {
            Ok(bytes) => (Passfile { lines: parse(&text::decode(&bytes)), ..nothing }, None),
            Err(error) => (
                nothing,
                Some(format!("the password file {} cannot be read: {error}", path.display())),
            ),
        }
    }

    /// Returns the password for one place.
    pub(super) fn find(&self, host: &str, port: u16, database: &str, user: &str) -> Option<Secret> {
        let wanted = [host, &port.to_string(), database, user];
        let line = self.lines.iter().find(|line| {
            // `*` fits only when it is unescaped, which [`fields`] has kept apart as an escape of its own.
            line.keys.iter().zip(wanted).all(|(key, wanted)| key == ANYTHING || key == wanted)
        })?;
        Some(line.password.clone()).filter(|password| !password.is_empty())
    }
}

/// What an unescaped `*` becomes; no host, port, database or user holds a zero byte.
const ANYTHING: &str = "\0";

fn parse(text: &str) -> Vec<Line> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let mut rest = text.trim_end_matches('\r');
    let mut keys: [String; 4] = Default::default();
    for key in &mut keys {
        let (value, after) = field(rest)?;
        *key = value;
        rest = after;
    }
    // The password ends at a colon too; what follows is ignored.
    let mut password = String::new();
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' => break,
            '\\' => password.extend(characters.next()),
            _ => password.push(character),
        }
    }
    Some(Line { keys, password: Secret::new(password) })
}

/// Takes a field and its colon off the front.
fn field(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix("*:") {
        return Some((ANYTHING.to_owned(), rest));
    }
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            ':' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(text: &str, host: &str, port: u16, database: &str, user: &str) -> Option<String> {
        let file = Passfile { path: PathBuf::new(), lines: parse(text) };
        file.find(host, port, database, user).map(|password| password.reveal().to_owned())
    }

    #[test]
    fn the_first_line_that_fits_wins() {
        let text = "# a comment\nlocalhost:5432:db:me:first\n*:*:*:me:second\r\n*:*:*:*:third\n";
        assert_eq!(find(text, "localhost", 5432, "db", "me").as_deref(), Some("first"));
        assert_eq!(find(text, "localhost", 5433, "db", "me").as_deref(), Some("second"));
        assert_eq!(find(text, "localhost", 5432, "db", "you").as_deref(), Some("third"));
        assert_eq!(find("h:1:d:u\n", "h", 1, "d", "u"), None);
        assert_eq!(find("h:1:d:u:\n", "h", 1, "d", "u"), None);
    }

    #[test]
    fn colons_and_backslashes_are_escaped() {
        assert_eq!(
            find(r"\:\:1:5432:a\\b:u:p\:w\\", "::1", 5432, r"a\b", "u").as_deref(),
            Some(r"p:w\")
        );
        assert_eq!(find("h:1:d:u:pass:more", "h", 1, "d", "u").as_deref(), Some("pass"));
        assert_eq!(find(r"\*:1:d:u:p", "h", 1, "d", "u"), None);
        assert_eq!(find("**:1:d:u:p", "h", 1, "d", "u"), None);
    }

    #[test]
    fn a_file_that_others_can_read_is_ignored_with_a_warning() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("pgpass");
        std::fs::write(&path, "*:*:*:*:secret\n").expect("write");
        for (mode, usable) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
            let (file, warning) = Passfile::read(&path);
            assert_eq!(file.find("h", 1, "d", "u").is_some(), usable, "{mode:o}");
            assert_eq!(warning.is_none(), usable, "{mode:o}");
        }
        assert!(Passfile::read(directory.path()).1.is_some());
        assert!(Passfile::read(&directory.path().join("none")).1.is_none());
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in "[a:*\\\\#\r\n]{0,60}") {
            let _ = find(&text, "a", 1, "a", "a");
        }
    }
}
