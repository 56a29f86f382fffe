//! Plain scripts by the stock tools, run by pgark and by psql: the two results may not differ.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{contents, load_demo};
use crate::support::assert_same;
use crate::support::command::Run;
use crate::support::database::psql;
use crate::support::server::Server;
use crate::support::{Cluster, World, installation, newest_server, oracle, servers};

/// Runs a file as psql does.
fn with_psql(script: &Path, uri: &str) {
    let output = Command::new(oracle::psql_program())
        .args(["-X", "-q", "-o", "/dev/null", "-d", uri, "-f"])
        .arg(script)
        .env_clear()
        .output()
        .expect("psql runs");
    assert!(output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    // What pgark leaves out on servers that do not know it.
    let unknown = "unrecognized configuration parameter \"transaction_timeout\"";
    let others: Vec<&str> = stderr.lines().filter(|line| !line.contains(unknown)).collect();
    assert!(others.is_empty(), "psql {}: {others:?}", script.display());
}

/// Writes a script into a world.
fn written(world: &World, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = world.path(name);
    std::fs::write(&path, text).expect("a file");
    path
}

fn run(world: &World, script: &Path, uri: &str, arguments: &[&str]) -> Run {
    let script = script.to_str().expect("UTF-8");
    world.pgark(&[&["restore", "--no-analyze", "-d", uri, script], arguments].concat())
}

/// Runs a script that nothing is wrong with.
#[track_caller]
fn restores(world: &World, script: &Path, uri: &str, arguments: &[&str]) {
    let done = run(world, script, uri, arguments).success();
    assert!(done.stdout.starts_with("ran "), "{}", done.stdout);
}

#[test]
fn dumps_of_the_sample_database_give_what_psql_makes_of_them() {
    for server in servers() {
        let source = server.database("script_source");
        load_demo(&source);
        source.execute(LARGE_OBJECTS);
        for stock in oracle::all().iter().filter(|stock| stock.can_dump(&source)) {
            for (options, more) in [
                (&[][..], &[][..]),
                (&["--inserts"], &["--exit-on-error"]),
                (
                    &["--column-inserts", "--rows-per-insert=7", "--disable-dollar-quoting"],
                    &["--single-transaction"],
                ),
                (&["--quote-all-identifiers"], &["--single-transaction"]),
            ] {
                let world = World::new();
                let script = written(&world, "dump.sql", stock.pg_dump(&source, options));
                let expected = server.database("script_psql");
                with_psql(&script, expected.uri());
                let target = server.database("script_pgark");
                let context = format!("{server}, pg_dump {} {options:?} {more:?}", stock.major());
                let done = run(&world, &script, target.uri(), more);
                assert_eq!(done.code, Some(0), "{context}: {}", done.stderr);
                assert_same(&contents(stock, &expected), &contents(stock, &target), &context);
            }
        }
    }
}

const LARGE_OBJECTS: &str = "
select lo_from_bytea(4711, '\\x00ff5c0a'); comment on large object 4711 is 'it''s; \\. large';
select lo_from_bytea(4712, convert_to(repeat('0123456789', 5000), 'UTF8'));";

/// Text that a careless reader would cut in the wrong place.
const NASTY: &str = r#"
create schema "s;\";
create table "s;\"."t""; --" ("a;b" text default E'\\'';''', c text default $x$;'$$"$x$, "COPY" int);
comment on table "s;\"."t""; --" is E'a\n\\connect postgres\n;''\\''$$ /* -- ';
insert into "s;\"."t""; --" values (E'\\.', E'\\.\n\\.\n', 1), (E'a\tb\\;', null, 2), ('', E'\r\n;', 3);
create function "s;\".plain() returns text language sql as $$ select 'BEGIN; -- ''' || $q$;$q$ $$;
create function "s;\".quoted() returns text language plpgsql as 'begin /* '' ; */ return '';''; end';
create table r(a int); create table r2(a int);
create rule two as on insert to r do also (insert into r2 values (new.a); insert into r2 values (new.a + 1));
create operator public.*/ (leftarg = int, rightarg = int, function = int4pl);
create view v as select 1 */ 2 as one, '/*' as "/*", e'\\' as "'";
create table empty(); create table "from"(stdin text); insert into "from" values ('stdin');
create table arrays(a text[], n numeric[]); insert into arrays values (array['a;"\', 'NULL', ''], '[2:3]={1,2}');
create domain d as text check (value ~ E'^[;\\\\'']+$');
"#;

const NASTY_14: &str = r#"
create function atomic(x int) returns int begin atomic
  select case when x > 0 then 1 else 2 end; select 2; select x; end;
create procedure proc(a int) begin atomic insert into r values (a); insert into r values (a + 1); end;
"#;

#[test]
fn text_that_looks_like_the_end_of_something_is_only_text() {
    for server in servers() {
        let source = server.database("script_nasty");
        source.execute(NASTY);
        if server.major() >= 14 {
            source.execute(NASTY_14);
        }
        for (setting, name) in [("on", "standard"), ("off", "escaped")] {
            let database = source.name();
            source.execute(&format!(
                "alter database {database} set standard_conforming_strings = {setting}"
            ));
            for stock in oracle::all().iter().filter(|stock| stock.can_dump(&source)) {
                for options in [&[][..], &["--inserts"], &["--disable-dollar-quoting"]] {
                    let world = World::new();
                    let script = written(&world, "dump.sql", stock.pg_dump(&source, options));
                    let target = server.database("script_nasty_target");
                    restores(&world, &script, target.uri(), &[]);
                    let database = target.name();
                    target.execute(&format!(
                        "alter database {database} set standard_conforming_strings = {setting}"
                    ));
                    let context = format!("{server}, pg_dump {}, {name}", stock.major());
                    assert_same(&contents(stock, &source), &contents(stock, &target), &context);
                }
            }
        }
    }
}

#[test]
fn scripts_in_encodings_that_hide_backslashes_are_cut_between_characters() {
    let Some(stock) = oracle::record() else { return };
    // pg_dump reads the names of all roles, and those of other tests are not of these encodings.
    let Some(binaries) = installation::Installation::of(18) else { return };
    let server = Cluster::start(binaries, "");
    // In all three encodings the last byte of this character is a backslash.
    for (encoding, character) in
        [("SJIS", '\u{8868}'), ("GB18030", '\u{4e57}'), ("BIG5", '\u{529f}')]
    {
        psql(
            &server.uri("postgres"),
            "drop database if exists source; create database source;
             drop database if exists target; create database target;",
        );
        psql(
            &server.uri("source"),
            &format!(
                "create table t(a text default E'\\\\{character}'); comment on table t is '{character}';
                 insert into t values ('{character}'), (E'{character}\\t{character}\\\\');
                 create function f() returns text language sql as 'select ''{character}''::text';"
            ),
        );
        for options in [&["-E", encoding][..], &["-E", encoding, "--inserts"]] {
            let dumped = |database: &str| {
                let mut command = stock.command("pg_dump");
                command.args(options).args(["--restrict-key=k", "-d", &server.uri(database)]);
                let output = command.output().expect("pg_dump runs");
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                output.stdout
            };
            let text = dumped("source");
            assert!(text.windows(2).any(|pair| pair[0] >= 0x80 && pair[1] == b'\\'), "{encoding}");
            let world = World::new();
            let script = written(&world, "dump.sql", &text);
            let done = run(&world, &script, &server.uri("target"), &[]);
            assert_eq!(done.code, Some(0), "{encoding} {options:?}: {}", done.stderr);
            assert!(text == dumped("target"), "{encoding} {options:?}");
            psql(&server.uri("postgres"), "drop database target; create database target;");
        }
    }
}

#[test]
fn compressed_scripts_and_standard_input_are_read() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("script_packed");
    source.execute("create table t as select i, md5(i::text) from generate_series(1, 20000) i");
    let expected = contents(&stock, &source);
    for compression in ["none", "gzip", "zstd", "lz4"] {
        let world = World::new();
        // The name says nothing on purpose.
        let script = world.path("dump");
        stock.dump_archive(&source, &script, &["-Fp", "-Z", compression]);
        let target = server.database("script_packed_target");
        restores(&world, &script, target.uri(), &[]);
        assert_same(&expected, &contents(&stock, &target), compression);

        let target = server.database("script_stdin_target");
        let mut command = world.command();
        command.args(["restore", "-d", target.uri(), "-"]);
        command.stdin(std::fs::File::open(&script).expect("the script"));
        assert!(command.stderr(Stdio::null()).status().expect("pgark runs").success());
        assert_same(&expected, &contents(&stock, &target), "standard input");

        let whole = std::fs::read(&script).expect("the script");
        let cut = written(&world, "cut", &whole[..whole.len() - 300]);
        let target = server.database("script_cut_target");
        let failed = run(&world, &cut, target.uri(), &["-1"]);
        // Damage in the first mebibyte is seen before anything runs.
        let code = if compression == "none" { 11 } else { 9 };
        assert_eq!(failed.code, Some(code), "{compression}: {}", failed.stderr);
        assert!(
            failed.stderr.contains("cut off") || failed.stderr.contains("could not decompress"),
            "{compression}: {}",
            failed.stderr
        );
        assert_eq!(target.query("select count(*) from pg_class where oid >= 16384"), "0");
    }
}

/// A database whose name is not one that SQL takes as it is, dropped at the end.
struct Named<'a> {
    server: &'a Server,
    name: String,
}

impl Named<'_> {
    fn sql(&self, statement: &str) {
        let name = format!("\"{}\"", self.name.replace('"', "\"\""));
        psql(&self.server.uri("postgres"), &format!("{statement} {name}"));
    }
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        self.sql("drop database if exists");
    }
}

#[test]
fn databases_of_every_name_are_created_and_filled() {
    for server in servers() {
        for stock in oracle::all() {
            for name in ["plain.name", "we ird='\"\\ %20", "dbname=x host=y", "-", "größe;", "a'b"]
            {
                let base = server.database("script_named");
                // What pg_dump writes to create a database is too new for servers before 15.
                if !stock.can_dump(&base) || server.major() < 15 {
                    continue;
                }
                base.execute("create table t(a int); insert into t values (1)");
                let named = Named { server, name: format!("{name}{}", std::process::id()) };
                let from = base.name();
                psql(
                    &server.uri("postgres"),
                    &format!(
                        "create database \"{}\" template {from}",
                        named.name.replace('"', "\"\"")
                    ),
                );
                let quoted = named.name.replace('\\', "\\\\").replace('\'', "\\'");
                let address = server.uri("postgres");
                let dumped = || {
                    let mut command = stock.command("pg_dump");
                    command.args(["-C", "--restrict-key=k", "-d"]).arg(conninfo(&address, &quoted));
                    let output = command.output().expect("pg_dump runs");
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                    oracle::without_internal_options(
                        String::from_utf8_lossy(&output.stdout).into_owned(),
                    )
                };
                let expected = dumped();
                named.sql("drop database");
                let world = World::new();
                let script = written(&world, "dump.sql", &expected);
                restores(&world, &script, &address, &[]);
                assert_same(&expected, &dumped(), name);

                // Now that it is there and not empty, nothing is added to it.
                let refused = run(&world, &script, &server.uri("postgres"), &[]).fails_with(10);
                assert!(refused.stderr.contains("not empty"), "{}", refused.stderr);
            }
        }
    }
}

/// Turns a URI into words with another database.
fn conninfo(uri: &str, quoted: &str) -> String {
    let (_, rest) = uri.split_once("://").expect("a URI");
    let (user, rest) = rest.split_once('@').expect("a user");
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (host, port) = authority.split_once(':').unwrap_or((authority, "5432"));
    let host = match uri.split_once("host=") {
        Some((_, host)) => host.split('&').next().unwrap_or_default().replace("%2F", "/"),
        None => host.to_owned(),
    };
    let port = match uri.split_once("port=") {
        Some((_, port)) => port.split('&').next().unwrap_or_default(),
        None => port,
    };
    format!("host='{host}' port={port} user={user} dbname='{quoted}'")
}

#[test]
fn a_cluster_comes_back_from_pg_dumpall() {
    let Some(stock) = oracle::record() else { return };
    let Some(binaries) = installation::Installation::of(18) else { return };
    let source = Cluster::start(binaries, "");
    let uri = source.uri("postgres");
    psql(
        &uri,
        "create role \"Boss\" superuser; create role app login password 'x'; grant app to \"Boss\" with admin option;
         alter role app set work_mem to '8MB'; create table in_postgres(a int);
         create database \"a b\" owner app; alter database \"a b\" set work_mem to '9MB';",
    );
    psql(&source.uri("a%20b"), "create table t(a int primary key); insert into t values (1), (2);");
    psql(
        &source.uri("template1"),
        "create function in_template() returns int language sql as 'select 1'",
    );
    let all = |uri: &str, options: &[&str]| {
        let output = stock
            .command("pg_dumpall")
            .args(["--restrict-key=k", "-d", uri])
            .args(options)
            .output();
        String::from_utf8_lossy(&output.expect("pg_dumpall runs").stdout).into_owned()
    };
    for options in [&[][..], &["--clean", "--if-exists"], &["--inserts"]] {
        let world = World::new();
        let expected = all(&uri, options);
        let script = written(&world, "all.sql", &expected);
        let target = Cluster::start(binaries, "");
        // The role that initdb made is there already, as psql would say too.
        let done = run(&world, &script, &target.uri("postgres"), &[]);
        assert_eq!(done.code, Some(10), "{}", done.stderr);
        assert!(done.stderr.contains("role \"postgres\""), "{}", done.stderr);
        // Nor can it be dropped.
        let errors = if options.contains(&"--clean") { "2 errors" } else { "1 error" };
        assert!(done.stderr.contains(&format!("with {errors} ignored")), "{}", done.stderr);
        assert_same(&expected, &all(&target.uri("postgres"), options), &format!("{options:?}"));
        let again = run(&world, &script, &target.uri("postgres"), &[]);
        if !options.contains(&"--clean") {
            assert_eq!(again.code, Some(10), "{}", again.stderr);
            assert!(again.stderr.contains("not empty"), "{}", again.stderr);
        }
    }
}

#[test]
fn newer_dumps_run_on_older_servers_without_the_settings_they_do_not_know() {
    let oldest = &servers()[0];
    let target = oldest.database("script_older");
    let world = World::new();
    let script = written(
        &world,
        "dump.sql",
        "SET transaction_timeout = 0;\nSET idle_in_transaction_session_timeout = 0;\nCREATE TABLE t (a int);\n",
    );
    restores(&world, &script, target.uri(), &["--exit-on-error"]);
    assert_eq!(target.query("select count(*) from t"), "0");
}

#[test]
fn errors_name_line_and_character_and_the_rest_is_run() {
    let server = newest_server();
    let world = World::new();
    let script = written(
        &world,
        "bad.sql",
        "CREATE TABLE t (a int primary key);\n\
         CREATE TABLE u (\n    a int,\n    b wrong.type\n);\n\
         INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);\n\
         COPY t (a) FROM stdin;\n3\nx\n\\.\n\
         COPY missing FROM stdin;\nDROP TABLE t;\n\\.\n\
         INSERT INTO t VALUES (5);\n",
    );
    let target = server.database("script_errors");
    let done = run(&world, &script, target.uri(), &[]).fails_with(10);
    for place in ["bad.sql:4:7", "bad.sql:7", "bad.sql:11", "bad.sql:13"] {
        assert!(done.stderr.contains(place), "{place} in {}", done.stderr);
    }
    assert!(done.stderr.contains("with 4 errors ignored"), "{}", done.stderr);
    assert_eq!(target.query("select string_agg(a::text, ',' order by a) from t"), "1,2,5");

    let target = server.database("script_stops");
    let done = run(&world, &script, target.uri(), &["--exit-on-error"]).fails_with(1);
    assert!(done.stderr.contains("bad.sql:4:7"), "{}", done.stderr);
    assert_eq!(target.query("select count(*) from t"), "0");

    let target = server.database("script_rolls_back");
    let failed = run(&world, &script, target.uri(), &["-1"]).fails_with(11);
    assert!(failed.stderr.contains("rolled back"), "{}", failed.stderr);
    assert_eq!(target.query("select count(*) from pg_class where oid >= 16384"), "0");
}

#[test]
fn what_is_not_empty_is_refused_and_so_are_options_for_archives() {
    let server = newest_server();
    let world = World::new();
    let script = written(&world, "dump.sql", "SET a.b = 1;\nINSERT INTO t VALUES (2);\n");
    let target = server.database("script_full");
    target.execute("create table t as select 1 as a");
    let refused = run(&world, &script, target.uri(), &[]).fails_with(4);
    assert!(refused.stderr.contains("table public.t"), "{}", refused.stderr);
    restores(&world, &script, target.uri(), &["--mode", "append"]);
    assert_eq!(target.query("select count(*) from t"), "2");
    for option in [&["--clean"][..], &["-t", "t"], &["--schema-only"], &["-O"]] {
        let refused = run(&world, &script, target.uri(), option).fails_with(2);
        assert!(refused.stderr.contains("which is a script"), "{}", refused.stderr);
    }
    let plan = run(&world, &script, target.uri(), &["--mode", "append", "--dry-run"]).success();
    assert!(plan.stdout.starts_with("run the script "), "{}", plan.stdout);
    assert_eq!(target.query("select count(*) from t"), "2");
}

#[test]
fn nothing_runs_after_a_meta_command_that_is_not_known() {
    let server = newest_server();
    for (line, message) in [
        ("\\! touch hacked", "meta-command \\! is not one that pgark runs"),
        ("\\copy t from program 'id'", "meta-command \\copy is not one"),
        ("\\connect - postgres2", "log in as another user, \"postgres2\""),
        ("\\connect -reuse-previous=on \"host=evil.example\"", "names more than the database"),
        ("\\connect `touch hacked`", "runs a program of the shell"),
        ("SELECT 1 \\gexec", "\\gexec stands inside a statement"),
    ] {
        let world = World::new();
        let text = format!("CREATE TABLE before();\n{line}\nCREATE TABLE after();\n");
        let script = written(&world, "evil.sql", text);
        let target = server.database("script_meta");
        let refused = run(&world, &script, target.uri(), &["--exit-on-error"]).fails_with(1);
        assert!(refused.stderr.contains(message), "{message} in {}", refused.stderr);
        assert!(refused.stderr.contains("line 2"), "{}", refused.stderr);
        assert_eq!(target.query("select to_regclass('after') is null"), "t");
        assert!(!world.path("hacked").exists());
    }
}

#[test]
fn a_signal_ends_a_script_and_what_it_does() {
    let server = newest_server();
    let world = World::new();
    let mut text = "CREATE TABLE t (a int);\nCOPY t FROM stdin;\n".to_owned();
    text.push_str(&"1\n".repeat(1000));
    text.push_str("\\.\nSELECT pg_sleep(1000);\n");
    let script = written(&world, "slow.sql", text);
    let target = server.database("script_signal");
    let mut command = world.command();
    command.args(["restore", "-d", target.uri(), "-1"]).arg(&script);
    let mut child =
        command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("pgark starts");
    let sleeping = "select count(*) from pg_stat_activity where datname = current_database() and query like 'SELECT pg_sleep%'";
    wait_until(|| target.query(sleeping) == "1");
    let status = Command::new("/bin/kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    wait_until(|| target.query(sleeping) == "0");
    assert_eq!(target.query("select count(*) from pg_class where oid >= 16384"), "0");
}

fn wait_until(condition: impl Fn() -> bool) {
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !condition() {
        assert!(std::time::Instant::now() < limit, "waited in vain");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    let database = newest_server().database("script_memory");
    let world = World::new();
    let mut command = world.command();
    command.args(["restore", "--no-analyze", "-d", database.uri(), "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("pgark starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"CREATE UNLOGGED TABLE t (a text);\nCOPY t FROM stdin;\n").expect("taken");
    // One row of 200 MB, and as much in short ones.
    let piece = [b'x'; 100_000];
    for _ in 0..2000 {
        input.write_all(&piece).expect("taken");
    }
    let lines = [&b"\n"[..], &[b'y'; 99]].concat().repeat(1000);
    for _ in 0..2000 {
        input.write_all(&lines).expect("taken");
    }
    input.write_all(b"\n\\.\n").expect("taken");
    drop(input);
    let peak = peak_memory(&mut child);
    assert!(child.wait().expect("an end").success());
    assert_eq!(database.query("select count(*), max(length(a)) from t"), "2000001|200000000");
    assert!(peak < 80 << 20, "{} MiB", peak >> 20);
}

/// Returns the most memory a process had, in bytes, once it has ended or is about to.
fn peak_memory(child: &mut std::process::Child) -> u64 {
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a state").is_none() {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        peak = peak.max(kilobytes.and_then(|text| text.trim().parse().ok()).unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    peak * 1024
}
