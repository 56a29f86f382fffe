//! The options that `pgark restore` shares with pg_restore: stock is the oracle for lists, scripts and for
//! what is in the database in the end.

use std::path::{Path, PathBuf};

use crate::support::database::Database;
use crate::support::oracle::{Oracle, RESTRICT_KEY};
use crate::support::{World, assert_same, newest_server, oracle, server_of};

const SHOP: &str = "
create schema app; create schema other;
create table app.customers(id serial primary key, name text not null);
create table app.orders(id serial primary key, customer int references app.customers, total numeric);
comment on table app.orders is 'what they want';
create view app.big as select * from app.orders where total > 10;
create function app.double(numeric) returns numeric language sql immutable as 'select $1 * 2';
create index orders_total on app.orders (app.double(total));
create function app.tr() returns trigger language plpgsql as 'begin return new; end';
create trigger tg before insert on app.orders for each row execute function app.tr();
alter table app.orders enable row level security; create policy po on app.orders using (true);
create publication pub for table app.orders;
create table other.notes(t text); insert into other.notes values ('n');
insert into app.customers(name) values ('a'), ('b');
insert into app.orders(customer, total) select 1 + i % 2, i from generate_series(1, 100) i;
select lo_from_bytea(4711, 'large');
grant select on app.orders to public;
";

/// Options that a list and a script follow; those of a restore into an empty database have `true`.
const OPTIONS: &[(&[&str], bool)] = &[
    (&[], true),
    (&["--section=pre-data"], true),
    (&["--section=pre-data", "--section=data"], true),
    (&["-s"], true),
    (&["-a"], false),
    (&["--no-data"], true),
    (&["--no-schema"], false),
    (&["--no-comments", "--no-policies", "--no-publications"], true),
    (&["--no-security-labels", "--no-subscriptions", "--no-statistics"], true),
    (&["--no-tablespaces", "--no-table-access-method", "-O", "-x"], true),
    (&["-n", "other"], false),
    (&["-N", "app"], true),
    (&["-t", "orders"], false),
    (&["-I", "orders_total"], false),
    (&["-P", "double(numeric)"], false),
    (&["-T", "orders tg"], false),
    (&["-t", "notes", "-n", "other", "--strict-names"], false),
    (&["--transaction-size=3"], true),
    (&["--no-data-for-failed-tables", "--exit-on-error"], true),
    (&["--use-set-session-authorization"], true),
    (&["--disable-triggers", "-S", "postgres"], true),
    (&["--enable-row-security"], true),
    (&["--clean", "--if-exists"], true),
];

fn name(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn archive(world: &World, source: &Database) -> PathBuf {
    let path = world.path("x.dump");
    let run = world.pgark(&["dump", "-d", source.uri(), "-f", name(&path)]).success();
    assert!(run.stdout.starts_with("dumped "), "{}", run.stdout);
    path
}

/// Returns what stock pg_restore prints.
fn stock_text(stock: &Oracle, path: &Path, options: &[&str]) -> String {
    let key = format!("--restrict-key={RESTRICT_KEY}");
    let key = if options.contains(&"-l") { &[][..] } else { &[key.as_str()] };
    stock.pg_restore(&[options, key].concat(), path).success().stdout
}

#[test]
fn lists_and_scripts_are_those_of_stock() {
    let Some(stock) = oracle::record() else { return };
    let source = newest_server().database("restore_options");
    source.execute(SHOP);
    let world = World::new();
    let path = archive(&world, &source);
    let key = format!("--restrict-key={RESTRICT_KEY}");
    for (options, _) in OPTIONS {
        let ours = [&["restore", "-f", "-", &key, name(&path)], *options].concat();
        let ours = world.pgark(&ours).success().stdout;
        let theirs = stock_text(&stock, &path, &[&["-f", "-"], *options].concat());
        assert_same(&theirs, &ours, &format!("{options:?}"));
    }
    for options in [
        &["-l"][..],
        &["-l", "-t", "orders"],
        &["-l", "--section=post-data"],
        &["-l", "-v", "-n", "app"],
    ] {
        let ours = world.pgark(&[&["restore", name(&path)], options].concat()).success().stdout;
        assert_same(&stock_text(&stock, &path, options), &ours, &format!("{options:?}"));
    }
}

#[test]
fn what_is_restored_is_what_stock_restores() {
    let Some(stock) = oracle::record() else { return };
    // pg_restore sets what only servers of its own major know.
    let Some(server) = server_of(stock.major()) else { return };
    let source = server.database("restore_options");
    source.execute(SHOP);
    let world = World::new();
    let path = archive(&world, &source);
    for (options, _) in OPTIONS.iter().filter(|(_, whole)| *whole) {
        let (ours, theirs) = (server.database("ours"), server.database("theirs"));
        let arguments =
            [&["restore", "--no-analyze", "-d", ours.uri(), name(&path)], *options].concat();
        let run = world.pgark(&arguments).success();
        assert!(run.stdout.starts_with("restored "), "{}", run.stdout);
        stock.restore(&path, &theirs, options);
        let context = format!("{options:?}");
        assert_same(&stock.pg_dump(&theirs, &[]), &stock.pg_dump(&ours, &[]), &context);
    }
}

#[test]
fn parts_go_into_a_database_that_has_what_they_need() {
    let Some(stock) = oracle::record() else { return };
    // pg_restore sets what only servers of its own major know.
    let Some(server) = server_of(stock.major()) else { return };
    let source = server.database("restore_options");
    source.execute(SHOP);
    let world = World::new();
    let path = archive(&world, &source);
    let list = world.path("list");
    let toc = stock_text(&stock, &path, &["-l"]);
    let wanted: Vec<&str> = toc
        .lines()
        .filter(|line| line.contains(" other ") || line.contains("other notes"))
        .collect();
    std::fs::write(&list, format!("; chosen\n{}\n", wanted.join("\n"))).expect("writes");
    let filter = world.path("filter");
    std::fs::write(&filter, "include table orders\ninclude index orders_total\n").expect("writes");
    let prepared = "create schema app; create schema other; create table app.customers(id int primary key);
        create function app.double(numeric) returns numeric language sql immutable as 'select $1 * 2';
        create function app.tr() returns trigger language plpgsql as 'begin return new; end';";
    for (options, before) in [
        (&["-L", name(&list)][..], ""),
        (&["--filter", name(&filter)], prepared),
        (&["-P", "double(numeric)"], "create schema app"),
        (
            &["-T", "orders tg"],
            "create schema app; create table app.orders(a int);
            create function app.tr() returns trigger language plpgsql as 'begin return new; end'",
        ),
    ] {
        let (ours, theirs) = (server.database("ours"), server.database("theirs"));
        ours.execute(before);
        theirs.execute(before);
        let arguments =
            [&["restore", "--no-analyze", "-d", ours.uri(), name(&path)], options].concat();
        let run = world.pgark(&arguments).success();
        assert!(run.stdout.starts_with("restored "), "{}", run.stdout);
        stock.restore(&path, &theirs, options);
        let context = format!("{options:?}");
        assert_same(&stock.pg_dump(&theirs, &[]), &stock.pg_dump(&ours, &[]), &context);
        assert_ne!(stock.pg_dump(&ours, &[]), stock.pg_dump(&server.database("empty"), &[]));
    }
}

#[test]
fn a_script_goes_into_a_file_compressed_as_its_name_says_and_is_never_replaced() {
    let Some(stock) = oracle::record() else { return };
    let source = newest_server().database("restore_options");
    source.execute(SHOP);
    let world = World::new();
    let path = archive(&world, &source);
    let script = world.path("x.sql.gz");
    let arguments = ["restore", name(&path), "-f", name(&script), "--restrict-key", RESTRICT_KEY];
    assert_eq!(world.pgark(&arguments).success().stdout, "");
    let output = std::process::Command::new("gzip").args(["-dc", name(&script)]).output();
    let text = String::from_utf8(output.expect("gzip runs").stdout).expect("text");
    assert_same(&stock_text(&stock, &path, &["-f", "-"]), &text, "a file");
    let refused = world.pgark(&arguments).fails_with(4);
    assert!(refused.stderr.contains("already exists"), "{}", refused.stderr);
}

#[test]
fn names_formats_and_contradictions_are_refused() {
    let source = newest_server().database("restore_options");
    source.execute("create table t(a int)");
    let world = World::new();
    let path = archive(&world, &source);
    for (options, code, what) in [
        (&["-l", "-t", "nothing"][..], 6, "table \"nothing\" not found"),
        (&["-f", "-", "-I", "nothing"], 6, "index \"nothing\" not found"),
        (&["-l", "-Ft"], 2, "is an archive in custom format, not tar"),
        (&["-f", "-", "-d", "x"], 2, "cannot be used with"),
        (&["-d", "x", "--transaction-size=0"], 2, "0 is not in 1.."),
        (&["-d", "x", "-1", "--transaction-size=2"], 2, "cannot be used with"),
        (&["-d", "x", "--restrict-key=a"], 2, "cannot be used with"),
        (&["-d", "x", "--filter", "/no/such/file"], 8, "could not open filter file"),
        (&["-l", "-L", "/no/such/file"], 8, "could not open TOC file"),
    ] {
        let run = world.pgark(&[&["restore", name(&path)], options].concat()).fails_with(code);
        assert!(run.stderr.contains(what), "{options:?}: {}", run.stderr);
    }
    let script = world.path("x.sql");
    std::fs::write(&script, "SELECT 1;\n").expect("writes");
    for option in ["--no-comments", "-L=x", "--filter=x", "--transaction-size=3", "-Fc", "-Ix"] {
        let arguments = ["restore", "-d", source.uri(), name(&script), option];
        let run = world.pgark(&arguments);
        assert_ne!(run.code, Some(0), "{option}: {}", run.stdout);
        let expected = ["which is a script", "could not open filter file"];
        assert!(expected.iter().any(|what| run.stderr.contains(what)), "{option}: {}", run.stderr);
    }
}

#[test]
fn a_proof_says_of_how_many_tables_it_speaks() {
    let server = newest_server();
    let source = server.database("restore_options");
    source.execute("create table fits(a int); insert into fits values (1); create table odd(a text); insert into odd values ('x')");
    for file in ["x.dump", "x.sql"] {
        let world = World::new();
        let path = world.path(file);
        let run = world.pgark(&["dump", "-d", source.uri(), "-f", name(&path)]).success();
        assert!(run.stdout.starts_with("dumped "), "{}", run.stdout);
        let target = server.database("restore_options_target");
        target.execute("create table odd(a int)");
        let arguments = ["restore", "-d", target.uri(), "--mode", "append", name(&path)];
        let run = world.pgark(&arguments).fails_with(10);
        let proof = "proof      rows and fingerprints equal the manifest's for 1 of 2 tables\n";
        assert!(run.stdout.contains(proof), "{file}: {}", run.stdout);
    }
}

#[test]
fn text_that_is_not_utf_8_comes_out_as_it_was() {
    let Some(stock) = oracle::record() else { return };
    let source = newest_server().database_with(
        "restore_options",
        "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0",
    );
    source.execute("create table \"gr\u{f6}\u{df}e\"(a int)");
    let world = World::new();
    let path = archive(&world, &source);
    let theirs = |arguments: &[&str]| {
        let mut command = stock.command("pg_restore");
        command.args(arguments).arg(&path).output().expect("pg_restore runs").stdout
    };
    let ours = |arguments: &[&str]| {
        let mut command = world.command();
        command.arg("restore").args(arguments).arg(&path).output().expect("pgark runs").stdout
    };
    let key = format!("--restrict-key={RESTRICT_KEY}");
    for arguments in [&["-l"][..], &["-f", "-", &key]] {
        let theirs = theirs(arguments);
        assert!(theirs.windows(5).any(|word| word == b"gr\xf6\xdfe"));
        assert_eq!(theirs, ours(arguments), "{arguments:?}");
    }
}

#[test]
fn an_option_of_loading_is_refused_where_nothing_could_follow_it() {
    let world = World::new();
    std::fs::write(world.path("shop.sql"), "select 1;\n").expect("a script");
    let script = ["restore", "-d", "postgresql://nowhere.invalid/x", "shop.sql"];
    let managed = ["restore", "--target", "postgresql://nowhere.invalid/x", "shop.sql"];
    for options in [
        &["--freeze"][..],
        &["--split-load"],
        &["--maintenance-work-mem", "1GB"],
        &["--max-parallel-maintenance-workers", "1"],
        &["--synchronous-commit", "on"],
        &["--clean"],
        &["-t", "orders"],
    ] {
        for (command, reason) in [
            (&script, "cannot be used with \"shop.sql\", which is a script"),
            (&managed, "needs -d, the database to load into"),
        ] {
            let run = world.pgark(&[&command[..], options].concat());
            assert_eq!(run.code, Some(2), "{options:?}: {}", run.stderr);
            assert!(run.stderr.contains(reason), "{options:?}: {}", run.stderr);
        }
    }
}
