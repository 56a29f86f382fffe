//! What a repository on disk is taken for.

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::store::Durability;
use crate::vault::event::{EventKind, Proof};
use crate::vault::{BackupType, id};

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
        let event = Event {
            proof: Some(Proof::Restored),
            ..Event::new(record.id.clone(), moment(hours), kind)
        };
        let random = [0, 0, hours as u8];
        self.repository.append(&record.source.database, &event, random).expect("writes");
    }

    fn found(&self, wanted: &Wanted, database: Option<&str>) -> Result<String> {
        self.repository.find(wanted, database).map(|backup| backup.id().to_string())
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
    let found = fixture.repository.find(&Wanted::Latest, None).expect("found");
    assert_eq!((found.id(), found.proof()), (&new.id, Proof::Restored));
    assert_eq!(found.looked_at(), Some(moment(4)));
}

#[test]
fn holds_begin_and_end() {
    let made = BackupRecord { hold: Some("migration 12".to_owned()), ..record("shop", 0, 1) };
    let fixture = Fixture::new(std::slice::from_ref(&made));
    let hold = || {
        let found = fixture.repository.find(&Wanted::Latest, None).expect("found");
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
