//! What is wrong is said precisely, with its exit code, before anything is done.

use crate::support::World;

/// A command line that fails.
struct Case {
    name: &'static str,
    variables: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    code: i32,
}

/// Runs the cases and returns what a person sees of them.
fn seen(cases: &[Case]) -> String {
    let mut text = String::new();
    for case in cases {
        let world = World::new();
        let run = world.pgark_with(case.variables, case.arguments).fails_with(case.code);
        assert_eq!(run.stdout, "", "{}: errors go to standard error", case.name);
        assert_eq!(
            std::fs::read_dir(world.path(".")).expect("a directory").count(),
            0,
            "{}",
            case.name
        );
        text += &format!("## {} ({})\n{}\n", case.name, case.code, run.stderr);
    }
    text
}

#[test]
fn usage_is_refused_before_anything_else() {
    let cases = [
        Case {
            name: "unknown option",
            variables: &[],
            arguments: &["dump", "--frobnicate"],
            code: 2,
        },
        Case {
            name: "options that exclude each other",
            variables: &[],
            arguments: &["dump", "-s", "-a", "shop"],
            code: 2,
        },
        Case {
            name: "a compression that the format does not have",
            variables: &[],
            arguments: &["dump", "-Ft", "-Zgzip", "shop"],
            code: 2,
        },
        Case {
            name: "unknown compression",
            variables: &[],
            arguments: &["dump", "shop", "-Z", "bzip2"],
            code: 2,
        },
        Case { name: "no jobs", variables: &[], arguments: &["dump", "shop", "-j", "0"], code: 2 },
        Case {
            name: "restore without a target",
            variables: &[],
            arguments: &["restore", "shop-archive"],
            code: 2,
        },
    ];
    insta::assert_snapshot!(seen(&cases), @r#"
    ## unknown option (2)
    error: unexpected argument '--frobnicate' found

      tip: a similar argument exists: '--format'

    Usage: pgark dump --format <FORMAT> [DBNAME]

    For more information, try '--help'.

    ## options that exclude each other (2)
    error: the argument '--schema-only' cannot be used with '--data-only'

    Usage: pgark dump --schema-only <DBNAME>

    For more information, try '--help'.

    ## a compression that the format does not have (2)
    error: compression is not supported by tar archive format

    hint: leave --compress out, or use --format custom

    ## unknown compression (2)
    error: unrecognized compression algorithm: "bzip2"

    ## no jobs (2)
    error: invalid value '0' for '--jobs <N>': a number from 1 to 1000 is expected

    For more information, try '--help'.

    ## restore without a target (2)
    error: restore needs to know which database to replace

    hint: looked for --target, --profile, DATABASE_URL, PGDATABASE and PGSERVICE, in this order
    hint: "pgark restore -d NAME ARCHIVE" loads an archive into the database NAME
    "#);
}

#[test]
fn what_is_not_there_is_named() {
    let cases = [
        Case {
            name: "no such archive",
            variables: &[],
            arguments: &["inspect", "nowhere"],
            code: 6,
        },
        Case {
            name: "no server",
            variables: &[],
            arguments: &[
                "dump",
                "-d",
                "postgres://me:secret@127.0.0.1:1/shop",
                "--progress",
                "none",
            ],
            code: 3,
        },
        Case {
            name: "no server at DATABASE_URL",
            variables: &[("DATABASE_URL", "postgres://me@127.0.0.1:1/other")],
            arguments: &["dump", "--progress", "none"],
            code: 3,
        },
        Case {
            name: "DATABASE_URL is not looked at with -d",
            variables: &[("DATABASE_URL", "not a url"), ("PGHOST", "127.0.0.1"), ("PGPORT", "1")],
            arguments: &["dump", "-d", "shop", "-U", "me", "--progress", "none"],
            code: 3,
        },
    ];
    insta::assert_snapshot!(seen(&cases), @r#"
    ## no such archive (6)
    error: archive "nowhere" does not exist

    ## no server (3)
    error: could not connect to host 127.0.0.1, port 1, user "me", database "shop"
      cause: Connection refused (os error 111)

    hint: is the server running there, and does it listen on that address and port (listen_addresses, port)?

    ## no server at DATABASE_URL (3)
    error: could not connect to host 127.0.0.1, port 1, user "me", database "other"
      cause: Connection refused (os error 111)

    hint: is the server running there, and does it listen on that address and port (listen_addresses, port)?

    ## DATABASE_URL is not looked at with -d (3)
    error: could not connect to host 127.0.0.1, port 1, user "me", database "shop"
      cause: Connection refused (os error 111)

    hint: is the server running there, and does it listen on that address and port (listen_addresses, port)?
    "#);
}

#[test]
fn programs_get_errors_as_json() {
    let world = World::new();
    let run = world.pgark(&["inspect", "nowhere", "--json"]).fails_with(6);
    insta::assert_snapshot!(run.stderr, @r#"{"error":{"causes":[],"code":"not_found","exit_code":6,"hints":[],"message":"archive \"nowhere\" does not exist"}}"#);
    let run = world.pgark(&["dump", "--json", "--frobnicate"]).fails_with(2);
    insta::assert_snapshot!(run.stderr, @r#"{"error":{"causes":[],"code":"usage","exit_code":2,"hints":[],"message":"unexpected argument '--frobnicate' found"}}"#);
}

#[test]
fn color_is_for_terminals_only() {
    let run = World::new().pgark_with(&[("TERM", "xterm")], &["inspect", "nowhere"]).fails_with(6);
    assert!(!run.stderr.contains('\x1b'), "{}", run.stderr);
}

#[test]
fn every_stock_name_is_stood_in_for_by_link_and_by_verb() {
    for name in ["pg_dump", "pg_restore", "pg_dumpall"] {
        let world = World::new();
        for run in [
            world.called_as(name, &["--nothing-like-it"]),
            world.pgark(&[name, "--nothing-like-it"]),
        ] {
            // The stock tools know no other code for failures.
            let run = run.fails_with(1);
            let hint = format!("{name}: hint: Try \"{name} --help\" for more information.\n");
            assert!(run.stderr.ends_with(&hint), "{}", run.stderr);
        }
    }
}
