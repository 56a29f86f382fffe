//! What a backup was made for, and the calendar that tiers follow.
//!
//! Days, weeks and months are those of UTC, like the moments in names: a day has 24 hours then, and none comes
//! twice.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// What a backup was made for; this decides how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupType {
    /// For no tier in particular; kept as a daily one.
    Full,
    /// The backup of a day.
    Daily,
    /// The backup of a week.
    Weekly,
    /// The backup of a month.
    Monthly,
    /// The backup of a year.
    Yearly,
    /// Made before a migration.
    PreMigration,
    /// Made by somebody for reasons of their own; no policy drops it unless it says so.
    Manual,
    /// Made by pgark before it changes a database.
    Safety,
}

impl BackupType {
    /// All of them.
    pub const ALL: [BackupType; 8] = [
        BackupType::Full,
        BackupType::Daily,
        BackupType::Weekly,
        BackupType::Monthly,
        BackupType::Yearly,
        BackupType::PreMigration,
        BackupType::Manual,
        BackupType::Safety,
    ];

    /// Returns the name, as options and names of backups have it.
    pub fn name(self) -> &'static str {
        match self {
            BackupType::Full => "full",
            BackupType::Daily => "daily",
            BackupType::Weekly => "weekly",
            BackupType::Monthly => "monthly",
            BackupType::Yearly => "yearly",
            BackupType::PreMigration => "pre-migration",
            BackupType::Manual => "manual",
            BackupType::Safety => "safety",
        }
    }

    /// Returns the tier that such a backup stands for.
    pub fn tier(self) -> Option<Tier> {
        match self {
            BackupType::Full | BackupType::Daily => Some(Tier::Daily),
            BackupType::Weekly => Some(Tier::Weekly),
            BackupType::Monthly => Some(Tier::Monthly),
            BackupType::Yearly => Some(Tier::Yearly),
            BackupType::PreMigration | BackupType::Manual | BackupType::Safety => None,
        }
    }
}

impl fmt::Display for BackupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for BackupType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = BackupType::ALL.into_iter().find(|backup_type| backup_type.name() == text);
        found.ok_or_else(|| {
            let known: Vec<&str> = BackupType::ALL.iter().map(|known| known.name()).collect();
            Error::new(
                ErrorKind::Usage,
                format!("there is no backup type \"{text}\": they are {}", known.join(", ")),
            )
        })
    }
}

/// How often a backup of a kind is wanted, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// One for each day.
    Daily,
    /// One for each week, which begins on Monday (ISO 8601).
    Weekly,
    /// One for each month.
    Monthly,
    /// One for each year.
    Yearly,
}

impl Tier {
    /// All of them, the most frequent first.
    pub const ALL: [Tier; 4] = [Tier::Daily, Tier::Weekly, Tier::Monthly, Tier::Yearly];

    /// Returns the type of a backup that is made for the tier.
    pub fn backup_type(self) -> BackupType {
        match self {
            Tier::Daily => BackupType::Daily,
            Tier::Weekly => BackupType::Weekly,
            Tier::Monthly => BackupType::Monthly,
            Tier::Yearly => BackupType::Yearly,
        }
    }

    /// Returns the period that a moment belongs to.
    pub fn period(self, moment: DateTime<Utc>) -> Period {
        let date = moment.date_naive();
        match self {
            Tier::Daily => Period::Day(date),
            Tier::Weekly => {
                let week = date.iso_week();
                Period::Week(week.year(), week.week())
            }
            Tier::Monthly => Period::Month(date.year(), date.month()),
            Tier::Yearly => Period::Year(date.year()),
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.backup_type().fmt(f)
    }
}

/// A stretch of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A day.
    Day(NaiveDate),
    /// A week: the year it is counted in and its number.
    Week(i32, u32),
    /// A month: year and number.
    Month(i32, u32),
    /// A year.
    Year(i32),
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Period::Day(date) => write!(f, "{}", date.format("%Y-%m-%d")),
            Period::Week(year, week) => write!(f, "{year}-W{week:02}"),
            Period::Month(year, month) => write!(f, "{year}-{month:02}"),
            Period::Year(year) => write!(f, "{year}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn names_are_read_back() {
        for backup_type in BackupType::ALL {
            assert_eq!(backup_type.name().parse::<BackupType>().expect("a name"), backup_type);
            let json = serde_json::to_string(&backup_type).expect("JSON");
            assert_eq!(json, format!("\"{backup_type}\""));
        }
        assert!("weakly".parse::<BackupType>().is_err());
    }

    #[test]
    fn periods_are_those_of_utc_and_iso() {
        let periods = |year, month, day| {
            let moment = Utc.with_ymd_and_hms(year, month, day, 23, 59, 59).single();
            let moment = moment.expect("a moment");
            Tier::ALL.map(|tier| tier.period(moment).to_string())
        };
        assert_eq!(periods(2026, 11, 22), ["2026-11-22", "2026-W47", "2026-11", "2026"]);
        assert_eq!(periods(2026, 11, 23), ["2026-11-23", "2026-W48", "2026-11", "2026"]);
        // The first days of a year may belong to the last week of the year before.
        assert_eq!(periods(2027, 1, 3), ["2027-01-03", "2026-W53", "2027-01", "2027"]);
        assert_eq!(periods(2024, 12, 30), ["2024-12-30", "2025-W01", "2024-12", "2024"]);
    }
}
