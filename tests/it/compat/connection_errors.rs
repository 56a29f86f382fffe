//! What the stand-ins say when there is no connection: libpq's words, which logs and scripts look for.

use crate::support::command::Run;
use crate::support::{World, newest_server, oracle};

#[test]
fn connections_that_fail_are_told_in_the_words_of_libpq() {
    let Some(stock) = oracle::record() else { return };
    let there = newest_server().database("connection_errors");
    let elsewhere: &[&[&str]] = &[
        &["-d", "host=127.0.0.1 port=1"],
        &["-d", "host=localhost port=1"],
        &["-d", "hostaddr=127.0.0.1 host=somewhere port=1"],
        &["-d", "host=127.0.0.1,/there/is/none port=1,2"],
        &["-d", "postgresql://a,b:2,c:3/x?hostaddr=127.0.0.1"],
        &["-d", "host=a,b port=1,2,3"],
        &["-d", "host=nowhere.invalid"],
        &["-h", "/there/is/none"],
        &["-d", "host=127.0.0.1 port=99999"],
        &["-d", "nonsense=1"],
    ];
    let world = World::new();
    for tool in ["pg_dump", "pg_restore", "pg_dumpall"] {
        let archive: &[&str] = if tool == "pg_restore" { &["fixture"] } else { &[] };
        if tool == "pg_restore" {
            let file = world.path("fixture");
            stock.dump_archive(&there, &file, &["-Fc"]);
        }
        let same = |variables: &[(&str, &str)], arguments: &[&str]| {
            let path = world.path("fixture");
            let path = path.to_str().expect("TMPDIR is UTF-8");
            let arguments: Vec<&str> =
                arguments.iter().copied().chain(archive.iter().map(|_| path)).collect();
            let mut command = stock.command(tool);
            let theirs =
                Run::of(command.args(&arguments).envs(variables.iter().copied())).fails_with(1);
            let ours = world.pgark_with(variables, &[&[tool], &arguments[..]].concat());
            assert_eq!(ours.fails_with(1).stderr, theirs.stderr, "{tool} {arguments:?}");
        };
        for arguments in elsewhere {
            same(&[], arguments);
        }
        same(&[("PGTARGETSESSIONATTRS", "standby")], &["-d", there.uri()]);
        same(&[("PGTARGETSESSIONATTRS", "read-only")], &["-d", there.uri()]);
        if tool == "pg_dumpall" {
            same(&[], &["-d", there.uri(), "-l", "there_is_none"]);
        } else {
            let missing = newest_server().uri("there_is_none");
            same(&[], &["-d", &missing]);
        }
    }
}
