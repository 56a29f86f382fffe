//! Damage of archives without checksums that pg_restore passes over in silence, losing data: it is found and
//! named by every verb, and nothing is kept of what it is in.

use std::path::{Path, PathBuf};

use crate::support::{World, damage, newest_server, oracle};

/// Returns the file of a directory archive whose name begins and ends so.
fn file(archive: &Path, start: &str, end: &str) -> PathBuf {
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let fits = |path: &PathBuf| name(path).starts_with(start) && name(path).ends_with(end);
    damage::files(archive).into_iter().find(fits).expect("a file")
}

struct Case {
    name: &'static str,
    /// The options of pg_dump.
    options: &'static [&'static str],
    /// The beginning of the name of the file that is replaced.
    file: &'static str,
    content: &'static str,
    said: &'static str,
}

const CASES: [Case; 6] = [
    Case {
        name: "rows behind an end mark",
        options: &[],
        file: "3",
        content: "1\n\\.\n2\n3\n\\.\n\n\n",
        said: "rows follow the end mark at byte 2 of the data",
    },
    Case {
        name: "an end mark in a row",
        options: &[],
        file: "3",
        content: "1\n2\\.\n3\n\\.\n\n\n",
        said: "a row holds an end mark at byte 3 of the data",
    },
    Case {
        name: "rows cut off",
        options: &[],
        file: "3",
        content: "1\n2\n",
        said: "the data end before their end mark",
    },
    Case {
        name: "statements cut off",
        options: &["--inserts"],
        file: "3",
        content: "INSERT INTO public.t VALUES (1);\n",
        said: "the data end before their end mark",
    },
    Case {
        name: "no statements",
        options: &["--inserts"],
        file: "3",
        content: "",
        said: "the data end before their end mark",
    },
    Case {
        name: "a large object not listed",
        options: &[],
        file: "blobs_",
        content: "7001 blob_7001.dat\n",
        said: "large object 7002",
    },
];

#[test]
fn data_that_would_be_lost_without_a_word_are_missed() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("silent");
    source.execute(
        "create table t(a int); insert into t select generate_series(1, 3);
         select lo_from_bytea(7001, 'a'), lo_from_bytea(7002, 'b');",
    );
    let world = World::new();
    for Case { name, options, file: start, content, said } in CASES {
        let archive = world.path(name);
        stock.dump_archive(&source, &archive, &[&["-Fd", "-Z0"], options].concat());
        let end = if start == "3" { ".dat" } else { ".toc" };
        std::fs::write(file(&archive, start, end), content).expect("written");
        let target = server.database("silent_target");
        for arguments in [
            &["verify", name][..],
            &["restore", "-d", target.uri(), name],
            &["pg_restore", "-d", target.uri(), name],
            &["pg_restore", "-f", "-", name],
        ] {
            let run = world.pgark(arguments);
            let text = run.stdout.clone() + &run.stderr;
            assert!(run.code != Some(0) && text.contains(said), "{name} {arguments:?}: {text}");
        }
        if start == "3" {
            let there = target.query("select count(*) from t");
            assert_eq!(there, "0", "{name}");
        }
    }
}
