//! Which type a backup that is made now should have.

use chrono::{DateTime, Utc};

use super::plan::Facts;
use super::policy::Policy;
use crate::vault::backup_type::{BackupType, Tier};

/// Returns the type for a backup of a database: that of the longest tier the policy keeps whose current period has
/// none yet, so that what was missed is caught up with.
///
/// A backup serves the shorter tiers too: the monthly one is also the one of its week and day. Only proved backups
/// of the database count. When nothing is missing it is one more daily one.
pub fn due(policy: &Policy, of_database: &[Facts], now: DateTime<Utc>) -> BackupType {
    let served = |tier: Tier| {
        of_database.iter().any(|backup| {
            backup.proved
                && backup.backup_type.tier().is_some_and(|made| made >= tier)
                && tier.period(backup.started) == tier.period(now)
        })
    };
    let missing = policy.tiers().rev().map(|(tier, _)| tier).find(|&tier| !served(tier));
    missing.map_or(BackupType::Daily, Tier::backup_type)
}
