//! Dumping into a bucket, and reading from there.

use crate::support::bucket::{TestBucket, Trouble};
use crate::support::{World, newest_server};

/// Rows that do not compress, so that a table needs more than one part of an upload.
const WIDE: &str = "
    create table wide(id int primary key, noise bytea);
    alter table wide alter column noise set storage external;
    insert into wide select n, decode(string_agg(md5(n::text || m), ''), 'hex')
        from generate_series(1, 2600) n, generate_series(1, 1024) m group by n;
    create table small(id int primary key, name text);
    insert into small select n, 'name ' || n from generate_series(1, 1000) n;
    create table empty(id int);
    select lo_from_bytea(0, convert_to('a large object', 'UTF8'));";

#[test]
fn an_archive_in_a_bucket_is_proved_and_restored_from_there() {
    let bucket = TestBucket::start();
    let server = newest_server();
    let source = server.database("bucket_source");
    source.execute(WIDE);
    let world = World::new();
    let variables = bucket.variables();
    let archive = bucket.url("shop/one");
    let pgark = |arguments: &[&str]| world.pgark_with(&variables, arguments);
    drop(pgark(&["dump", "-d", source.uri(), "-Fd", "-Z0", "-j2", "-f", &archive]).success());
    assert!(world.leftovers().is_empty(), "nothing is copied to the disk");
    assert!(bucket.open_uploads().is_empty());
    let requests = bucket.take_requests();
    let parts = requests.iter().filter(|request| request.contains("partNumber=")).count();
    assert!(parts >= 3, "{parts} parts");

    drop(pgark(&["verify", &archive]).success());
    drop(pgark(&["verify", &archive, "--against", source.uri()]).success());
    let listed = pgark(&["inspect", &archive]).success();
    assert!(listed.stdout.contains("wide") && listed.stdout.contains("2,600"), "{}", listed.stdout);

    let target = server.database("bucket_target");
    drop(pgark(&["restore", "-d", target.uri(), "-j2", &archive]).success());
    let sums = "select count(*), sum(hashtext(id::text || md5(noise))) from wide";
    assert_eq!(target.query(sums), source.query(sums));

    // One table's bytes are fetched, and not those of the large one.
    bucket.take_requests();
    let rows = pgark(&["inspect", &archive, "--extract", "small", "--as", "copy"]).success();
    assert_eq!(rows.stdout.lines().count(), 1000);
    let gets = bucket.take_requests();
    let files: Vec<&String> = gets.iter().filter(|get| get.contains(".dat")).collect();
    assert_eq!(files.len(), 2, "the table of contents and one table: {files:?}");

    // The same name is not taken twice, and what is there stays.
    let before = bucket.objects();
    let again = pgark(&["dump", "-d", source.uri(), "-Fd", "-f", &archive]).fails_with(4);
    assert!(again.stderr.contains("already exists"), "{}", again.stderr);
    assert_eq!(bucket.objects(), before);
}

#[test]
fn damage_in_a_bucket_is_found() {
    let bucket = TestBucket::start();
    let source = newest_server().database("bucket_damage");
    source.execute("create table t as select n, md5(n::text) from generate_series(1, 5000) n");
    let world = World::new();
    let variables = bucket.variables();
    let archive = bucket.url("one");
    let pgark = |arguments: &[&str]| world.pgark_with(&variables, arguments);
    drop(pgark(&["dump", "-d", source.uri(), "-Fd", "-f", &archive]).success());
    let objects = bucket.objects();
    let data = objects.iter().find(|name| name.ends_with(".dat.zst")).expect("a data file");
    let path = bucket.object(data);
    let whole = std::fs::read(&path).expect("reads");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    std::fs::write(&path, flipped).expect("writes");
    drop(pgark(&["verify", &archive]).fails_with(9));
    std::fs::remove_file(&path).expect("removes");
    let missing = pgark(&["verify", &archive]).fails_with(9);
    assert!(missing.stdout.contains("missing"), "{}", missing.stdout);
    std::fs::write(&path, whole).expect("writes");
    drop(pgark(&["verify", &archive]).success());
    let nowhere = pgark(&["verify", &bucket.url("two")]);
    assert!(nowhere.stderr.contains("does not appear to be a valid archive"), "{}", nowhere.stderr);
}

#[test]
fn a_dump_that_the_bucket_refuses_leaves_nothing_behind() {
    let bucket = TestBucket::start();
    let source = newest_server().database("bucket_refused");
    source.execute(WIDE);
    let world = World::new();
    let variables = bucket.variables();
    let archive = bucket.url("one");
    let dump = || {
        let arguments = ["dump", "-d", source.uri(), "-Fd", "-Z0", "-j2", "-f", &archive];
        world.pgark_with(&variables, &arguments)
    };
    // A request that is refused is not repeated, so each of them is tried in turn.
    drop(dump().success());
    let writes: Vec<String> =
        bucket.take_requests().into_iter().filter(|request| !request.starts_with("GET")).collect();
    for name in bucket.objects() {
        std::fs::remove_file(bucket.object(&name)).expect("removes");
    }
    for target in writes {
        if target.contains("?delete") {
            // Who may not remove makes archives all the same.
            bucket.when(|_, path| path.contains("?delete").then_some(Trouble::Status(403)));
            drop(dump().success());
            drop(world.pgark_with(&variables, &["verify", &archive]).success());
            for name in bucket.objects() {
                std::fs::remove_file(bucket.object(&name)).expect("removes");
            }
            continue;
        }
        // The same request of another run has another upload's id.
        let same = |target: &str| target.split("uploadId=").next().map(str::to_owned);
        let meant = same(&target);
        bucket.when(move |method, path| {
            (same(&format!("{method} {path}")) == meant).then_some(Trouble::Status(403))
        });
        let failed = dump().fails_with(8);
        assert!(failed.stderr.contains("s3://backups/one"), "{target}: {}", failed.stderr);
        assert!(!failed.stderr.contains("geheim"), "{}", failed.stderr);
        bucket.take_requests();
        assert!(bucket.objects().is_empty(), "{target}: {:?}", bucket.objects());
        assert!(bucket.open_uploads().is_empty(), "{target}: {:?}", bucket.open_uploads());
    }
    drop(dump().success());
}

#[test]
fn a_prefix_is_of_one_run_at_a_time() {
    let bucket = TestBucket::start();
    let server = newest_server();
    let source = server.database("bucket_two");
    source.execute("create table t as select n, md5(n::text) from generate_series(1, 5000) n");
    let world = World::new();
    let variables = bucket.variables();
    let archive = bucket.url("one");
    let dump =
        || world.pgark_with(&variables, &["dump", "-d", source.uri(), "-Fd", "-f", &archive]);
    // A run was killed at work: what it leaves is told, and not taken for an archive.
    std::fs::create_dir(bucket.object("one")).expect("a folder");
    std::fs::write(bucket.object("one/pgark.partial"), "somebody").expect("writes");
    std::fs::write(bucket.object("one/1.dat.zst"), "cut off").expect("writes");
    let refused = dump().fails_with(7);
    assert!(refused.stderr.contains("another run is writing"), "{}", refused.stderr);
    assert_eq!(bucket.objects(), ["one/1.dat.zst", "one/pgark.partial"]);
    drop(world.pgark_with(&variables, &["verify", &archive]).fails_with(1));
    std::fs::remove_file(bucket.object("one/1.dat.zst")).expect("removes");
    std::fs::remove_file(bucket.object("one/pgark.partial")).expect("removes");

    // Another one begins in the moment between the look and the claim.
    let folder = bucket.object("one");
    bucket.when(move |method, path| {
        if method == "PUT" && path.contains("pgark.partial") {
            std::fs::write(folder.join("pgark.partial"), "somebody").expect("writes");
        }
        None
    });
    let refused = dump().fails_with(7);
    assert!(refused.stderr.contains("another run is writing"), "{}", refused.stderr);
    bucket.take_requests();
    assert_eq!(bucket.objects(), ["one/pgark.partial"], "what is somebody else's stays");
    std::fs::remove_file(bucket.object("one/pgark.partial")).expect("removes");

    drop(dump().success());
    assert!(!bucket.objects().iter().any(|name| name.contains("partial")));
}

#[test]
fn a_bucket_that_stumbles_is_asked_again() {
    let bucket = TestBucket::start();
    let source = newest_server().database("bucket_stumbles");
    source.execute("create table t as select n, md5(n::text) from generate_series(1, 5000) n");
    let world = World::new();
    let variables = bucket.variables();
    let archive = bucket.url("one");
    let count = std::sync::atomic::AtomicUsize::new(0);
    // Every second request fails in a way that passes.
    bucket.when(move |_, _| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        number.is_multiple_of(2).then_some(if number.is_multiple_of(4) {
            Trouble::Status(503)
        } else {
            Trouble::Silence
        })
    });
    let pgark = |arguments: &[&str]| world.pgark_with(&variables, arguments);
    drop(pgark(&["dump", "-d", source.uri(), "-Fd", "-f", &archive]).success());
    drop(pgark(&["verify", &archive]).success());
}
