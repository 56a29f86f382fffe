//! How long backups are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::vault::backup_type::{BackupType, Tier};

/// Longer than anybody keeps anything, and short enough that no calendar overflows.
const DAYS_MAX: u32 = 100_000;

/// How long backups of a kind are kept. Each part that is there keeps what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Keep {
    /// Those that are at most so many days old.
    pub days: Option<u32>,
    /// The newest so many; of a tier, one for each of the newest so many periods.
    pub count: Option<u32>,
}

impl Keep {
    /// Keeps what is at most so many days old.
    pub fn days(days: u32) -> Self {
        Keep { days: Some(days), count: None }
    }

    /// Keeps the newest so many.
    pub fn count(count: u32) -> Self {
        Keep { days: None, count: Some(count) }
    }

    /// Returns the text that is read as this.
    pub fn as_typed(self) -> String {
        let days = self.days.map(|days| format!("{days}d"));
        let count = self.count.map(|count| count.to_string());
        days.into_iter().chain(count).collect::<Vec<_>>().join(",")
    }
}

/// Which backups are kept, for each database on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// How long backups of a type are kept; those of a type that is not here are kept for ever.
    ///
    /// What is said of daily backups is said of full ones too.
    pub rules: BTreeMap<BackupType, Keep>,
    /// So many of the newest proved backups are kept whatever their age, at least one.
    pub minimum: u32,
}

impl Default for Policy {
    /// 30 days of daily backups, 84 of weekly ones, a year of monthly ones; 90 days of those before migrations.
    ///
    /// A safety backup is of interest until somebody has seen that the restore was right.
    fn default() -> Self {
        let rules = [
            (BackupType::Daily, Keep::days(30)),
            (BackupType::Weekly, Keep::days(84)),
            (BackupType::Monthly, Keep::days(365)),
            (BackupType::PreMigration, Keep::days(90)),
            (BackupType::Safety, Keep::days(30)),
        ];
        Policy { rules: rules.into_iter().collect(), minimum: 1 }
    }
}

impl Policy {
    /// Returns what is said of a type.
    pub fn rule(&self, backup_type: BackupType) -> Option<Keep> {
        self.rules.get(&of_rule(backup_type)).copied()
    }

    /// Returns what is said of a tier.
    pub fn tier(&self, tier: Tier) -> Option<Keep> {
        self.rule(tier.backup_type())
    }

    /// Returns the tiers that are kept, the most frequent first.
    pub fn tiers(&self) -> impl DoubleEndedIterator<Item = (Tier, Keep)> {
        Tier::ALL.into_iter().filter_map(|tier| Some((tier, self.tier(tier)?)))
    }
}

/// Returns the type whose rule is that of another.
fn of_rule(backup_type: BackupType) -> BackupType {
    match backup_type {
        BackupType::Full => BackupType::Daily,
        other => other,
    }
}

impl FromStr for Keep {
    type Err = Error;

    /// Reads `30d`, `12w`, `6m` or `2y` as an age (a month has 31 days then, a year 366), a plain number as a number
    /// of backups, and `30d,7` as both.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let message = format!("\"{text}\" does not say how long backups are kept");
            Error::new(ErrorKind::Usage, message).with_hint(
                "30d, 12w, 6m and 2y are ages, a number is one of backups, and 30d,7 keeps what either keeps",
            )
        };
        let mut keep = Keep::default();
        for part in text.split(',') {
            let part = part.trim();
            let digits = part.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
            let unit = match &part[digits.len()..] {
                "" => None,
                "d" => Some(1),
                "w" => Some(7),
                "m" => Some(31),
                "y" => Some(366),
                _ => return Err(wrong()),
            };
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(wrong());
            }
            let number: u32 = digits.parse().map_err(|_| wrong())?;
            let (slot, value) = match unit {
                None => (&mut keep.count, Some(number)),
                Some(days) => (&mut keep.days, number.checked_mul(days)),
            };
            let value = value.filter(|&value| value <= DAYS_MAX).ok_or_else(wrong)?;
            if slot.replace(value).is_some() {
                return Err(wrong());
            }
        }
        Ok(keep)
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.days, self.count) {
            (Some(days), Some(count)) => write!(f, "{days} days, and the newest {count}"),
            (Some(days), None) => write!(f, "{days} days"),
            (None, Some(count)) => write!(f, "as the newest {count}"),
            (None, None) => f.write_str("only as the newest"),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (backup_type, keep) in &self.rules {
            write!(f, "{backup_type} {keep}; ")?;
        }
        write!(f, "at least {}", self.minimum.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_numbers_are_read() {
        for (text, days, count) in [
            ("30d", Some(30), None),
            ("12w", Some(84), None),
            ("6m", Some(186), None),
            ("2y", Some(732), None),
            ("7", None, Some(7)),
            ("0", None, Some(0)),
            ("30d, 7", Some(30), Some(7)),
            ("7,30d", Some(30), Some(7)),
        ] {
            let keep = text.parse::<Keep>().expect(text);
            assert_eq!(keep, Keep { days, count }, "{text}");
            assert_eq!(keep.as_typed().parse::<Keep>().expect(text), keep, "{text}");
        }
        for text in
            ["", "d", "-1", "30 days", "7,7", "1d,1w", "+3", "999999999999", "4000000000w", "1h"]
        {
            assert!(text.parse::<Keep>().is_err(), "{text}");
        }
    }
}
