//! `pgark pg_restore` beside the stock tool: the same lists, scripts, messages, exit codes, and the same
//! databases in the end.

use std::process::Command;

use crate::support::command::Run;
use crate::support::database::Database;
use crate::support::oracle::{self, Oracle};
use crate::support::server::Server;
use crate::support::{World, newest_server, servers};

use super::assert_same_text;

/// Tables with and without owners and rights of their own, in several schemas, and everything that
/// pg_restore treats in a special way.
const SCHEMA: &str = "
do $$ begin create role \"pgark Owner\"; exception when duplicate_object or unique_violation then null; end $$;
create schema s authorization \"pgark Owner\";
create table s.t(id int primary key, v text, \"Ä b\" text);
alter table s.t owner to \"pgark Owner\";
create table public.p(id int, k int references s.t) partition by range(id);
create table public.p1 partition of p for values from (0) to (100);
create table public.empty();
create function s.f(int) returns int language sql as 'select 1';
create function tr() returns trigger language plpgsql as 'begin return new; end';
create view s.v as select * from s.t;
create materialized view s.mv as select * from s.t;
create index i on s.t(v);
create sequence public.q;
comment on table s.t is 'a table';
grant select on s.t to public;
create policy po on s.t using (true);
alter table s.t enable row level security;
create trigger tg before insert on s.t for each row execute function tr();
create publication pub for table s.t;
select lo_create(777), lo_create(778);
comment on large object 777 is 'a large object';
grant select on large object 778 to public;
";

/// Lets the owner of the schema make it.
const GRANTED: &str = "do $$ begin
  execute format('grant create on database %I to \"pgark Owner\"', current_database());
  grant create on schema public to \"pgark Owner\";
end $$;";

const ROWS: &str = "
insert into s.t select i, 'x' || i, null from generate_series(1, 20) i;
insert into p values (1, 1), (2, 2);
select setval('q', 42);
select lo_put(777, 0, 'hello'), lo_put(778, 0, convert_to(repeat('x', 40000), 'UTF8'));
refresh materialized view s.mv;
";

const ZONE: (&str, &str) = ("TZ", "Europe/Berlin");

/// Runs the stock tool.
fn theirs(stock: &Oracle, world: &World, arguments: &[&str]) -> Run {
    let mut command = stock.command("pg_restore");
    Run::of(command.args(arguments).env(ZONE.0, ZONE.1).current_dir(world.path(".")))
}

/// Runs ours.
fn ours(world: &World, arguments: &[&str]) -> Run {
    world.pgark_with(&[ZONE], &[&["pg_restore"], arguments].concat())
}

/// Fails unless both tools print the same and end the same.
#[track_caller]
fn assert_same_runs(stock: &Oracle, world: &World, arguments: &[&str]) {
    let (theirs, ours) = (theirs(stock, world, arguments), ours(world, arguments));
    let without_time = |text: &str| -> String {
        text.lines()
            .map(|line| if line.starts_with("-- Completed on") { "-- Completed" } else { line })
            .collect::<Vec<_>>()
            .join("\n")
    };
    let said = |run: &Run| {
        // getopt_long names the program as it was called.
        let program = stock.command("pg_restore").get_program().display().to_string() + ": ";
        let stderr = run.stderr.replace(&program, "pg_restore: ");
        format!("{arguments:?}\n{}\n{stderr}exit {:?}\n", without_time(&run.stdout), run.code)
    };
    assert_same_text(&said(&theirs), &said(&ours));
}

fn filled(server: &Server, name: &str) -> Database {
    let database = server.database(name);
    database.execute(SCHEMA);
    database.execute(ROWS);
    database
}

#[test]
fn lists_and_scripts_are_those_of_the_stock_tool() {
    let Some(stock) = oracle::record() else { return };
    let source = filled(newest_server(), "pg_restore_scripts");
    source.execute("analyze");
    let world = World::new();
    for (name, kind) in [("directory", "-Fd"), ("inserts", "-Fd"), ("custom", "-Fc")] {
        let archive = world.path(name);
        let rows: &[&str] = if name == "inserts" { &["--inserts"] } else { &[] };
        let arguments = [&[kind, "--statistics"], rows].concat();
        stock.dump_archive(&source, &archive, &arguments);
    }
    let list = theirs(&stock, &world, &["-l", "directory"]).success().stdout;
    let backwards: Vec<&str> = list.lines().filter(|line| !line.starts_with(';')).rev().collect();
    let file = |name: &str, text: &str| std::fs::write(world.path(name), text).expect("writes");
    file("backwards", &backwards.join("\n"));
    file("odd", &format!("{}\n; nothing\n999999; x\nwords\n0\n-3\n", backwards[0]));
    file("include", "include table t # one\ninclude function f ( integer )\n");
    file("exclude", "exclude schema s\n");
    file("refused", "include table_data t\n");

    let key = ["-f", "-", "--restrict-key=key"];
    let lists: &[&[&str]] = &[
        &["-l"],
        &["-l", "-v"],
        &["-l", "-n", "s"],
        &["-l", "-C"],
        &["-l", "-L", "backwards"],
        &["-l", "--strict-names", "-t", "nothing"],
    ];
    let scripts: &[&[&str]] = &[
        &[],
        &["-c"],
        &["-c", "--if-exists"],
        &["-C"],
        &["-C", "-c", "--if-exists", "--transaction-size=3"],
        &["-a"],
        &["-a", "--disable-triggers"],
        &["-a", "--disable-triggers", "-S", "me"],
        &["-s"],
        &["-1"],
        &["--transaction-size=1"],
        &["--transaction-size=7"],
        &["-O"],
        &["-x"],
        &["--use-set-session-authorization"],
        &["--use-set-session-authorization", "-O"],
        &["--role=some one"],
        &["-L", "backwards"],
        &["-L", "odd"],
        &["-L", "missing"],
        &["-t", "t"],
        &["-n", "s"],
        &["-N", "s"],
        &["-I", "i"],
        &["-P", "f(integer)"],
        &["-T", "t tg"],
        &["-t", "nothing"],
        &["--strict-names", "-n", "nothing"],
        &["--filter=include"],
        &["--filter=exclude"],
        &["--filter=refused"],
        &["--section=pre-data"],
        &["--section=data", "--section=post-data"],
        &["--no-data"],
        &["--no-schema"],
        &["--no-statistics"],
        &["--statistics-only"],
        &["--statistics"],
        &["--no-comments", "--no-policies", "--no-publications", "--no-security-labels"],
        &["--enable-row-security", "--no-tablespaces", "--no-table-access-method"],
        &["-j", "4"],
    ];
    for archive in ["directory", "inserts", "custom"] {
        for arguments in lists {
            assert_same_runs(&stock, &world, &[arguments, [archive].as_slice()].concat());
        }
        for arguments in scripts {
            assert_same_runs(&stock, &world, &[&key, *arguments, &[archive]].concat());
        }
    }
    for (format, archive) in
        [("c", "directory"), ("t", "directory"), ("d", "custom"), ("t", "custom"), ("c", "custom")]
    {
        assert_same_runs(&stock, &world, &["-l", "-F", format, archive]);
    }
    for archive in ["directory", "inserts"] {
        let verbose = [key.as_slice(), &["-v", "-C", "-c", archive]].concat();
        assert_same_runs(&stock, &world, &verbose);
    }
}

#[test]
fn what_contradicts_itself_or_is_no_archive_is_refused_in_the_same_words() {
    let Some(stock) = oracle::record() else { return };
    let world = World::new();
    std::fs::create_dir(world.path("empty")).expect("makes");
    std::fs::write(world.path("short"), "abc").expect("writes");
    std::fs::write(world.path("words"), "words ".repeat(200)).expect("writes");
    let text = "--\n-- PostgreSQL database dump\n--\n\nSELECT 1;\n";
    std::fs::write(world.path("plain.sql"), text).expect("writes");
    let lines = "
        |-d x -f y|-d x --restrict-key=a|-l --restrict-key=|-f - -s -a|-f - -s --statistics-only
        |-f - -a --statistics-only|-f - -a --no-data|-f - -s --no-schema
        |-f - --statistics-only --no-statistics|-f - --statistics --no-statistics|-f - -a --statistics
        |-f - -s --statistics|-f - -c -a|-f - -1 --transaction-size=3|-f - -C -1|-d x -1 -j2
        |-f - --if-exists|-F p -f -|-F x -f -|-j 0 -f -|-j x -f -|-j -1|--transaction-size=0
        |--section=x|--foo|-f - a b|-Z|--no-s|-f - --filter=nothing|-f - nothing|-f - empty|-f - short
        |-f - words|-f - plain.sql|--data-only=1|-f|--jo|--version|-V|-v --version";
    for line in lines.split('|') {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        assert_same_runs(&stock, &world, &arguments);
    }
}

/// Restores with both tools into databases that were made the same way, and compares messages, exit codes
/// and databases; tells whether both succeeded.
#[track_caller]
fn assert_same_restores(
    stock: &Oracle,
    server: &Server,
    world: &World,
    prepared: &str,
    arguments: &[&str],
    messages: Messages,
) -> bool {
    let databases = ["theirs", "ours"].map(|name| server.database(name));
    for database in &databases {
        database.execute(prepared);
    }
    let into = |uri| [arguments, ["-d", uri].as_slice()].concat();
    let theirs = theirs(stock, world, &into(databases[0].uri()));
    let ours = ours(world, &into(databases[1].uri()));
    if messages == Messages::Equal {
        let stderr = |run: &Run, database: &Database| {
            format!("{arguments:?}\n{}", run.stderr.replace(database.name(), "DATABASE"))
        };
        assert_same_text(&stderr(&theirs, &databases[0]), &stderr(&ours, &databases[1]));
    }
    assert_eq!(theirs.code, ours.code, "{arguments:?}\n{}", ours.stderr);
    let dumps = databases
        .each_ref()
        .map(|database| format!("{arguments:?}\n{}", stock.pg_dump(database, &[])));
    assert_same_text(&dumps[0], &dumps[1]);
    ours.code == Some(0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Messages {
    Equal,
    /// On several connections errors come in another order, and stock pg_restore counts some of them twice.
    Unordered,
}

#[test]
fn databases_become_those_that_the_stock_tool_makes_whatever_fails() {
    let Some(stock) = oracle::record() else { return };
    let roles = "do $$ begin create role \"pgark Owner\"; exception when duplicate_object or unique_violation then null; end $$;";
    let with_table = format!(
        "{roles} create schema s; create table s.t(id int primary key, v text, \"Ä b\" text);
         insert into s.t values (3, 'old', null), (200, 'x', null);"
    );
    for server in servers() {
        // The stock tool counts the setting that older servers do not know as an error.
        if server.major() < 17 {
            continue;
        }
        let source = filled(server, "pg_restore_direct");
        let world = World::new();
        stock.dump_archive(&source, &world.path("directory"), &["-Fd"]);
        stock.dump_archive(&source, &world.path("inserts"), &["-Fd", "--inserts"]);
        stock.dump_archive(&source, &world.path("custom"), &["-Fc"]);
        let list = theirs(&stock, &world, &["-l", "directory"]).success().stdout;
        let items: Vec<&str> = list.lines().filter(|line| !line.starts_with(';')).collect();
        let (rows, others): (Vec<&str>, Vec<&str>) =
            items.iter().partition(|line| line.contains(" TABLE DATA "));
        let backwards: Vec<&str> = items.into_iter().rev().collect();
        let file =
            |name: &str, text: String| std::fs::write(world.path(name), text).expect("writes");
        file("backwards", backwards.join("\n"));
        file("rows_last", [others, rows].concat().join("\n"));
        file("include", "include table t\ninclude function f(integer)\n".to_owned());
        let nobody = "--role=pgark nobody";
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("", &["-1"]),
            ("", &["--transaction-size=5"]),
            ("", &["-n", "s"]),
            ("", &["-t", "t", "-t", "v"]),
            ("", &["-t", "v"]),
            ("", &["-I", "i", "-P", "f(integer)", "-T", "t tg", "-t", "t"]),
            (&with_table, &["-I", "i", "-T", "t tg"]),
            ("", &["--filter=include"]),
            ("", &["-L", "backwards"]),
            ("", &["-L", "rows_last"]),
            ("", &["-L", "rows_last", "-1"]),
            ("", &["-N", "s", "-s"]),
            ("", &["--section=pre-data", "-O", "-x"]),
            ("", &["--section=post-data"]),
            (SCHEMA, &["--section=data"]),
            ("", &[nobody]),
            ("", &[nobody, "-e"]),
            ("", &["-v"]),
            (&with_table, &["-v"]),
            (&with_table, &["-v", "--no-data-for-failed-tables"]),
            (SCHEMA, &["-a", "--disable-triggers", "-S", "postgres"]),
            (SCHEMA, &["-a", "--disable-triggers", "-S", "pgark nobody"]),
            ("", &["--use-set-session-authorization"]),
            (GRANTED, &["--use-set-session-authorization"]),
            (SCHEMA, &["-c", "--if-exists"]),
            (SCHEMA, &["-c"]),
            (SCHEMA, &["-a"]),
            (SCHEMA, &["-a", "--disable-triggers"]),
            (&with_table, &[]),
            (&with_table, &["--no-data-for-failed-tables"]),
            (&with_table, &["-a", "-t", "t"]),
            (&with_table, &["-a", "-t", "t", "-1"]),
            (&with_table, &["-e"]),
            (&with_table, &["-1"]),
            (&with_table, &["--transaction-size=5"]),
        ];
        for archive in ["directory", "inserts", "custom"] {
            for (prepared, arguments) in cases {
                // The containers differ in nothing but how data is read.
                let matters = match archive {
                    "custom" => prepared.is_empty() && arguments.len() < 2,
                    "inserts" => *prepared == with_table,
                    _ => true,
                };
                if !matters {
                    continue;
                }
                let arguments = [*arguments, &[archive]].concat();
                let compare = |arguments: &[&str], messages| {
                    assert_same_restores(&stock, server, &world, prepared, arguments, messages)
                };
                let succeeded = compare(&arguments, Messages::Equal);
                // When something fails, chance decides what the stock tool makes on several connections. And a
                // list that is out of order is followed there further than dependencies allow.
                let in_order = !arguments.iter().any(|argument| ["-1", "-L"].contains(argument));
                if succeeded && in_order && archive == "directory" {
                    compare(&[&arguments[..], &["-j3"]].concat(), Messages::Unordered);
                }
            }
        }
    }
}

#[test]
fn a_database_that_exists_is_restored_into_all_the_same() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = filled(server, "pg_restore_create");
    let world = World::new();
    stock.dump_archive(&source, &world.path("archive"), &["-Fc", "-s"]);
    let expected = stock.pg_dump(&source, &["-s"]);
    source.execute("drop schema s cascade; drop table p, empty; drop function tr; drop sequence q; drop publication pub");
    let postgres = server.uri("postgres");
    let create = ["pg_restore", "-d", &postgres, "-C", "archive"];
    let run = world.pgark(&create).fails_with(1);
    assert!(run.stderr.contains("already exists\nCommand was: CREATE DATABASE "), "{}", run.stderr);
    assert!(run.stderr.ends_with("errors ignored on restore: 1\n"), "{}", run.stderr);
    assert_same_text(&expected, &stock.pg_dump(&source, &["-s"]));
    let clean = ["pg_restore", "-d", &postgres, "-C", "-c", "--if-exists", "archive"];
    let _ = world.pgark(&clean).success();
    assert_same_text(&expected, &stock.pg_dump(&source, &["-s"]));
}

#[test]
fn an_archive_comes_from_standard_input_and_through_a_link() {
    let Some(stock) = oracle::record() else { return };
    let source = filled(newest_server(), "pg_restore_stdin");
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fc"]);
    let expected = theirs(&stock, &world, &["-f", "-", "--restrict-key=k", "archive"]).success();
    let mut command = Command::new("/bin/sh");
    let script = "exec \"$0\" pg_restore -f - --restrict-key=k < \"$1\"";
    command.args(["-c", script]).arg(world.command().get_program()).arg(&archive);
    command.current_dir(world.path("."));
    let run = Run::of(&mut command).success();
    assert_same_text(&expected.stdout, &run.stdout);
    let run = world.called_as("pg_restore", &["-f", "-", "--restrict-key=k", "archive"]);
    assert_same_text(&expected.stdout, &run.success().stdout);
    let run = world.pgark(&["pg_restore", "-d", source.uri(), "-j2"]).fails_with(1);
    assert_eq!(
        run.stderr,
        "pg_restore: error: parallel restore from standard input is not supported\n"
    );
}
