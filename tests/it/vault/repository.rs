//! `pgark list`, `status`, `verify`, `mark` and `prune` on a repository.

use std::path::PathBuf;

use super::{Shop, json, text};
use crate::support::database::Database;
use crate::support::{damage, newest_server};

fn filled(name: &str) -> (Database, Shop) {
    let source = newest_server().database(name);
    source.execute("create table t as select g n, md5(g::text) m from generate_series(1, 500) g");
    let shop = Shop::of(&source);
    (source, shop)
}

fn data_file(shop: &Shop, folder: &str) -> PathBuf {
    let archive = PathBuf::from(folder).join("archive");
    let archive = if archive.is_absolute() { archive } else { shop.world.path(".").join(archive) };
    let files = std::fs::read_dir(archive).expect("an archive");
    let mut files = files.map(|item| item.expect("item").path());
    files.find(|path| path.to_string_lossy().contains(".dat.")).expect("a data file")
}

#[test]
fn damage_is_found_noted_and_does_not_count() {
    let (source, shop) = filled("vault_damage");
    let old = text(&shop.back_up(&[]), "id");
    let new = shop.back_up(&["--type", "daily"]);
    let new_id = text(&new, "id");
    let file = data_file(&shop, &text(&new, "folder"));
    damage::flip(&file, 20);

    let run = shop.pgark(&["verify", "--latest"]).fails_with(9);
    assert!(run.stdout.contains(&format!("{new_id} is DAMAGED")), "{}", run.stdout);
    assert!(
        run.stderr.contains(&format!("the newest older one that is proved is {old}")),
        "{}",
        run.stderr
    );
    let list = shop.list();
    assert_eq!((&list[0]["damaged"], &list[0]["proof"]), (&true.into(), &"none".into()));

    // The damaged one never counts, whatever the policy: the older one stays.
    let prune = [
        "prune",
        "--apply",
        "--json",
        "--keep-daily",
        "0",
        "--keep-monthly",
        "0",
        "--keep-weekly",
        "0",
    ];
    let run = shop.pgark(&prune).success();
    assert_eq!(text(&json(&run.stdout)["dropped"][0], "id"), new_id);
    assert_eq!(shop.ids(), std::slice::from_ref(&old));
    let run = shop.pgark(&["status", "--json"]).success();
    let status = &json(&run.stdout)["databases"][0];
    assert_eq!(
        (text(status, "database"), &status["stale"]),
        (source.name().to_owned(), &false.into())
    );
    assert_eq!(text(&status["newest_proved"], "id"), old);
}

#[test]
fn what_was_not_verified_counts_when_somebody_verifies_it() {
    let (_source, shop) = filled("vault_unverified");
    let id = text(&shop.back_up(&["--no-verify"]), "id");
    let run = shop.pgark(&["status"]).fails_with(9);
    assert!(run.stdout.contains("STALE"), "{}", run.stdout);
    assert!(run.stdout.contains("latest     none that is proved"), "{}", run.stdout);
    let digits = &id[id.len() - 6..];
    let run = shop.pgark(&["verify", digits, "--quick"]).success();
    assert!(run.stdout.contains("stored: "), "{}", run.stdout);
    assert_eq!(shop.list()[0]["proof"], "stored");
    let _ = shop.pgark(&["verify", "--all"]).success();
    assert_eq!(shop.list()[0]["proof"], "decoded");
    let _ = shop.pgark(&["status"]).success();
    let _ = shop.pgark(&["verify", "ffffff"]).fails_with(6);
}

#[test]
fn the_folder_of_a_backup_stands_for_its_archive() {
    let (_source, shop) = filled("vault_path");
    let folder = text(&shop.back_up(&[]), "folder");
    let run = shop.world.pgark(&["verify", &folder]).success();
    assert!(run.stdout.starts_with("the archive is whole"), "{}", run.stdout);
    let run = shop.world.pgark(&["inspect", &folder, "--json"]).success();
    assert_eq!(json(&run.stdout)["rows"], 500);
    let copy = newest_server().database("vault_path_copy");
    let _ = shop.world.pgark(&["restore", "-d", copy.uri(), &folder]).success();
    assert_eq!(copy.query("select count(*) from t"), "500");
}

#[test]
fn files_beside_the_archive_are_verified_too() {
    let (_source, shop) = filled("vault_beside");
    let made = shop.back_up(&[]);
    let folder = PathBuf::from(text(&made, "folder"));
    let globals = folder.join("globals.sql");
    let script = std::fs::read_to_string(&globals).expect("globals");
    std::fs::write(&globals, script.replace("CREATE ROLE", "DROP   ROLE")).expect("writes");
    let run = shop.pgark(&["verify", "--latest"]).fails_with(9);
    assert!(
        run.stdout.contains("globals.sql: its SHA-256 is not the recorded one"),
        "{}",
        run.stdout
    );

    // Another archive of ours, whole in itself, is not this backup's.
    let other = text(&shop.back_up(&[]), "folder");
    std::fs::remove_dir_all(folder.join("archive")).expect("removes");
    std::fs::rename(PathBuf::from(&other).join("archive"), folder.join("archive"))
        .expect("renames");
    let run = shop.pgark(&["verify", &text(&made, "id")]).fails_with(9);
    assert!(
        run.stdout.contains("manifest.json: it is not the one of this backup"),
        "{}",
        run.stdout
    );
    let run = shop.pgark(&["verify", "--all"]).fails_with(9);
    assert!(run.stderr.contains("2 of 2 backups are damaged"), "{}", run.stderr);
}

#[test]
fn prune_drops_nothing_without_apply_and_never_what_is_held() {
    let (_source, shop) = filled("vault_prune");
    for _ in 0..4 {
        shop.back_up(&["--type", "daily"]);
    }
    let ids = shop.ids();
    let said = shop.pgark(&["mark", &ids[3], "hold", "--reason", "audit"]).success();
    assert!(said.stdout.contains("held: audit"), "{}", said.stdout);
    let run = shop.pgark(&["prune", "--keep-daily", "1"]).success();
    for (id, expected) in ids.iter().zip([
        "the newest that is proved",
        "daily backups are kept as the newest 1",
        "",
        "held: audit",
    ]) {
        let line = run.stdout.lines().find(|line| line.contains(id)).expect("every backup");
        assert!(line.ends_with(expected) || expected.is_empty(), "{line}");
    }
    assert!(run.stdout.contains("2 backups would be dropped"), "{}", run.stdout);
    assert_eq!(shop.ids(), ids);

    let run = shop.pgark(&["prune", "--keep-daily", "1", "--apply"]).success();
    assert!(run.stdout.contains("2 backups dropped"), "{}", run.stdout);
    assert_eq!(shop.ids(), [ids[0].clone(), ids[3].clone()]);
    let run = shop.pgark(&["prune", "--keep-daily", "1", "--apply"]).success();
    assert!(run.stdout.starts_with("0 backups dropped"), "{}", run.stdout);
    let _ = shop.pgark(&["mark", &ids[3], "release"]).success();
    let run = shop.pgark(&["prune", "--keep-daily", "1", "--apply"]).success();
    assert!(run.stdout.contains("1 backup dropped"), "{}", run.stdout);
    // What was dropped is told by the history.
    let history = shop
        .world
        .path("backups")
        .join(&ids[0][..ids[0].find("-daily-").expect("a type")])
        .join("history");
    let dropped = std::fs::read_dir(history).expect("a history").filter(|item| {
        item.as_ref().expect("item").file_name().to_string_lossy().contains("-dropped-")
    });
    assert_eq!(dropped.count(), 3);
}

#[test]
fn a_backup_drops_expired_ones_only_where_somebody_said_how_long() {
    let (_source, shop) = filled("vault_expire");
    for _ in 0..3 {
        shop.back_up(&["--type", "daily"]);
    }
    assert_eq!(shop.ids().len(), 3);
    let made = shop.back_up(&["--type", "daily", "--keep-daily", "2", "--no-prune"]);
    assert_eq!(made["expired_are_dropped"], false);
    assert_eq!(shop.ids().len(), 4);
    let made = shop.back_up_synced(&["--type", "daily", "--keep-daily", "0", "--keep-last", "2"]);
    assert_eq!((&made["expired_are_dropped"], &made["kept"]), (&true.into(), &2.into()));
    assert_eq!(shop.ids().len(), 2);
    // A backup that is not proved pushes none of those out, and is not dropped by the run that made it.
    let unproved = ["--type", "daily", "--keep-daily", "0", "--keep-last", "2", "--no-verify"];
    let made = shop.back_up_synced(&unproved);
    assert_eq!(made["expired_are_dropped"], false);
    assert!(shop.ids().contains(&text(&made, "id")));
    assert_eq!(shop.ids().len(), 3);
    // Where nothing is ever proved the newest stay all the same, as many as were asked for.
    let unproved = ["--type", "daily", "--keep-daily", "2", "--no-verify"];
    let (last, newest) = (shop.back_up_synced(&unproved), shop.back_up_synced(&unproved));
    assert!(shop.ids().contains(&text(&last, "id")) && shop.ids().contains(&text(&newest, "id")));
    assert!(!shop.ids().contains(&text(&made, "id")), "two are newer");
}

#[test]
fn a_hold_for_a_migration_ends_when_it_is_verified() {
    let (_source, shop) = filled("vault_hold");
    let id = text(&shop.back_up(&["--type", "pre-migration", "--hold", "migration 12"]), "id");
    assert_eq!(shop.list()[0]["hold"], "migration 12");
    let run = shop.pgark(&["mark", &id[id.len() - 6..], "verified", "--json"]).success();
    assert_eq!(json(&run.stdout)["hold"], serde_json::Value::Null);
    let _ = shop.pgark(&["mark", "000000", "hold"]).fails_with(6);
}

#[test]
fn an_unreadable_record_is_named_and_its_files_stay() {
    let (_source, shop) = filled("vault_record");
    let made = shop.back_up(&[]);
    damage::flip(&PathBuf::from(text(&made, "folder")).join("backup.json"), 100);
    let run = shop.pgark(&["list"]).success();
    assert!(
        run.stdout.contains("unreadable") && run.stdout.contains("its checksum is wrong"),
        "{}",
        run.stdout
    );
    let _ = shop.pgark(&["verify", "--all"]).fails_with(9);
    let _ = shop.pgark(&["prune", "--apply", "--keep-daily", "0"]).success();
    assert!(PathBuf::from(text(&made, "folder")).join("archive").is_dir());
}

#[test]
fn no_backup_where_there_should_be_some_is_a_failure() {
    let (source, shop) = filled("vault_none");
    std::fs::create_dir(shop.world.path("backups")).expect("a folder");
    for verb in [&["status"][..], &["verify", "--all"], &["verify", "--latest"]] {
        let run = shop.pgark(verb).fails_with(6);
        assert!(run.stderr.contains("there is no backup"), "{}", run.stderr);
    }
    let made = shop.back_up(&[]);
    let misspelt = format!("{}x", source.name());
    let _ = shop.pgark(&["status", &misspelt]).fails_with(6);
    let _ = shop.pgark(&["verify", "--all", &misspelt]).fails_with(6);
    // Another database is well, and of this one nothing can be read.
    damage::flip(&PathBuf::from(text(&made, "folder")).join("backup.json"), 100);
    let other = newest_server().database("vault_none_other");
    let other = Shop { uri: other.uri().to_owned(), world: shop.world };
    other.back_up(&[]);
    let run = other.pgark(&["status"]).fails_with(9);
    assert!(run.stderr.contains(&format!("no backup can be read of {}", source.name())));
}

#[test]
fn the_newest_one_is_not_passed_over_in_silence() {
    let (_source, shop) = filled("vault_newest");
    let old = text(&shop.back_up(&[]), "id");
    let new = shop.back_up(&[]);
    damage::flip(&PathBuf::from(text(&new, "folder")).join("backup.json"), 100);
    let run = shop.pgark(&["verify", "--latest"]).fails_with(9);
    assert!(run.stdout.contains(&format!("{old} is whole")), "{}", run.stdout);
    assert!(run.stderr.contains(&text(&new, "id")), "{}", run.stderr);
}

#[test]
fn what_somebody_reads_is_not_dropped_and_what_is_dropped_is_not_missed() {
    let (_source, shop) = filled("vault_reader");
    let old = shop.back_up(&["--type", "daily"]);
    shop.back_up(&["--type", "daily"]);
    let prune = ["prune", "--apply", "--keep-all", "0"];
    let reading = pgark::vault::Reading::of(&PathBuf::from(text(&old, "folder")).join("archive"));
    let reading = reading.expect("opens").expect("an archive of a repository");
    let run = shop.pgark(&prune).success();
    assert!(run.stdout.contains(&format!("skipped  {}", text(&old, "id"))), "{}", run.stdout);
    assert_eq!(shop.ids().len(), 2);
    drop(reading);
    let run = shop.pgark(&prune).success();
    assert!(run.stdout.contains("1 backup dropped"), "{}", run.stdout);
}

#[test]
fn a_backup_that_is_restored_cannot_be_dropped_meanwhile() {
    let (_source, shop) = filled("vault_restored");
    let old = shop.back_up(&["--type", "daily"]);
    shop.back_up(&["--type", "daily"]);
    // The reader waits for a lock that nobody gives it: on the table that it is to fill.
    let copy = newest_server().database("vault_restored_copy");
    copy.execute("create table t (n int, m text)");
    let holder = super::runs::Holder::lock(&copy);
    let folder = text(&old, "folder");
    let mut restore = shop.world.command();
    restore.args(["restore", "--mode", "append", "-d", copy.uri(), &folder]);
    let mut restore = restore.stderr(std::process::Stdio::null()).spawn().expect("pgark");
    super::runs::wait(|| {
        copy.query("select count(*) from pg_locks where relation = 't'::regclass and not granted")
            != "0"
    });
    let run = shop.pgark(&["prune", "--apply", "--keep-all", "0"]).success();
    assert!(run.stdout.contains("somebody is reading it"), "{}", run.stdout);
    drop(holder);
    let _ = restore.kill();
    let _ = restore.wait();
}

#[test]
fn a_link_in_the_place_of_a_backup_does_not_end_prune() {
    let (_source, shop) = filled("vault_link");
    let (moved, old) = (shop.back_up(&["--type", "daily"]), shop.back_up(&["--type", "daily"]));
    shop.back_up(&["--type", "daily"]);
    let folder = PathBuf::from(text(&moved, "folder"));
    let elsewhere = shop.world.path("elsewhere");
    std::fs::rename(&folder, &elsewhere).expect("renames");
    std::os::unix::fs::symlink(&elsewhere, &folder).expect("a link");
    let run = shop.pgark(&["prune", "--apply", "--keep-all", "0"]).success();
    assert!(run.stdout.contains(&format!("skipped  {}", text(&moved, "id"))), "{}", run.stdout);
    assert!(run.stdout.contains(&format!("dropped  {}", text(&old, "id"))), "{}", run.stdout);
    assert!(elsewhere.join("archive").is_dir());
}

#[test]
fn a_copy_of_a_folder_is_no_second_backup() {
    let (source, shop) = filled("vault_copy");
    shop.back_up(&["--type", "daily"]);
    let folder = shop.world.path("backups").join(source.name());
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([&folder, &folder.with_file_name("copy")])
        .status();
    assert!(copied.expect("cp").success());
    std::os::unix::fs::symlink(source.name(), folder.with_file_name("link")).expect("a link");
    let run = shop.pgark(&["prune", "--apply", "--keep-all", "0"]).success();
    assert!(run.stdout.contains("0 backups dropped"), "{}", run.stdout);
    let run = shop.pgark(&["list"]).success();
    assert!(run.stdout.starts_with("1 backup in "), "{}", run.stdout);
    assert_eq!(run.stdout.matches("it is a copy, or misplaced").count(), 2, "{}", run.stdout);
}

#[test]
fn a_history_that_cannot_be_read_keeps_its_backup() {
    let (source, shop) = filled("vault_history");
    let old = text(&shop.back_up(&["--type", "daily"]), "id");
    shop.back_up(&["--type", "daily"]);
    let _ = shop.pgark(&["mark", &old, "hold"]).success();
    let history = shop.world.path("backups").join(source.name()).join("history");
    let event = std::fs::read_dir(&history).expect("a history").next().expect("one").expect("one");
    damage::flip(&event.path(), 100);
    let policy = ["backup", "--type", "daily", "-j1", "--keep-all", "0"];
    let run = shop.pgark(&policy).success();
    assert!(run.stderr.contains("it is damaged: its checksum is wrong"), "{}", run.stderr);
    assert!(shop.ids_of_readable().contains(&old));
    let run = shop.pgark(&["prune", "--keep-all", "0"]).success();
    let line = run.stdout.lines().find(|line| line.contains(&old)).expect("a line");
    assert!(line.ends_with("part of its history cannot be read"), "{line}");
}

#[test]
fn a_disk_that_does_not_answer_is_not_damage() {
    use std::os::unix::fs::PermissionsExt;
    let (_source, shop) = filled("vault_closed");
    let made = shop.back_up(&[]);
    let manifest = PathBuf::from(text(&made, "folder")).join("archive/manifest.json");
    // A folder in its place cannot be read as a file, whoever asks.
    let aside = manifest.with_extension("aside");
    std::fs::rename(&manifest, &aside).expect("renames");
    std::fs::create_dir(&manifest).expect("a folder");
    std::fs::set_permissions(&manifest, std::fs::Permissions::from_mode(0o000)).expect("closes");
    let _ = shop.pgark(&["verify", "--latest"]).fails_with(8);
    std::fs::remove_dir(&manifest).expect("removes");
    std::fs::rename(&aside, &manifest).expect("renames");
    assert_eq!(shop.list()[0]["damaged"], false, "nothing was noted");
    std::fs::remove_file(&manifest).expect("removes");
    let _ = shop.pgark(&["verify", "--latest"]).fails_with(9);
    assert_eq!(shop.list()[0]["damaged"], true);
}

#[test]
fn a_server_that_is_gone_is_not_waited_for() {
    let (_source, shop) = filled("vault_retired");
    let id = text(&shop.back_up(&[]), "id");
    let run = shop.pgark(&["status", "--max-age", "0s"]).fails_with(9);
    assert!(run.stderr.contains("pgark mark ID retired"), "{}", run.stderr);
    let said = shop.pgark(&["mark", &id, "retired"]).success();
    assert!(said.stdout.contains("the last of its server"), "{}", said.stdout);
    let run = shop.pgark(&["status", "--max-age", "0s"]).success();
    assert!(run.stdout.contains(": retired"), "{}", run.stdout);
    // When another one comes all the same, it counts again.
    shop.back_up(&[]);
    let _ = shop.pgark(&["status", "--max-age", "0s"]).fails_with(9);
}
