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

use crate::vault::side::{RestoreId, fitting};

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

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::vault::side::NAME_BYTES;

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
}
