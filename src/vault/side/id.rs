//! The id that makes the databases of a run its own, and what their names have in common.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// As many bytes as the server keeps of a name.
pub(in crate::vault) const NAME_BYTES: usize = 63;

/// One run of a managed restore or a drill: the second it began in, and a number against two in one second.
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

/// Puts a suffix behind a name that is cut, between two characters, until both fit.
pub(in crate::vault) fn fitting(name: &str, suffix: &str) -> String {
    let mut length = name.len().min(NAME_BYTES.saturating_sub(suffix.len()));
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    format!("{}{suffix}", &name[..length])
}

/// Returns the id at the end of a name, behind the word that tells what the database is.
pub(in crate::vault) fn id_behind(name: &str, word: &str) -> Option<RestoreId> {
    name.rsplit_once(word)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RestoreId {
        RestoreId::new(DateTime::from_timestamp(1_795_292_100, 0).expect("a moment"), 0x1f3a)
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

    #[test]
    fn an_id_is_found_behind_its_word() {
        assert_eq!(id_behind("shop_drill_20261121t201500_1f3a", "_drill_"), Some(id()));
        assert_eq!(id_behind("shop_drill_hall", "_drill_"), None);
        assert_eq!(id_behind("shop_20261121t201500_1f3a", "_drill_"), None);
    }
}
