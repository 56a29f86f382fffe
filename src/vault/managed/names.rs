//! The names a managed restore gives to databases, and the id that makes them its own.
//!
//! ```text
//!   shop                                    the database that is replaced, whatever its name
//!   shop__restore_20261121t201500_1f3a      what is being restored, until it is proved and takes its place
//!   shop__old_20261121t201500_1f3a          what stood there before
//!   shop__undone_20261121t201500_1f3a       what was restored and taken back again
//! ```
//!
//! A name has 63 bytes at most, so a long one is cut; the journal in the comment has it whole.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// As many bytes as the server keeps of a name.
const NAME_BYTES: usize = 63;

/// One run of a managed restore: the second it began in, and a number against two in one second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RestoreId(String);

impl RestoreId {
    /// Makes an id; `random` keeps two runs of one second apart.
    pub fn new(began: DateTime<Utc>, random: u16) -> Self {
        RestoreId(format!("{}_{random:04x}", began.format("%Y%m%dt%H%M%S")))
    }

    /// Returns it as it stands in names.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RestoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// That a text is not the id of a managed restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a restore, such as 20261121t201500_1f3a")]
pub struct InvalidId;

impl FromStr for RestoreId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let form = b"dddddddd-dddddd_hhhh";
        let fits = text.len() == form.len()
            && text.bytes().zip(form).enumerate().all(|(at, (byte, kind))| match kind {
                b'd' => byte.is_ascii_digit(),
                b'h' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
                b'-' => at == 8 && byte == b't',
                other => byte == *other,
            });
        if fits { Ok(RestoreId(text.to_owned())) } else { Err(InvalidId) }
    }
}

impl TryFrom<String> for RestoreId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<RestoreId> for String {
    fn from(id: RestoreId) -> String {
        id.0
    }
}

/// The names of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The database that is replaced.
    pub target: String,
    /// What is being restored.
    pub side: String,
    /// What stood there before.
    pub old: String,
    /// What was restored and taken back.
    pub undone: String,
}

impl Names {
    /// Returns the names of a run that replaces `target`.
    pub fn new(target: &str, id: &RestoreId) -> Self {
        let name = |word: &str| fitting(target, &format!("__{word}_{id}"));
        Names {
            target: target.to_owned(),
            side: name("restore"),
            old: name("old"),
            undone: name("undone"),
        }
    }
}

/// Puts a suffix behind a name that is cut, between two characters, until both fit.
pub(in crate::vault) fn fitting(name: &str, suffix: &str) -> String {
    let mut length = name.len().min(NAME_BYTES.saturating_sub(suffix.len()));
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    format!("{}{suffix}", &name[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RestoreId {
        RestoreId::new(DateTime::from_timestamp(1_795_292_100, 0).expect("a moment"), 0x1f3a)
    }

    #[test]
    fn names_tell_what_a_database_is_and_fit_into_a_name() {
        let names = Names::new("shop", &id());
        assert_eq!(names.side, "shop__restore_20261121t201500_1f3a");
        assert_eq!(names.old, "shop__old_20261121t201500_1f3a");
        assert_eq!(names.undone, "shop__undone_20261121t201500_1f3a");
        let long = Names::new(&"ü".repeat(31), &id());
        assert!(long.side.len() <= NAME_BYTES && long.side.len() >= NAME_BYTES - 1);
        assert!(
            long.side.starts_with("üüü") && long.side.ends_with("ü__restore_20261121t201500_1f3a")
        );
    }

    #[test]
    fn only_ids_of_the_right_form_are_taken() {
        assert_eq!(id().to_string().parse(), Ok(id()));
        for wrong in [
            "",
            "20261121t201500",
            "20261121t201500_1F3A",
            "20261121t201500_1f3a'",
            "2026112éé201500_1f3",
        ] {
            assert_eq!(wrong.parse::<RestoreId>(), Err(InvalidId), "{wrong}");
        }
    }
}
