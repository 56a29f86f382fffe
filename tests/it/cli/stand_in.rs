//! The stand-in for pg_dump complains as pg_dump 18 does, word by word and before it connects.

use crate::support::{World, oracle};

/// Command lines that are refused, separated by blanks; `''` is an empty argument.
const REFUSED: [&str; 58] = [
    "--foo",
    "--no",
    "--no-b=1",
    "--clean=1",
    "-d",
    "--file",
    "-y",
    "-X",
    "-v --help",
    "-v --version",
    "-v -?",
    "qqq abc",
    "-d x y",
    "-s -a",
    "-s --statistics-only",
    "-a --statistics-only",
    "-a --no-data",
    "-s --no-schema",
    "--statistics-only --no-statistics",
    "--statistics --no-statistics",
    "-a --statistics",
    "-s --statistics",
    "-s --include-foreign-data=x",
    "-j2 --include-foreign-data=x",
    "-c -a",
    "--if-exists",
    "--on-conflict-do-nothing",
    "-F garbage",
    "-F ''",
    "--restrict-key=a-b",
    "--restrict-key=",
    "-Fc --restrict-key=a",
    "--compress garbage",
    "--compress none:1",
    "-Z 15",
    "-Z gzip:nonInt",
    "-Z gzip:",
    "-Z lz4:long",
    "-j3",
    "-Fc -j3",
    "-Ft -j3",
    "-Fd",
    "-Fd -f .",
    "-Ft -Z1",
    "-j -1",
    "-j x",
    "-j 2x",
    "-j 99999999999",
    "--extra-float-digits -16",
    "--extra-float-digits x",
    "--rows-per-insert 0",
    "--section x",
    "--sync-method x",
    "--filter nowhere",
    "--filter filter",
    // The first mistake is told, whatever follows it.
    "-j x --foo",
    "--foo -j x",
    "-s -a -F garbage",
];

#[test]
fn what_pg_dump_refuses_is_refused_in_its_words() {
    let Some(stock) = oracle::record() else { return };
    let world = World::new();
    std::fs::write(world.path("filter"), "# one\ninclude table t\ninclude table_data t\n")
        .expect("a filter");
    for line in REFUSED {
        let arguments: Vec<&str> =
            line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
        let mut command = stock.command("pg_dump");
        let program = command.get_program().to_string_lossy().into_owned();
        let work = world.path("");
        let expected = command.args(&arguments).current_dir(&work).output().expect("stock pg_dump");
        // The C library names the program as it was called.
        let expected_text = String::from_utf8_lossy(&expected.stderr).replace(&program, "pg_dump");
        let ours = world.pgark(&[&["pg_dump"], &arguments[..]].concat());
        // The system's messages have their number behind them here.
        let text = ours.stderr.replace(" (os error 2)", "");
        assert_eq!(text, expected_text, "{line}");
        assert_eq!(ours.code, expected.status.code(), "{line}");
        assert_eq!(ours.stdout, "", "{line}");
    }
}

#[test]
fn help_and_version_are_for_the_first_place() {
    let Some(stock) = oracle::record() else { return };
    let world = World::new();
    for version in ["--version", "-V"] {
        let expected = stock.command("pg_dump").arg(version).output().expect("stock pg_dump");
        let ours = world.called_as("pg_dump", &[version]).success();
        assert_eq!(ours.stdout.as_bytes(), expected.stdout);
    }
    let expected = stock.command("pg_dump").arg("--help").output().expect("stock pg_dump");
    let expected = String::from_utf8_lossy(&expected.stdout).into_owned();
    let ours = world.pgark(&["pg_dump", "-?"]).success().stdout;
    let options = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("  -"));
        let spelling = |line: &str| line.trim().split("  ").next().map(str::to_owned);
        let first = |spelling: String| spelling.split(" all ").next().map(str::to_owned);
        let words = lines.filter_map(spelling).filter_map(first);
        words.map(|words| words.split("PATTERN").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(options(&ours), options(&expected));
    assert!(ours.lines().all(|line| line.len() <= 80));
}
