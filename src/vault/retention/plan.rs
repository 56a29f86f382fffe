//! Which backups a policy keeps, and why: pure, from facts to a reason for each.
//!
//! What always holds, whatever the history and the policy (`tests/it/vault/retention.rs` states it):
//!
//! - Each database of each server is judged alone, and backups that leave something out apart from whole ones.
//! - Only proved backups count. Of them the newest are kept, at least one, whatever the policy says, and the newest
//!   one that is not empty, or that a person has called right as it is.
//! - What is held is kept. What no rule speaks of is kept, and so is what is not known well enough to be judged.
//! - One whose time is yet to come is kept and stands for no other.
//! - A period of a tier that has a proved backup in the time that is kept, keeps one.
//! - Judging what is left at the same moment drops nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer};

use super::policy::{Keep, Policy};
use crate::vault::backup_type::{BackupType, Period, Tier};
use crate::vault::id::BackupId;
use crate::vault::lineage::Lineage;
use crate::vault::repository::StoredBackup;

/// What retention needs to know about a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its name.
    pub id: BackupId,
    /// What it is of; those of another lineage do not stand for it.
    pub lineage: Lineage,
    /// Its type.
    pub backup_type: BackupType,
    /// When it began.
    pub started: DateTime<Utc>,
    /// Whether it was proved, and nothing speaks against it since.
    pub proved: bool,
    /// Whether it holds rows, or a person has said that it is right to hold none.
    pub is_plausible: bool,
    /// Why it must not be dropped, when it must not.
    pub hold: Option<String>,
    /// Whether everything that happened to it is known.
    pub is_known: bool,
}

impl From<&StoredBackup> for Facts {
    fn from(backup: &StoredBackup) -> Self {
        Facts {
            id: backup.id().clone(),
            lineage: Lineage::of(&backup.record),
            backup_type: backup.record.backup_type,
            started: backup.record.started,
            proved: backup.is_proved(),
            is_plausible: backup.record.rows > 0 || backup.is_confirmed(),
            hold: backup.hold().map(str::to_owned),
            is_known: backup.unreadable_events == 0,
        }
    }
}

/// Whether a backup is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It goes.
    Drop,
}

/// Why a backup is kept or dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Somebody holds it.
    Held(String),
    /// Part of its history cannot be read, and may say anything.
    UnreadableHistory,
    /// It is the newest that is proved.
    NewestProved,
    /// It is the newest proved one that holds rows as it should: newer ones may be of a database that was emptied by
    /// mistake.
    NewestPlausible,
    /// It is one of the newest proved ones that are kept whatever their age.
    Minimum(u32),
    /// The clock that made it was ahead of the one that judges.
    FromTheFuture,
    /// No rule speaks of its type.
    NoRule(BackupType),
    /// It is not older than its type is kept.
    Age(BackupType, u32),
    /// It is among the newest of its type.
    Count(BackupType, u32),
    /// It stands for a period that is kept.
    Period(Tier, Period),
    /// It is older than its type is kept.
    Expired(BackupType, Keep),
    /// As expired, and it never counted, because it is not proved.
    ExpiredUnproved(BackupType, Keep),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Held(why) => write!(f, "held: {why}"),
            Reason::UnreadableHistory => f.write_str("part of its history cannot be read"),
            Reason::NewestPlausible => {
                f.write_str("the newest that is proved and not empty by surprise")
            }
            Reason::NewestProved => f.write_str("the newest that is proved"),
            Reason::Minimum(count) => write!(f, "one of the newest {count} that are proved"),
            Reason::FromTheFuture => f.write_str("its time is yet to come"),
            Reason::NoRule(kind) => write!(f, "no rule for {kind} backups"),
            Reason::Age(kind, days) => write!(f, "{kind} backups are kept {days} days"),
            Reason::Count(kind, count) => write!(f, "one of the newest {count} {kind} backups"),
            Reason::Period(tier, period) => write!(f, "the {tier} one of {period}"),
            Reason::Expired(kind, keep) => write!(f, "{kind} backups are kept {keep}"),
            Reason::ExpiredUnproved(kind, keep) => {
                write!(f, "{kind} backups are kept {keep}, and it is not proved")
            }
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What becomes of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Its name.
    pub id: BackupId,
    /// Whether it is kept.
    pub verdict: Verdict,
    /// Why; there is at least one reason.
    pub reasons: Vec<Reason>,
}

/// Decides about every backup; the decisions come in the order of the backups.
pub fn decide(policy: &Policy, backups: &[Facts], now: DateTime<Utc>) -> Vec<Decision> {
    let mut groups: BTreeMap<&Lineage, Vec<usize>> = BTreeMap::new();
    for (position, backup) in backups.iter().enumerate() {
        groups.entry(&backup.lineage).or_default().push(position);
    }
    let mut reasons: Vec<Vec<Reason>> = vec![Vec::new(); backups.len()];
    for members in groups.values_mut() {
        // The newest first; ids tell apart what began in the same moment.
        members.sort_by_key(|&member| {
            std::cmp::Reverse((backups[member].started, &backups[member].id))
        });
        let group = Group { policy, backups, members, now };
        group.keep(&mut |member, reason| reasons[member].push(reason));
    }
    let decided = backups.iter().zip(reasons).map(|(backup, reasons)| {
        let id = backup.id.clone();
        if !reasons.is_empty() {
            return Decision { id, verdict: Verdict::Keep, reasons };
        }
        let keep = policy.rule(backup.backup_type).unwrap_or_default();
        let reason = match backup.proved {
            true => Reason::Expired(backup.backup_type, keep),
            false => Reason::ExpiredUnproved(backup.backup_type, keep),
        };
        Decision { id, verdict: Verdict::Drop, reasons: vec![reason] }
    });
    decided.collect()
}

/// The backups of one database.
struct Group<'a> {
    policy: &'a Policy,
    backups: &'a [Facts],
    /// Their positions, the newest first.
    members: &'a [usize],
    now: DateTime<Utc>,
}

impl Group<'_> {
    fn keep(&self, keep: &mut impl FnMut(usize, Reason)) {
        // One from the future is kept, and takes no place: made by a clock that was ahead, it would be the newest
        // for years.
        let counts = |backup: &Facts| backup.proved && backup.started <= self.now;
        let proved: Vec<usize> =
            self.members.iter().copied().filter(|&member| counts(&self.backups[member])).collect();
        let minimum = self.policy.minimum.max(1);
        for (position, &member) in proved.iter().take(minimum as usize).enumerate() {
            keep(
                member,
                if position == 0 { Reason::NewestProved } else { Reason::Minimum(minimum) },
            );
        }
        let plausible = proved.iter().find(|&&member| self.backups[member].is_plausible);
        if let Some(&member) = plausible.filter(|&&member| proved.first() != Some(&member)) {
            keep(member, Reason::NewestPlausible);
        }
        for &member in self.members {
            let backup = &self.backups[member];
            if !backup.is_known {
                keep(member, Reason::UnreadableHistory);
            }
            if let Some(why) = &backup.hold {
                keep(member, Reason::Held(why.clone()));
            }
            if backup.started > self.now {
                keep(member, Reason::FromTheFuture);
            }
            match self.policy.rule(backup.backup_type) {
                None => keep(member, Reason::NoRule(backup.backup_type)),
                Some(Keep { days: Some(days), .. }) if self.is_within(backup, days) => {
                    keep(member, Reason::Age(backup.backup_type, days));
                }
                Some(_) => {}
            }
        }
        for (tier, rule) in self.policy.tiers() {
            self.keep_tier(tier, rule, &proved, keep);
        }
        self.keep_counted(&proved, keep);
        self.keep_unproved(keep);
    }

    /// Keeps what is not proved as long as it would be kept if it were: a later look may prove it, and where nothing
    /// is ever looked at, or the machine that looks is broken, there is nothing else.
    ///
    /// It takes the place of none that is proved.
    fn keep_unproved(&self, keep: &mut impl FnMut(usize, Reason)) {
        let mut newer: BTreeMap<BackupType, u32> = BTreeMap::new();
        for &member in self.members {
            let backup = &self.backups[member];
            let before = newer.entry(backup.backup_type).or_default();
            let count = self.policy.rule(backup.backup_type).and_then(|rule| rule.count);
            if let Some(count) = count.filter(|&count| *before < count && !backup.proved) {
                keep(member, Reason::Count(backup.backup_type, count));
            }
            *before += 1;
        }
    }

    /// Keeps one backup for each period of a tier that has any.
    ///
    /// Backups made for the tier, or for a longer one, come before those that only happen to lie in the period; of
    /// equals the newest stands for it.
    fn keep_tier(
        &self,
        tier: Tier,
        rule: Keep,
        proved: &[usize],
        keep: &mut impl FnMut(usize, Reason),
    ) {
        let period = |member: usize| tier.period(self.backups[member].started);
        let made_for_it = |member: usize| self.made_for(member).is_some_and(|made| made >= tier);
        let best = |members: &mut dyn Iterator<Item = usize>| {
            let mut of_period: BTreeMap<Period, usize> = BTreeMap::new();
            for member in members {
                let best = of_period.entry(period(member)).or_insert(member);
                if made_for_it(member) && !made_for_it(*best) {
                    *best = member;
                }
            }
            of_period
        };
        let regular = || proved.iter().copied().filter(|&member| self.made_for(member).is_some());
        if let Some(days) = rule.days {
            let young = |&member: &usize| self.is_within(&self.backups[member], days);
            for (period, member) in best(&mut regular().filter(young)) {
                keep(member, Reason::Period(tier, period));
            }
        }
        if let Some(count) = rule.count {
            let all = best(&mut regular());
            for (period, member) in all.into_iter().rev().take(count as usize) {
                keep(member, Reason::Period(tier, period));
            }
        }
    }

    /// Keeps the newest of each type that belongs to no tier and has a number.
    fn keep_counted(&self, proved: &[usize], keep: &mut impl FnMut(usize, Reason)) {
        let types: BTreeSet<BackupType> =
            proved.iter().map(|&member| self.backups[member].backup_type).collect();
        for backup_type in types.into_iter().filter(|backup_type| backup_type.tier().is_none()) {
            let Some(count) = self.policy.rule(backup_type).and_then(|rule| rule.count) else {
                continue;
            };
            let of_type =
                proved.iter().filter(|&&member| self.backups[member].backup_type == backup_type);
            for &member in of_type.take(count as usize) {
                keep(member, Reason::Count(backup_type, count));
            }
        }
    }

    fn made_for(&self, member: usize) -> Option<Tier> {
        self.backups[member].backup_type.tier()
    }

    fn is_within(&self, backup: &Facts, days: u32) -> bool {
        self.now - backup.started <= TimeDelta::days(i64::from(days))
    }
}
