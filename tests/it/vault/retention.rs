//! What retention promises, whatever the history and the policy, and how many backups common policies leave.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use pgark::vault::retention::{Facts, Keep, Policy, Reason, Verdict, decide, due};
use pgark::vault::{BackupId, BackupType, Lineage, Period, Tier};

use crate::support::is_long_run;

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below a limit.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, chance: u64) -> bool {
        self.below(chance) == 0
    }
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 12, 0, 0).single().expect("a moment")
}

fn backup(database: &str, backup_type: BackupType, started: DateTime<Utc>, number: usize) -> Facts {
    let [.., first, second, third] = number.to_be_bytes();
    Facts {
        id: BackupId::new(database, backup_type, started, [first, second, third]),
        lineage: Lineage {
            database: database.to_owned(),
            server: "1".to_owned(),
            excluded: Default::default(),
        },
        backup_type,
        started,
        proved: true,
        is_plausible: true,
        hold: None,
        is_known: true,
    }
}

fn history(dice: &mut Dice) -> Vec<Facts> {
    let databases = 1 + dice.below(3);
    let reach_hours = [48, 24 * 40, 24 * 400, 24 * 1200][dice.below(4) as usize];
    let types = 1 + dice.below(8);
    let proved = 1 + dice.below(4);
    (0..dice.below(40))
        .map(|number| {
            let database = format!("db{}", dice.below(databases));
            let backup_type = BackupType::ALL[dice.below(types) as usize];
            // Now and then a clock was ahead.
            let started = now() - TimeDelta::minutes(dice.below(reach_hours * 60) as i64 - 90);
            let mut backup = backup(&database, backup_type, started, number as usize);
            backup.proved = proved == 4 || !dice.one_in(1 + proved);
            backup.hold = dice.one_in(12).then(|| "a migration".to_owned());
            if dice.one_in(6) {
                backup.lineage.server = "another".to_owned();
            }
            if dice.one_in(6) {
                backup.lineage.excluded.tables.push("log".to_owned());
            }
            backup.is_plausible = !dice.one_in(5);
            backup.is_known = !dice.one_in(20);
            backup.proved &= backup.is_known;
            backup
        })
        .collect()
}

fn policy(dice: &mut Dice) -> Policy {
    let mut policy = Policy { rules: BTreeMap::new(), minimum: dice.below(4) as u32 };
    for backup_type in BackupType::ALL {
        let some = |dice: &mut Dice, limit| (!dice.one_in(3)).then(|| dice.below(limit) as u32);
        let keep = Keep { days: some(dice, 400), count: some(dice, 12) };
        if !dice.one_in(4) && backup_type != BackupType::Full {
            policy.rules.insert(backup_type, keep);
        }
    }
    policy
}

fn is_within(backup: &Facts, days: u32) -> bool {
    now() - backup.started <= TimeDelta::days(i64::from(days))
}

/// Fails when a decision breaks a promise; states them as simply as they can be said.
fn check(policy: &Policy, backups: &[Facts]) {
    let decisions = decide(policy, backups, now());
    assert_eq!(decisions.len(), backups.len());
    let kept: Vec<&Facts> = backups
        .iter()
        .zip(&decisions)
        .filter(|(_, decision)| decision.verdict == Verdict::Keep)
        .map(|(backup, _)| backup)
        .collect();
    let is_kept = |backup: &Facts| kept.iter().any(|kept| kept.id == backup.id);
    for (backup, decision) in backups.iter().zip(&decisions) {
        assert_eq!(backup.id, decision.id);
        assert!(!decision.reasons.is_empty(), "no reason for {}", backup.id);
        assert!(backup.hold.is_none() || is_kept(backup), "dropped although held: {}", backup.id);
        let ruled = policy.rule(backup.backup_type);
        assert!(ruled.is_some() || is_kept(backup), "no rule says so: {}", backup.id);
        let is_ripe = backup.is_known && backup.started <= now();
        assert!(is_ripe || is_kept(backup), "nobody can judge {} yet", backup.id);
    }
    let lineages: BTreeSet<_> = backups.iter().map(|backup| &backup.lineage).collect();
    for lineage in lineages {
        let own: Vec<Facts> =
            backups.iter().filter(|backup| backup.lineage == *lineage).cloned().collect();
        // Nothing across databases: alone, the same is decided.
        let alone = decide(policy, &own, now());
        for (backup, decision) in own.iter().zip(&alone) {
            assert_eq!(decision.verdict == Verdict::Keep, is_kept(backup), "{}", backup.id);
        }
        // What is yet to come stands for nothing, or a clock that was ahead once would cost all the others.
        let counts = |backup: &&Facts| backup.proved && backup.started <= now();
        let mut proved: Vec<&Facts> = own.iter().filter(counts).collect();
        proved.sort_by_key(|backup| std::cmp::Reverse((backup.started, backup.id.clone())));
        for newest in proved.iter().take(policy.minimum.max(1) as usize) {
            assert!(is_kept(newest), "one of the newest is gone: {}", newest.id);
        }
        if let Some(newest) = proved.iter().find(|backup| backup.is_plausible) {
            assert!(is_kept(newest), "the newest that is plausible is gone: {}", newest.id);
        }
        for (tier, keep) in policy.tiers() {
            check_tier(tier, keep, &proved, &is_kept);
        }
    }
    // What is left is left alone.
    let left: Vec<Facts> = kept.into_iter().cloned().collect();
    let again = decide(policy, &left, now());
    assert!(again.iter().all(|decision| decision.verdict == Verdict::Keep), "{again:#?}");
}

/// Every period with a proved backup that the rule reaches has one afterwards.
fn check_tier(tier: Tier, keep: Keep, proved: &[&Facts], is_kept: &dyn Fn(&Facts) -> bool) {
    let regular: Vec<&&Facts> =
        proved.iter().filter(|backup| backup.backup_type.tier().is_some()).collect();
    let periods = |backups: &mut dyn Iterator<Item = &&Facts>| -> BTreeSet<Period> {
        backups.map(|backup| tier.period(backup.started)).collect()
    };
    if let Some(days) = keep.days {
        let young = || regular.iter().copied().filter(|backup| is_within(backup, days));
        let before = periods(&mut young());
        let after = periods(&mut young().filter(|backup| is_kept(backup)));
        assert_eq!(before, after, "{tier} {days} days");
    }
    if let Some(count) = keep.count {
        let before = periods(&mut regular.iter().copied());
        let newest: BTreeSet<Period> = before.into_iter().rev().take(count as usize).collect();
        let after = periods(&mut regular.iter().copied().filter(|backup| is_kept(backup)));
        assert!(newest.is_subset(&after), "{tier} {count} periods");
    }
}

#[test]
fn the_promises_hold_for_random_histories_and_policies() {
    let cases = if is_long_run() { 1_000_000 } else { 5_000 };
    for seed in 0..cases {
        let mut dice = Dice(seed);
        let (policy, history) = (policy(&mut dice), history(&mut dice));
        let outcome = std::panic::catch_unwind(|| check(&policy, &history));
        assert!(outcome.is_ok(), "seed {seed}: {policy:?}\n{history:#?}");
    }
}

/// One backup at two o'clock of each of the last so many days.
fn every_day(days: i64, backup_type: impl Fn(&[Facts], DateTime<Utc>) -> BackupType) -> Vec<Facts> {
    let mut backups = Vec::new();
    for ago in (0..days).rev() {
        let started = now() - TimeDelta::days(ago) - TimeDelta::hours(10);
        let backup_type = backup_type(&backups, started);
        backups.push(backup("shop", backup_type, started, ago as usize));
    }
    backups
}

fn kept(policy: &Policy, backups: &[Facts]) -> usize {
    let decisions = decide(policy, backups, now());
    decisions.iter().filter(|decision| decision.verdict == Verdict::Keep).count()
}

// The numbers below were worked out by another program too (a short script in another language), not by this code.

#[test]
fn daily_backups_leave_the_expected_number() {
    // Judged at noon of Saturday 2026-11-21: 30 days reach back to October 23, 84 to August 30, 365 to
    // November 22 of the year before.
    let usual = Policy::default();
    let all_daily = |days| every_day(days, |_, _| BackupType::Daily);
    // Thirty days, the Sundays from September 20 to October 18, and the last of September.
    assert_eq!(kept(&usual, &all_daily(67)), 30 + 5 + 1);
    // Thirty days, the Sundays from August 30 to October 18, the ends of the months from November to September.
    assert_eq!(kept(&usual, &all_daily(400)), 30 + 8 + 11);
    assert_eq!(kept(&usual, &all_daily(4000)), 30 + 8 + 11);
}

#[test]
fn counted_periods_leave_the_expected_number() {
    let counts = [
        (BackupType::Daily, 7),
        (BackupType::Weekly, 4),
        (BackupType::Monthly, 12),
        (BackupType::Yearly, 3),
    ];
    let rules = counts.into_iter().map(|(kind, count)| (kind, Keep::count(count)));
    let policy = Policy { rules: rules.collect(), minimum: 1 };
    let all_daily = |days| every_day(days, |_, _| BackupType::Daily);
    // November 15 to 21, the Sundays 8 and 1, the ends of October and September.
    assert_eq!(kept(&policy, &all_daily(67)), 7 + 2 + 2);
    // The ends of eleven months behind November; that of December is also that of a year.
    assert_eq!(kept(&policy, &all_daily(400)), 7 + 2 + 11);
    assert_eq!(kept(&policy, &all_daily(4000)), 7 + 2 + 11 + 1);

    let one_number =
        Policy { rules: BTreeMap::from([(BackupType::Daily, Keep::default())]), minimum: 7 };
    for days in [67, 400, 4000] {
        assert_eq!(kept(&one_number, &all_daily(days)), 7);
    }
}

#[test]
fn backups_that_choose_their_type_and_prune_every_day_leave_the_expected_number() {
    let policy = Policy::default();
    for (days, expected) in [(67, [25, 9, 3]), (400, [25, 12, 12]), (4000, [25, 12, 12])] {
        let mut backups: Vec<Facts> = Vec::new();
        for ago in (0..days).rev() {
            let started = now() - TimeDelta::days(ago) - TimeDelta::hours(10);
            let backup_type = due(&policy, &backups, started);
            backups.push(backup("shop", backup_type, started, ago as usize));
            let decisions = decide(&policy, &backups, started);
            let mut decisions = decisions.iter();
            backups.retain(|_| decisions.next().is_some_and(|it| it.verdict == Verdict::Keep));
        }
        let decisions = decide(&policy, &backups, now());
        let left = backups.iter().zip(&decisions).filter(|(_, it)| it.verdict == Verdict::Keep);
        let left: Vec<BackupType> = left.map(|(backup, _)| backup.backup_type).collect();
        let of_type = |kind| left.iter().filter(|&&found| found == kind).count();
        let counts = [BackupType::Daily, BackupType::Weekly, BackupType::Monthly].map(of_type);
        assert_eq!(counts, expected, "{days} days");
    }
}

#[test]
fn the_type_that_is_due_catches_up_with_what_was_missed() {
    let policy = Policy::default();
    let at =
        |month, day| Utc.with_ymd_and_hms(2026, month, day, 2, 0, 0).single().expect("a moment");
    let mut backups = Vec::new();
    let mut make = |moment, expected: BackupType, proved| {
        assert_eq!(due(&policy, &backups, moment), expected, "{moment}");
        backups.push(Facts { proved, ..backup("shop", expected, moment, backups.len()) });
    };
    make(at(11, 5), BackupType::Monthly, true);
    make(at(11, 5), BackupType::Daily, true);
    make(at(11, 6), BackupType::Daily, true);
    // Monday and Tuesday were missed, and what Wednesday made is not whole.
    make(at(11, 11), BackupType::Weekly, false);
    make(at(11, 12), BackupType::Weekly, true);
    make(at(11, 13), BackupType::Daily, true);
    make(at(12, 3), BackupType::Monthly, true);
}

#[test]
fn every_decision_says_why() {
    let policy = Policy::default();
    let old = now() - TimeDelta::days(100);
    let mut held = backup("shop", BackupType::PreMigration, old, 1);
    held.hold = Some("migration 12".to_owned());
    let mut broken = backup("shop", BackupType::Daily, old, 2);
    broken.proved = false;
    let backups = [
        backup("shop", BackupType::Manual, old, 0),
        held,
        broken,
        backup("shop", BackupType::Weekly, old, 3),
        backup("shop", BackupType::Full, now() - TimeDelta::days(1), 4),
        backup("blog", BackupType::Daily, old, 5),
    ];
    let decisions = decide(&policy, &backups, now());
    let said: Vec<String> = decisions
        .iter()
        .map(|decision| {
            let reasons: Vec<String> = decision.reasons.iter().map(Reason::to_string).collect();
            format!("{:?}: {}", decision.verdict, reasons.join("; "))
        })
        .collect();
    assert_eq!(
        said,
        [
            "Keep: no rule for manual backups",
            "Keep: held: migration 12",
            "Drop: daily backups are kept 30 days, and it is not proved",
            "Keep: the monthly one of 2026-08",
            "Keep: the newest that is proved; full backups are kept 30 days; the daily one of 2026-11-20; \
             the weekly one of 2026-W47; the monthly one of 2026-11",
            "Keep: the newest that is proved; the monthly one of 2026-08",
        ]
    );
}
