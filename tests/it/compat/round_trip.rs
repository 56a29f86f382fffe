//! Source, archive, new database, on every major; stock pg_dump sees no difference.

use crate::support::{World, newest_server, oracle, servers};

use super::{assert_equal, sample};

#[test]
fn sample_database_survives_dump_and_restore() {
    for server in servers() {
        let source = sample(server);
        let target = server.database("sample_copy");
        let world = World::new();
        let _ =
            world.pgark(&["dump", "-d", source.uri(), "-f", "sample.backup", "-j", "2"]).success();
        let _ = world.pgark(&["verify", "sample.backup"]).success();
        let _ = world.pgark(&["verify", "--quick", "sample.backup"]).success();
        let _ = world.pgark(&["verify", "sample.backup", "--against", source.uri()]).success();
        let _ = world.pgark(&["restore", "-d", target.uri(), "-j", "2", "sample.backup"]).success();
        let _ = world.pgark(&["verify", "sample.backup", "--against", target.uri()]).success();
        assert!(world.leftovers().is_empty(), "on {server}");
        if let Some(stock) = oracle::record() {
            assert_equal(&stock, &source, &target);
        }
    }
}

#[test]
fn a_column_that_has_lost_its_inherited_default_stays_without() {
    let source = newest_server().database("no_default");
    source.execute(
        "create table top (a int default 5, b int default 1, c text default 'c');\n\
         create table middle () inherits (top); create table low () inherits (middle);\n\
         create table lowest (a int) inherits (low); create table other (b int) inherits (top);\n\
         create table pair (a int default 7, b int default 3) inherits (low, other);\n\
         alter table top alter b set default 2; alter table middle alter a drop default, alter c set default 'm';\n\
         alter table low alter a drop default; alter table lowest alter a drop default, alter b drop default;",
    );
    let world = World::new();
    let _ = world.pgark(&["dump", "-d", source.uri(), "-f", "a"]).success();
    let target = newest_server().database("no_default_copy");
    let _ = world.pgark(&["restore", "-d", target.uri(), "a"]).success();
    let defaults = "select adrelid::regclass, adnum, pg_get_expr(adbin, adrelid) from pg_attrdef \
                    order by adrelid::regclass::text, adnum";
    assert_eq!(target.query(defaults), source.query(defaults));
    let _ = world.pgark(&["verify", "a", "--against", target.uri()]).success();
}

#[test]
fn a_difference_of_one_row_is_found_and_named() {
    for server in servers() {
        let source = server.database("differs");
        source.execute(
            "create table kept(a int); create table changed(a int, b text);\n\
                        insert into kept select generate_series(1, 100);\n\
                        insert into changed select g, 'x' from generate_series(1, 100) g",
        );
        let world = World::new();
        let _ = world.pgark(&["dump", "-d", source.uri(), "-f", "a"]).success();
        source.execute("update changed set b = 'y' where a = 50");
        let run = world.pgark(&["verify", "a", "--against", source.uri()]).fails_with(9);
        let said = run.stdout + &run.stderr;
        assert!(said.contains("changed") && !said.contains("public.kept:"), "on {server}: {said}");
    }
}
