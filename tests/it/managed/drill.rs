//! The drill: a backup is restored and proved, and nothing of it stays.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{CHANGED, DRILLS, content, sample};
use crate::support::database::{Database, psql};
use crate::support::server::Server;
use crate::support::{World, damage, newest_server, servers};

/// Lists the scratch databases of a source.
fn scratches(server: &Server, source: &Database) -> String {
    let like = format!("{}\\_drill\\_%", source.name());
    psql(
        &server.uri("postgres"),
        &format!("select datname from pg_database where datname like '{like}' order by 1"),
    )
}

#[test]
fn a_drill_proves_the_backup_and_leaves_nothing() {
    let _others = DRILLS.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    for server in servers() {
        let world = World::new();
        let (database, archive) = sample(&world, server, "drill");
        database.execute("create table r(id int references t)");
        let whole = world.path("whole");
        let whole = whole.to_str().expect("UTF-8");
        let _ = world.pgark(&["dump", "-d", database.uri(), "-f", whole]).success();
        let drill = |archive: &str, check: &str| {
            world.pgark(&["drill", archive, "--server", database.uri(), "--check", check])
        };
        let run = drill(whole, "select count(*) = 11 from t").success();
        for part in [
            "11 rows in 2 tables",
            "one foreign key holds",
            "1 are true",
            "until the database was there",
        ] {
            assert!(run.stdout.contains(part), "{part} is not in\n{}", run.stdout);
        }
        assert_eq!(scratches(server, &database), "");
        assert_eq!(content(&database), CHANGED, "the source is not touched");

        let archive = archive.to_str().expect("UTF-8");
        let run = drill(archive, "select count(*) < 1000 from t").fails_with(9);
        assert!(run.stderr.contains("returned \"f\" instead of true"), "{}", run.stderr);
        assert_eq!(scratches(server, &database), "");
        let run = drill(archive, "delete from t returning true").fails_with(1);
        assert!(run.stderr.contains("read-only transaction"), "{}", run.stderr);
        assert_eq!(scratches(server, &database), "");
    }
}

#[test]
fn a_damaged_backup_fails_the_drill_and_leaves_nothing() {
    let _others = DRILLS.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "drill_damaged");
    let file = damage::files(&archive)
        .into_iter()
        .find(|file| file.extension().is_some_and(|extension| extension == "zst"));
    damage::flip(&file.expect("a data file"), 100);
    let archive = archive.to_str().expect("UTF-8");
    let run = world.pgark(&["drill", archive, "--server", database.uri()]);
    assert!(matches!(run.code, Some(1 | 9)), "{run:?}");
    assert_eq!(scratches(server, &database), "");
}

#[test]
fn only_its_own_bytes_make_a_backup_a_damaged_one() {
    let _others = DRILLS.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let server = newest_server();
    let world = World::new();
    let (database, _) = sample(&world, server, "drill_kept");
    let url = [("DATABASE_URL", database.uri())];
    let pgark = |arguments: &[&str]| world.pgark_with(&url, arguments);
    let _ = pgark(&["backup", "--no-sync"]).success();
    let listed = || pgark(&["list", "--json"]).success().stdout;
    assert!(listed().contains("\"decoded\""), "{}", listed());
    let run = pgark(&["drill", "--check", "select false"]).fails_with(9);
    assert!(run.stderr.contains("the backup is whole"), "{}", run.stderr);
    assert!(listed().contains("\"decoded\""), "{}", listed());
    let _ = pgark(&["drill"]).success();
    assert!(listed().contains("\"restored\""), "{}", listed());

    let folders = std::fs::read_dir(world.path("backups").join(database.name())).expect("a folder");
    let archives = folders.map(|entry| entry.expect("an entry").path().join("archive"));
    let archive = archives.filter(|archive| archive.is_dir()).last().expect("an archive");
    let file = damage::files(&archive)
        .into_iter()
        .find(|file| file.extension().is_some_and(|extension| extension == "zst"));
    damage::flip(&file.expect("a data file"), 40);
    let run = pgark(&["drill"]);
    assert!(run.stderr.contains("is damaged: "), "{run:?}");
    let _ = pgark(&["drill"]).fails_with(6);
}

#[test]
fn only_databases_of_dead_drills_are_swept() {
    let _alone = DRILLS.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "drill_sweep");
    let maintenance = server.uri("postgres");
    let name = |number: u16| format!("{}_drill_20200101t000000_{number:04x}", database.name());
    let mark = |number: u16| {
        format!(
            "{{\"pgark\":\"drill\",\"id\":\"20200101t000000_{number:04x}\",\"source\":\"{}\"}}",
            database.name()
        )
    };
    for number in 0..5 {
        psql(&maintenance, &format!("create database {}", name(number)));
    }
    // Dead, somebody's, another's comment, dead before its comment, and one that is at work.
    psql(&maintenance, &format!("comment on database {} is '{}'", name(0), mark(0)));
    psql(&server.uri(&name(0)), "create table t()");
    psql(&server.uri(&name(1)), "create table t()");
    psql(&maintenance, &format!("comment on database {} is '{}'", name(2), mark(1)));
    psql(&maintenance, &format!("comment on database {} is '{}'", name(4), mark(4)));
    let mut holder = std::process::Command::new(crate::support::oracle::psql_program())
        .args(["-X", &maintenance, "-c"])
        .arg(format!(
            "select pg_advisory_lock({}, hashtext('{}')), pg_sleep(600)",
            0x7067_726b,
            name(4)
        ))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("psql");
    let held = format!(
        "select count(*) from pg_locks where locktype = 'advisory' and objid = hashtext('{}')::oid",
        name(4)
    );
    wait_until(|| psql(&maintenance, &held).trim() == "1", "nobody holds the lock");

    let archive = archive.to_str().expect("UTF-8");
    let run = world.pgark(&["drill", archive, "--server", database.uri()]).success();
    assert!(run.stdout.contains(&name(0)) && run.stdout.contains(&name(3)), "{}", run.stdout);
    let left: Vec<String> = scratches(server, &database).lines().map(str::to_owned).collect();
    assert_eq!(left, [name(1), name(2), name(4)]);
    holder.kill().expect("killed");
    holder.wait().expect("an end");
    for name in left {
        psql(&maintenance, &format!("drop database {name}"));
    }
}

fn wait_until(condition: impl Fn() -> bool, otherwise: &str) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < limit, "{otherwise}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts a drill and waits until it builds an index that takes ten minutes.
fn indexing(world: &World, server: &Server, archive: &str) -> Child {
    let mut command = world.command();
    command.args(["drill", archive, "--server", &server.uri("postgres")]);
    command.env("PGOPTIONS", "-c pgark.slow=on");
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pgark starts");
    let building =
        "select count(*) from pg_stat_activity where datname like 'drill\\_signal%\\_drill\\_%'
        and state = 'active' and query like '%CREATE INDEX%'";
    wait_until(|| psql(&server.uri("postgres"), building).trim() == "1", "no index is built");
    child
}

#[test]
fn the_scratch_database_goes_with_a_signal_and_after_a_kill_with_the_next_drill() {
    let _alone = DRILLS.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let server = newest_server();
    let world = World::new();
    let database = server.database("drill_signal");
    database.execute(
        "create function slow(int) returns int language plpgsql immutable as $$ begin
             if current_setting('pgark.slow', true) = 'on' then perform pg_sleep(600); end if;
             return $1; end $$;
         create table t(a int); insert into t values (1); create index on t (public.slow(a));",
    );
    let archive = world.path("archive");
    let archive = archive.to_str().expect("UTF-8");
    let _ = world.pgark(&["dump", "-d", database.uri(), "-f", archive]).success();

    let mut child = indexing(&world, server, archive);
    let id = child.id().to_string();
    let status = std::process::Command::new("/bin/kill").args(["-INT", &id]).status();
    assert!(status.expect("kill runs").success());
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    assert_eq!(scratches(server, &database), "");

    let mut child = indexing(&world, server, archive);
    child.kill().expect("killed");
    child.wait().expect("an end");
    let left = scratches(server, &database);
    assert_eq!(left.lines().count(), 1, "{left}");
    let run = world.pgark(&["drill", archive, "--server", database.uri()]).success();
    assert!(run.stdout.contains(left.trim()), "{}", run.stdout);
    assert_eq!(scratches(server, &database), "");
}
