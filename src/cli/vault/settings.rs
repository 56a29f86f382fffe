//! What flags and variables say about the repository and how long backups are kept.

use std::path::PathBuf;

use crate::cli::arguments::{RepositoryArguments, RetentionArguments};
use crate::cli::world::World;
use crate::sql::text;
use crate::vault::BackupType;
use crate::vault::retention::Policy;

/// Where backups go when nobody says so.
const DEFAULT_REPOSITORY: &str = "backups";

/// Returns the folder of the repository.
pub(super) fn repository(arguments: &RepositoryArguments, world: &World) -> PathBuf {
    let named = arguments.repo.clone();
    let named = named.or_else(|| world.variable("BACKUP_DIR").map(text::path));
    named.unwrap_or_else(|| DEFAULT_REPOSITORY.into())
}

/// How long backups are kept, and whether somebody said so.
pub(super) struct Retention {
    pub(super) policy: Policy,
    pub(super) is_chosen: bool,
}

/// Returns how long backups are kept: what was typed, and the usual for the rest.
pub(super) fn retention(arguments: &RetentionArguments) -> Retention {
    let RetentionArguments { keep_last, .. } = *arguments;
    let rules = [
        (BackupType::Daily, arguments.keep_daily),
        (BackupType::Weekly, arguments.keep_weekly),
        (BackupType::Monthly, arguments.keep_monthly),
        (BackupType::Yearly, arguments.keep_yearly),
        (BackupType::PreMigration, arguments.keep_pre_migration),
        (BackupType::Safety, arguments.keep_safety),
        (BackupType::Manual, arguments.keep_manual),
    ];
    let mut policy = Policy::default();
    let mut is_chosen = keep_last.is_some();
    for (backup_type, keep) in rules {
        if let Some(keep) = keep {
            policy.rules.insert(backup_type, keep);
            is_chosen = true;
        }
    }
    policy.minimum = keep_last.unwrap_or(policy.minimum);
    Retention { policy, is_chosen }
}
