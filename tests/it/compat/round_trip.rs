//! Source, archive, new database, on every major; stock pg_dump sees no difference.

use crate::support::{World, oracle, servers};

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
