//! The options that `pgark dump` shares with pg_dump: the text of the stock tool is the oracle, and each
//! archive is equal to the database it was made of, whatever was left out of it.

use crate::support::oracle::RESTRICT_KEY;
use crate::support::{World, assert_same, newest_server, oracle, servers};

/// Something of everything that an option is about.
const EVERYTHING: &str = "
create schema s; create schema other;
create table s.t(id int primary key, v text, f float8);
insert into s.t select i, 'x' || i, 1.0 / i from generate_series(1, 30) i;
comment on table s.t is 'a table';
create index i on s.t(v);
alter table s.t enable row level security; create policy po on s.t using (id > 10);
create unlogged table s.u(a int); insert into s.u values (1);
create table public.p(id int, k int) partition by range(id);
create table public.p1 partition of p for values from (0) to (100);
create table public.p2 partition of p for values from (100) to (200);
insert into p select i, i from generate_series(1, 150) i;
create table public.parent(a int); create table public.child(b int) inherits (parent);
insert into parent values (1); insert into child values (2, 3);
create table other.o(\"Sel ect\" int); insert into other.o values (7);
create sequence public.q; select nextval('q');
create function s.f(int) returns int language sql as 'select 1';
create function s.tr() returns trigger language plpgsql as 'begin return new; end';
create trigger tg before insert on s.t for each row execute function s.tr();
create publication pub for table s.t;
create subscription sub connection 'dbname=nowhere' publication x with (connect = false, slot_name = none);
grant select on s.t to public;
select lo_from_bytea(4711, 'large');
";

/// The options of both tools, and whether an archive takes them too.
const OPTIONS: &[(&[&str], bool)] = &[
    (&[], true),
    (&["--section=pre-data"], true),
    (&["--section=data"], true),
    (&["--section=post-data", "--section=pre-data"], true),
    (&["--no-comments", "--no-policies"], true),
    (&["--no-publications", "--no-subscriptions"], true),
    (&["--no-security-labels", "--no-tablespaces", "--no-table-access-method"], true),
    (&["--no-toast-compression", "--no-unlogged-table-data"], true),
    (&["--no-data"], true),
    (&["--no-schema"], true),
    (&["--no-data", "--sequence-data"], true),
    (&["--quote-all-identifiers", "--disable-dollar-quoting"], true),
    (&["--load-via-partition-root"], true),
    (&["--extra-float-digits=-3"], true),
    (&["--encoding=LATIN1"], true),
    (&["--serializable-deferrable", "--no-sync"], true),
    (&["--table-and-children=parent"], true),
    (&["--exclude-table-and-children=p", "-e", "plpgsql"], true),
    (&["-n", "s", "-T", "s.u", "--strict-names"], true),
    (&["--exclude-table-data-and-children=p", "--exclude-extension=*"], true),
    (&["-b", "-n", "other"], true),
    (&["-B"], true),
    (&["--inserts"], false),
    (&["--column-inserts", "--on-conflict-do-nothing"], false),
    (&["--rows-per-insert=7"], false),
    (&["--clean", "--if-exists"], false),
    (&["--create"], false),
    (&["--use-set-session-authorization"], false),
    (&["--data-only", "--disable-triggers", "--superuser=postgres"], false),
];

/// Returns a script without the line that names who made it, and without the setting that pgark leaves to
/// sources that know it.
fn text(script: &str, major: u32) -> String {
    let others = script.lines().filter(|line| {
        !line.starts_with("-- Dumped by pg_dump version")
            && (major >= 17 || *line != "SET transaction_timeout = 0;")
    });
    others.map(|line| format!("{line}\n")).collect()
}

#[test]
fn scripts_have_the_text_of_stock_and_archives_equal_their_source() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("dump_options");
    source.execute(EVERYTHING);
    let key = format!("--restrict-key={RESTRICT_KEY}");
    for &(options, also_archive) in OPTIONS {
        let world = World::new();
        let arguments = [&["dump", "-Fp", "-f", "-", &key, "-d", source.uri()], options].concat();
        let ours = world.pgark(&arguments).success().stdout;
        assert_same(
            &text(&stock.pg_dump(&source, options), source.major()),
            &text(&ours, source.major()),
            &format!("{options:?}"),
        );
        let archive = world.path("x");
        let archive = archive.to_str().expect("UTF-8");
        let dump = [&["dump", "-j2", "-f", archive, "-d", source.uri()], options].concat();
        if !also_archive {
            let run = world.pgark(&dump);
            let refused = run.stderr.contains("INSERT statements are for scripts");
            assert!(
                refused || run.stderr.contains("has no effect on an archive"),
                "{}",
                run.stderr
            );
            continue;
        }
        let dumped = world.pgark(&dump).success();
        assert!(dumped.stdout.starts_with("dumped "), "{}", dumped.stdout);
        let verified = world.pgark(&["verify", archive, "--against", source.uri()]);
        assert_eq!(verified.code, Some(0), "{options:?}: {}{}", verified.stdout, verified.stderr);
    }
}

#[test]
fn rows_that_row_security_hides_are_left_out_or_refused() {
    for server in servers() {
        let source = server.database("dump_options_rls");
        source.execute(
            "create table t(a int); insert into t values (1), (20);
             alter table t enable row level security; alter table t force row level security;
             create policy po on t using (a > 10);
             do $$ begin create role \"pgark Reader\"; exception when duplicate_object or unique_violation then null; end $$;
             grant select on t to \"pgark Reader\";",
        );
        let world = World::new();
        let arguments =
            ["dump", "-Fp", "-f", "-", "--role", "pgark Reader", "-d", source.uri(), "-a", "-B"];
        let refused = world.pgark(&arguments);
        assert_ne!(refused.code, Some(0), "{}", refused.stderr);
        let run = world.pgark(&[&arguments[..], &["--enable-row-security"]].concat()).success();
        assert!(run.stdout.contains("\n20\n") && !run.stdout.contains("\n1\n"), "{}", run.stdout);
    }
}

#[test]
fn a_filter_file_selects_as_its_options_do() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("dump_options_filter");
    source.execute(EVERYTHING);
    let world = World::new();
    let file = world.path("filter");
    let lines = "# a comment\ninclude schema s\ninclude table public.p*\nexclude table_data s.u\n";
    std::fs::write(&file, lines).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let key = format!("--restrict-key={RESTRICT_KEY}");
    let filter = ["--filter", file];
    let arguments = [&["dump", "-Fp", "-f", "-", &key, "-d", source.uri()], &filter[..]].concat();
    let ours = world.pgark(&arguments).success().stdout;
    assert_same(
        &text(&stock.pg_dump(&source, &filter), source.major()),
        &text(&ours, source.major()),
        "--filter",
    );
    std::fs::write(file, "include trigger x\n").expect("a file");
    let refused = world.pgark(&arguments).fails_with(2);
    assert!(refused.stderr.contains("on line 1: include filter for"), "{}", refused.stderr);
}

#[test]
fn rows_of_foreign_tables_are_dumped_and_compared() {
    for server in servers() {
        let source = server.database("dump_options_foreign");
        if source.query("select count(*) from pg_available_extensions where name = 'file_fdw'")
            != "1"
        {
            continue;
        }
        let world = World::new();
        let rows = world.path("rows");
        std::fs::write(&rows, "1\tone\n2\ttwo\n").expect("a file");
        source.execute(&format!(
            "create extension file_fdw; create server files foreign data wrapper file_fdw;
             create foreign table f(a int, b text) server files options (filename '{}');
             create table t(a int); insert into t values (7);",
            rows.display()
        ));
        let archive = world.path("x");
        let archive = archive.to_str().expect("UTF-8");
        let arguments =
            ["dump", "-d", source.uri(), "-f", archive, "--include-foreign-data", "fil*"];
        let report = world.pgark(&arguments).success().stdout;
        assert!(report.contains("rows       3\n"), "{report}");
        let verified =
            world.pgark(&["verify", archive, "--against", source.uri()]).success().stdout;
        assert!(verified.contains("2 tables, 3 rows of the database"), "{verified}");
    }
}

#[test]
fn a_snapshot_of_somebody_else_is_read() {
    for server in servers() {
        let source = server.database("dump_options_snapshot");
        source.execute("create table t(a int); insert into t values (1)");
        let mut holder = std::process::Command::new(oracle::psql_program());
        holder.args(["-X", "-q", "-A", "-t", "-d", source.uri()]).env_clear();
        holder.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut holder = holder.spawn().expect("psql runs");
        let mut input = holder.stdin.take().expect("its input");
        let mut output = std::io::BufReader::new(holder.stdout.take().expect("its output"));
        use std::io::{BufRead, Write};
        input
            .write_all(b"begin isolation level repeatable read;\nselect pg_export_snapshot();\n")
            .expect("writes");
        let mut id = String::new();
        output.read_line(&mut id).expect("reads");
        source.execute("insert into t values (2)");
        let world = World::new();
        let arguments = ["dump", "-Fp", "-f", "-", "-d", source.uri(), "--snapshot", id.trim()];
        let run = world.pgark(&arguments).success();
        assert!(run.stdout.contains("\n1\n\\.\n"), "{}", run.stdout);
        drop(input);
        assert!(holder.wait().expect("psql ends").success());
        let gone = world.pgark(&arguments);
        assert_ne!(gone.code, Some(0), "the snapshot ended with its session");
    }
}

#[test]
fn contradictions_are_refused() {
    let world = World::new();
    for options in [
        &["--on-conflict-do-nothing"][..],
        &["--schema-only", "--no-schema"],
        &["--data-only", "--no-data"],
        &["--statistics", "--no-statistics"],
        &["--if-exists"],
        &["--clean", "--data-only"],
        &["--extra-float-digits=4"],
        &["--rows-per-insert=0"],
        &["--restrict-key=a b"],
        &["--snapshot=x", "--serializable-deferrable"],
        &["--section=middle"],
        &["-Fc", "--inserts"],
    ] {
        let run = world.pgark(&[&["dump", "nowhere"], options].concat()).fails_with(2);
        assert!(run.stderr.starts_with("error: "), "{options:?}: {}", run.stderr);
    }
}
