//! The name of a backup: database, type, moment and six random digits.
//!
//! ```text
//! shop-pre-migration-20260131T020000Z-4f09ac
//! database  type     moment (UTC)     random
//! ```
//!
//! Byte order is time order within a database and type. There is no colon, and nothing else that some file
//! system or object store refuses; a database with an odd name is written as [`file_name_of`] does.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::backup_type::BackupType;
use crate::archive::file_name_of;

/// How the moment is written.
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// The length of a moment, such as `20260131T020000Z`.
const STAMP_BYTES: usize = 16;

/// The number of random digits.
const RANDOM_DIGITS: usize = 6;

/// A longer name is none that was made here.
const ID_BYTES_MAX: usize = 220;

/// The name of a backup, unique in its repository.
///
/// Ids order by their moment, whatever the database and the type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackupId {
    moment: DateTime<Utc>,
    random: [u8; 3],
    /// The database as names of files have it.
    database: String,
    backup_type: BackupType,
}

/// That a text is not the name of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a backup")]
pub struct InvalidBackupId;

impl BackupId {
    /// Makes the id of a backup that begins at a moment, whose fractions of a second are left off.
    pub fn new(
        database: &str,
        backup_type: BackupType,
        moment: DateTime<Utc>,
        random: [u8; 3],
    ) -> Self {
        let moment = moment.trunc_subsecs(0);
        BackupId { moment, random, database: file_name_of(database), backup_type }
    }

    /// Returns the moment in the name.
    pub fn moment(&self) -> DateTime<Utc> {
        self.moment
    }

    /// Returns the type in the name.
    pub fn backup_type(&self) -> BackupType {
        self.backup_type
    }

    /// Returns the name of the folder that holds the backups of the database.
    pub fn database_folder(&self) -> &str {
        &self.database
    }

    /// Returns the random digits, which people may type instead of the whole.
    pub fn random(&self) -> String {
        random_text(self.random)
    }
}

/// Returns random bytes as names have them.
pub(super) fn random_text(random: [u8; 3]) -> String {
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a moment as names have it.
pub(super) fn stamp(moment: DateTime<Utc>) -> String {
    moment.format(STAMP).to_string()
}

/// Reads a moment as names have it, and nothing else.
pub(super) fn read_stamp(text: &str) -> Option<DateTime<Utc>> {
    let moment = NaiveDateTime::parse_from_str(text, STAMP).ok()?.and_utc();
    // The parser is content with fewer digits.
    (stamp(moment) == text).then_some(moment)
}

/// Reads random digits, lower case and all of them.
pub(super) fn read_random(text: &str) -> Option<[u8; 3]> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != RANDOM_DIGITS || !text.bytes().all(is_digit) {
        return None;
    }
    let number = u32::from_str_radix(text, 16).ok()?;
    let [_, first, second, third] = number.to_be_bytes();
    Some([first, second, third])
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BackupId { moment, database, backup_type, .. } = self;
        f.pad(&format!("{database}-{backup_type}-{}-{}", stamp(*moment), self.random()))
    }
}

impl FromStr for BackupId {
    type Err = InvalidBackupId;

    fn from_str(text: &str) -> Result<Self, InvalidBackupId> {
        let read = || {
            let (rest, random) = text.rsplit_once('-')?;
            let (rest, moment) = rest.rsplit_once('-')?;
            let backup_type = BackupType::ALL.into_iter().find(|backup_type| {
                let database = rest.strip_suffix(backup_type.name());
                database.is_some_and(|database| database.ends_with('-'))
            })?;
            let database = &rest[..rest.len() - backup_type.name().len() - 1];
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-%~".contains(&byte);
            let is_name = !database.is_empty() && database.bytes().all(plain);
            (is_name && moment.len() == STAMP_BYTES && text.len() <= ID_BYTES_MAX).then_some(())?;
            Some(BackupId {
                moment: read_stamp(moment)?,
                random: read_random(random)?,
                database: database.to_owned(),
                backup_type,
            })
        };
        read().ok_or(InvalidBackupId)
    }
}

impl Ord for BackupId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |id: &'_ BackupId| (id.moment, id.random, id.backup_type);
        key(self).cmp(&key(other)).then_with(|| self.database.cmp(&other.database))
    }
}

impl PartialOrd for BackupId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for BackupId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BackupId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        read_stamp(text).expect("a moment")
    }

    #[test]
    fn the_parts_are_read_back() {
        let id = BackupId::new(
            "shop-pre",
            BackupType::PreMigration,
            moment("20260131T020000Z"),
            [0x4f, 9, 0xac],
        );
        assert_eq!(id.to_string(), "shop-pre-pre-migration-20260131T020000Z-4f09ac");
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        assert_eq!((id.database_folder(), id.random().as_str()), ("shop-pre", "4f09ac"));
        for text in [
            "",
            "history",
            "shop-daily-20260131T020000Z",
            "shop-daily-20260131T020000Z-4F09AC",
            "shop-daily-20260131T020000Z-+f09ac",
            "shop-daily-20260132T020000Z-4f09ac",
            "shop-daily-2026131T0200000Z-4f09ac",
            "-daily-20260131T020000Z-4f09ac",
            "daily-20260131T020000Z-4f09ac",
            "shop-hourly-20260131T020000Z-4f09ac",
            "../x-daily-20260131T020000Z-4f09ac",
        ] {
            assert_eq!(text.parse::<BackupId>(), Err(InvalidBackupId), "{text}");
        }
    }

    #[test]
    fn order_is_that_of_time() {
        let id = |backup_type, time| BackupId::new("shop", backup_type, moment(time), [0; 3]);
        let early = id(BackupType::Weekly, "20260131T020000Z");
        let late = id(BackupType::Daily, "20260131T020001Z");
        assert!(early < late);
    }

    proptest! {
        #[test]
        fn every_id_is_read_back(
            database in ".{1,63}", kind in 0..BackupType::ALL.len(),
            seconds in 0_i64..250_000_000_000, random: [u8; 3]
        ) {
            let moment = DateTime::from_timestamp(seconds, 0).expect("a moment");
            let id = BackupId::new(&database, BackupType::ALL[kind], moment, random);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn noise_is_no_id(text in "\\PC{0,60}") {
            if let Ok(id) = text.parse::<BackupId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
