//! What a repository on disk is taken for.

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::store::Durability;
use crate::vault::event::{Event, EventKind, Proof};
use crate::vault::{BackupId, BackupRecord, BackupType, id};

fn moment(hours: i64) -> DateTime<Utc> {
    id::read_stamp("20260131T020000Z").expect("a moment") + TimeDelta::hours(hours)
}

fn record(database: &str, hours: i64, random: u8) -> BackupRecord {
    let id = BackupId::new(database, BackupType::Daily, moment(hours), [0, 0, random]);
    sample(database, id).record
}

struct Fixture {
    folder: tempfile::TempDir,
    repository: Repository,
}

impl Fixture {
    fn new(records: &[BackupRecord]) -> Fixture {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = Repository::open(folder.path()).expect("a repository");
        for record in records {
            let place =
                repository.database_folder(&record.source.database).join(record.id.to_string());
            make_folder(&place).expect("a folder");
            write_record(&place.join(RECORD_FILE), record, Durability::Unsynced).expect("a file");
        }
        Fixture { folder, repository }
    }

    fn happened(&self, record: &BackupRecord, hours: i64, kind: EventKind) {
        self.looked(record, hours, kind, Proof::Restored);
    }

    fn looked(&self, record: &BackupRecord, hours: i64, kind: EventKind, proof: Proof) {
        let event =
            Event { proof: Some(proof), ..Event::new(record.id.clone(), moment(hours), kind) };
        let random = [0, 0, hours as u8];
        self.repository.append(&record.source.database, &event, random).expect("writes");
    }

    fn found(&self, wanted: &Wanted, database: Option<&str>) -> Result<String> {
        self.repository.find(wanted, database).map(|choice| choice.backup.id().to_string())
    }
}

#[test]
fn backups_are_listed_newest_first_and_other_things_not_at_all() {
    let (old, new) = (record("shop", 0, 1), record("a/b", 1, 2));
    let fixture = Fixture::new(&[old.clone(), new.clone()]);
    std::fs::create_dir(fixture.folder.path().join("shop/other")).expect("a folder");
    std::fs::write(fixture.folder.path().join("notes.txt"), "x").expect("a file");
    let listing = fixture.repository.list(None).expect("lists");
    let ids: Vec<&BackupId> = listing.backups.iter().map(StoredBackup::id).collect();
    assert_eq!(ids, [&new.id, &old.id]);
    assert!(listing.unreadable.is_empty());
    let of_one = fixture.repository.list(Some("a/b")).expect("lists");
    assert_eq!(of_one.backups.len(), 1);
    assert!(fixture.repository.list(Some("none")).expect("lists").backups.is_empty());
}

#[test]
fn what_cannot_be_read_is_named() {
    let (whole, broken, stranger) =
        (record("shop", 0, 1), record("shop", 1, 2), record("shop", 2, 3));
    let fixture = Fixture::new(&[whole.clone(), broken.clone(), stranger.clone()]);
    let shop = fixture.folder.path().join("shop");
    let path = shop.join(broken.id.to_string()).join(RECORD_FILE);
    let text = std::fs::read_to_string(&path).expect("reads").replace("\"rows\": 2", "\"rows\": 3");
    std::fs::write(path, text).expect("writes");
    std::fs::rename(
        shop.join(whole.id.to_string()).join(RECORD_FILE),
        shop.join(stranger.id.to_string()).join(RECORD_FILE),
    )
    .expect("renames");
    let listing = fixture.repository.list(None).expect("lists");
    assert!(listing.backups.is_empty());
    let mut whats: Vec<&str> =
        listing.unreadable.iter().map(|broken| broken.what.as_str()).collect();
    whats.sort_unstable();
    assert!(whats.iter().any(|what| what.contains("its checksum is wrong")), "{whats:?}");
    assert!(whats.iter().any(|what| what.contains("its backup.json is that of")), "{whats:?}");
    assert!(whats.iter().any(|what| what.contains("No such file")), "{whats:?}");
    let error = fixture.found(&Wanted::Id(broken.id.to_string()), None).expect_err("broken");
    assert_eq!(error.kind(), ErrorKind::Integrity);
}

#[test]
fn a_backup_is_found_by_id_digits_beginning_and_time() {
    let (old, new) = (record("shop", 0, 1), record("shop", 24, 2));
    let fixture = Fixture::new(&[old.clone(), new.clone()]);
    let id = |text: &str| Wanted::Id(text.to_owned());
    let (old_id, new_id) = (old.id.to_string(), new.id.to_string());
    for (wanted, expected) in [
        (id(&old_id), &old_id),
        (id("000001"), &old_id),
        (id("shop-daily-20260201"), &new_id),
        (Wanted::Latest, &new_id),
        (Wanted::At(moment(24)), &new_id),
        (Wanted::At(moment(23)), &old_id),
    ] {
        assert_eq!(&fixture.found(&wanted, None).expect("found"), expected, "{wanted:?}");
    }
    for (wanted, kind) in [
        (id("shop-daily-2026"), ErrorKind::Usage),
        (id(""), ErrorKind::NotFound),
        (id("000003"), ErrorKind::NotFound),
        (Wanted::At(moment(-1)), ErrorKind::NotFound),
    ] {
        assert_eq!(fixture.found(&wanted, None).expect_err("none").kind(), kind, "{wanted:?}");
    }
}

#[test]
fn the_latest_of_several_databases_needs_a_name() {
    let fixture = Fixture::new(&[record("shop", 0, 1), record("blog", 1, 2)]);
    assert_eq!(fixture.found(&Wanted::Latest, None).expect_err("two").kind(), ErrorKind::Usage);
    let found = fixture.found(&Wanted::Latest, Some("shop")).expect("one");
    assert!(found.starts_with("shop-daily"), "{found}");
}

#[test]
fn the_latest_is_the_newest_that_is_proved() {
    let (old, new) = (record("shop", 0, 1), record("shop", 1, 2));
    let fixture = Fixture::new(&[old.clone(), new.clone()]);
    fixture.happened(&new, 2, EventKind::Damaged);
    assert_eq!(fixture.found(&Wanted::Latest, None).expect("found"), old.id.to_string());
    fixture.happened(&old, 3, EventKind::Damaged);
    let error = fixture.found(&Wanted::Latest, None).expect_err("none is whole");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    fixture.happened(&new, 4, EventKind::Verified);
    let found = fixture.repository.find(&Wanted::Latest, None).expect("found").backup;
    assert_eq!((found.id(), found.proof()), (&new.id, Proof::Restored));
    assert_eq!(found.looked_at(), Some(moment(4)));
}

#[test]
fn holds_begin_and_end() {
    let made = BackupRecord { hold: Some("migration 12".to_owned()), ..record("shop", 0, 1) };
    let fixture = Fixture::new(std::slice::from_ref(&made));
    let hold = || {
        let found = fixture.repository.find(&Wanted::Latest, None).expect("found").backup;
        found.hold().map(str::to_owned)
    };
    assert_eq!(hold().as_deref(), Some("migration 12"));
    fixture.happened(&made, 1, EventKind::Confirmed);
    assert_eq!(hold(), None);
    fixture.happened(&made, 2, EventKind::Held);
    fixture.happened(&made, 3, EventKind::Confirmed);
    assert_eq!(hold().as_deref(), Some("held"));
    fixture.happened(&made, 4, EventKind::Released);
    assert_eq!(hold(), None);
}

#[test]
fn damage_is_outweighed_by_a_look_at_every_byte_and_nothing_less() {
    let made = record("shop", 0, 1);
    let fixture = Fixture::new(std::slice::from_ref(&made));
    let found = || fixture.repository.list(None).expect("lists").backups.remove(0);
    fixture.looked(&made, 1, EventKind::Verified, Proof::Restored);
    assert_eq!(found().proof(), Proof::Restored);
    fixture.happened(&made, 2, EventKind::Damaged);
    fixture.looked(&made, 3, EventKind::Verified, Proof::Stored);
    fixture.happened(&made, 4, EventKind::Confirmed);
    assert!(found().is_damaged());
    assert_eq!(found().proof(), Proof::None);
    fixture.looked(&made, 5, EventKind::Verified, Proof::Decoded);
    assert!(!found().is_damaged());
    assert_eq!(found().proof(), Proof::Decoded, "what was proved before the damage is over");
}

#[test]
fn the_last_word_is_the_last_also_when_the_clock_goes_back() {
    let made = record("shop", 0, 1);
    let fixture = Fixture::new(std::slice::from_ref(&made));
    fixture.happened(&made, 5, EventKind::Released);
    fixture.happened(&made, 1, EventKind::Held);
    let found = fixture.repository.list(None).expect("lists").backups.remove(0);
    assert_eq!(found.hold(), Some("held"));
    let last = found.events.last().expect("events");
    assert_eq!(last.at, moment(5) + TimeDelta::milliseconds(1));
}

#[test]
fn a_backup_counts_once_however_often_its_folder_is_there() {
    let made = record("shop", 0, 1);
    let fixture = Fixture::new(std::slice::from_ref(&made));
    let path = |name: &str| fixture.folder.path().join(name);
    std::os::unix::fs::symlink(path("shop"), path("another")).expect("a link");
    // A name that a file system without cases would take for the same.
    std::os::unix::fs::symlink(path("shop"), path("SHOP")).expect("a link");
    let listing = fixture.repository.list(None).expect("lists");
    assert_eq!(listing.backups.len(), 1);
    let mut whats: Vec<&str> = listing.unreadable.iter().map(|it| it.what.as_str()).collect();
    whats.sort_unstable();
    assert_eq!(
        whats,
        [
            "a backup of this name is in another folder too",
            "it is a copy, or misplaced: its folder is \"shop\""
        ]
    );
}

#[test]
fn what_part_of_its_history_cannot_be_read_of_proves_nothing() {
    let made = record("shop", 0, 1);
    let fixture = Fixture::new(std::slice::from_ref(&made));
    fixture.happened(&made, 1, EventKind::Verified);
    fixture.happened(&made, 2, EventKind::Held);
    let history = fixture.folder.path().join("shop").join(HISTORY_FOLDER);
    let name = format!("{}.20260131T040000Z-held-000002.json", made.id);
    std::fs::write(history.join(name), "{").expect("writes");
    let listing = fixture.repository.list(None).expect("lists");
    assert_eq!((listing.backups[0].unreadable_events, listing.unreadable.len()), (1, 1));
    assert!(!listing.backups[0].is_proved());
}

fn of_server(hours: i64, random: u8, server: &str, without: &[&str]) -> BackupRecord {
    let mut record = record("shop", hours, random);
    record.source.system_identifier = None;
    record.source.server = server.to_owned();
    record.excluded.table_data = without.iter().map(|&name| name.to_owned()).collect();
    record
}

#[test]
fn the_latest_of_two_servers_is_not_chosen_until_one_is_retired() {
    let production = of_server(0, 1, "host db", &[]);
    let staging = of_server(1, 2, "host test", &[]);
    let fixture = Fixture::new(&[production.clone(), staging.clone()]);
    for wanted in [Wanted::Latest, Wanted::At(moment(1))] {
        let error = fixture.found(&wanted, Some("shop")).expect_err("two servers");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.message().contains("host db (shop-daily-"), "{error}");
    }
    let early = fixture.found(&Wanted::At(moment(0)), Some("shop"));
    assert_eq!(early.expect("only one had any"), production.id.to_string());
    fixture.happened(&staging, 2, EventKind::Retired);
    let found = fixture.found(&Wanted::Latest, Some("shop"));
    assert_eq!(found.expect("one is left"), production.id.to_string());
}

#[test]
fn a_whole_backup_comes_before_newer_ones_that_leave_something_out() {
    let whole = of_server(0, 1, "h", &[]);
    let part = of_server(1, 2, "h", &["log"]);
    let fixture = Fixture::new(&[whole.clone(), part.clone()]);
    let choice = fixture.repository.find(&Wanted::Latest, None).expect("found");
    assert_eq!(choice.backup.id(), &whole.id);
    assert_eq!(choice.notes, [format!("{} is newer and without rows of log", part.id)]);
    fixture.happened(&whole, 2, EventKind::Damaged);
    let choice = fixture.repository.find(&Wanted::Latest, None).expect("found");
    assert_eq!(choice.backup.id(), &part.id);
    assert_eq!(choice.notes, [format!("{} is without rows of log", part.id)]);
}

#[test]
fn newer_ones_that_are_passed_over_are_told() {
    let (old, damaged, broken) = (record("shop", 0, 1), record("shop", 1, 2), record("shop", 2, 3));
    let fixture = Fixture::new(&[old.clone(), damaged.clone(), broken.clone()]);
    fixture.happened(&damaged, 3, EventKind::Damaged);
    let place = fixture.folder.path().join("shop").join(broken.id.to_string());
    std::fs::write(place.join(RECORD_FILE), "{}").expect("writes");
    let choice = fixture.repository.find(&Wanted::Latest, None).expect("found");
    assert_eq!(choice.backup.id(), &old.id);
    assert_eq!(choice.notes[0], format!("{} is newer and damaged", damaged.id));
    assert!(choice.notes[1].starts_with(&format!("{} is newer and cannot be read", broken.id)));
    let error = fixture.found(&Wanted::Id("000003".to_owned()), None).expect_err("broken");
    assert_eq!(error.kind(), ErrorKind::Integrity);
}

#[test]
fn a_repository_that_is_not_there_is_not_found() {
    let error = Repository::open("/nowhere/at/all").expect_err("none");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn only_the_owner_reads_what_is_written() {
    use std::os::unix::fs::PermissionsExt;
    let made = record("shop", 0, 1);
    let fixture = Fixture::new(std::slice::from_ref(&made));
    fixture.happened(&made, 1, EventKind::Held);
    let mode = |path: &str| {
        let metadata = std::fs::metadata(fixture.folder.path().join(path)).expect("is there");
        metadata.permissions().mode() & 0o777
    };
    let backup = format!("shop/{}", made.id);
    for folder in ["shop", "shop/history", &backup] {
        assert_eq!(mode(folder), 0o700, "{folder}");
    }
    assert_eq!(mode(&format!("{backup}/{RECORD_FILE}")), 0o600);
}
