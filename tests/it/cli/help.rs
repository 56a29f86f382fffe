//! Help texts, versions, completions.

use crate::support::World;

#[test]
fn help_says_what_there_is() {
    let run = World::new().pgark(&["--help"]).success();
    insta::assert_snapshot!(run.stdout, @r#"
    Dump, restore and prove PostgreSQL databases without any client tool

    Usage: pgark <COMMAND>

    Commands:
      dump         Dump a database into an archive
      restore      Put a backup in the place of a database, or load an archive into one
      clone        Carry a database over to another server, without an archive
      verify       Prove that an archive or a kept backup is whole, or equal to a database
      inspect      Show what an archive holds
      backup       Make a proved backup and keep it in a repository
      list         List the backups of a repository
      status       Tell how each database stands: newest backup, counts, sizes, what is due
      prune        Show which backups are not kept any longer, or drop them
      mark         Say of a backup that it is good, that it must stay, or that it is the last
      config       Show every setting and where it comes from, or check that all of them can be read
      drill        Restore a backup into a scratch database, prove it, and remove it again
      demo         Show the whole tour on a throw-away server
      completions  Print a completion script for a shell

    Options:
      -?, --help     Print help
      -V, --version  Print the version

    Without -d the connection comes from DATABASE_URL or the PG* variables, as psql
    takes it; with any -d, DATABASE_URL is ignored.

    "pgark pg_dump ...", or a link named pg_dump, takes the options of pg_dump and
    prints its text. So do pg_restore and pg_dumpall.

    Exit codes: 0 done, 1 failure, 2 usage, 3 connection or login, 4 refused before
    anything was changed, 5 declined, 6 not found, 7 locked, 8 storage,
    9 verification failed, 10 partial, 11 failed and taken back, 12 taking back
    failed, 130 and 143 signals.
    "#);
}

#[test]
fn without_arguments_the_help_is_an_error() {
    let run = World::new().pgark(&[]).fails_with(2);
    assert!(run.stderr.starts_with("Dump, restore and prove"), "{}", run.stderr);
}

#[test]
fn the_host_is_h_and_help_is_a_question_mark() {
    let run = World::new().pgark(&["dump", "-?"]).success();
    insta::assert_snapshot!(run.stdout, @r"
    Dump a database into an archive

    Usage: pgark dump [OPTIONS] [DBNAME]

    Arguments:
      [DBNAME]  Database to dump, when -d is not given

    Options:
          --all                         Dump every database of the server, its roles and its tablespaces
                                        into one folder
          --exclude-database <PATTERN>  Leave out databases that match this pattern, with --all (can be
                                        repeated)
          --no-role-passwords           Leave out the passwords of roles, with --all
      -f, --file <PATH>                 Output path; its name decides the format [default:
                                        DBNAME-YYYYMMDDTHHMMSSZ in this directory]
      -F, --format <FORMAT>             Format of the output: directory, custom, tar or plain [possible
                                        values: plain, custom, directory, tar]
      -j, --jobs <N>                    Number of connections that read [default: number of cores, at
                                        most 8]
      -Z, --compress <SPEC>             Compression: none, gzip, lz4 or zstd, with level and details as
                                        in zstd:9 [default: zstd]
          --archive-version <VERSION>   Layout version of the archive: 1.14, 1.15 or 1.16 [default: the
                                        oldest that can hold it]
          --no-sync                     Do not wait until the output is on disk
          --lock-wait-timeout <TIME>    Do not wait longer than this for the lock of a table, such as
                                        30s
          --dry-run                     Print what would be dumped, how large it is and how it would be
                                        split, and stop
      -?, --help                        Print help

    Connection:
      -d, --dbname <CONN>    Database to connect to: a name, a connection string or a URI
      -h, --host <HOST>      Server host or directory of its socket
      -p, --port <PORT>      Server port
      -U, --username <NAME>  Role to log in as
          --role <ROLE>      Role to become after login
      -w, --no-password      Never ask for a password
      -W, --password         Ask for a password before connecting

    Selection:
      -n, --schema <PATTERN>
              Dump only these schemas (can be repeated)
      -N, --exclude-schema <PATTERN>
              Do not dump these schemas (can be repeated)
      -t, --table <PATTERN>
              Dump only these tables, views and sequences (can be repeated)
          --table-and-children <PATTERN>
              As --table, with their partitions and inheritance children (can be repeated)
      -T, --exclude-table <PATTERN>
              Do not dump these tables, views and sequences (can be repeated)
          --exclude-table-and-children <PATTERN>
              As --exclude-table, with their partitions and inheritance children (can be repeated)
          --exclude-table-data <PATTERN>
              Dump the definition of these tables and not their rows (can be repeated)
          --exclude-table-data-and-children <PATTERN>
              As --exclude-table-data, with their partitions and inheritance children (can be repeated)
      -e, --extension <PATTERN>
              Dump only these extensions (can be repeated)
          --exclude-extension <PATTERN>
              Do not dump these extensions (can be repeated)
          --include-foreign-data <PATTERN>
              Dump the rows of the foreign tables of these servers (can be repeated)
          --filter <FILE>
              Take patterns from a file, one include or exclude in each line; - is standard input (can
              be repeated)
          --strict-names
              Fail when one of the patterns that include matches nothing

    Content:
          --section <SECTION>       Dump only this section: pre-data, data or post-data (can be
                                    repeated) [possible values: pre-data, data, post-data]
      -s, --schema-only             Dump definitions and no rows
      -a, --data-only               Dump rows and no definitions
          --statistics              Dump also what the planner knows about the rows; servers from 18 on
                                    can take it
          --statistics-only         Dump what the planner knows about the rows, and neither rows nor
                                    definitions
      -O, --no-owner                Leave out who owns the objects
      -x, --no-privileges           Leave out privileges [alias: --no-acl]
          --no-schema               Dump no definitions
          --no-data                 Dump no rows
          --no-statistics           Dump nothing of what the planner knows, as without options
          --sequence-data           Dump the values of sequences also without rows
      -b, --large-objects           Dump large objects also when only a part of the database is dumped
      -B, --no-large-objects        Dump no large objects
          --no-comments             Leave out comments
          --no-policies             Leave out row security policies
          --no-publications         Leave out publications
          --no-subscriptions        Leave out subscriptions
          --no-security-labels      Leave out security labels
          --no-tablespaces          Leave out tablespaces
          --no-table-access-method  Leave out table access methods
          --no-toast-compression    Leave out the compression methods of columns
          --no-unlogged-table-data  Leave out the rows of unlogged tables

    Rows:
          --inserts                  Write rows as INSERT statements, which any database can read
          --column-inserts           Write rows as INSERT statements that name the columns [alias:
                                     --attribute-inserts]
          --rows-per-insert <N>      Write so many rows in each INSERT statement
          --on-conflict-do-nothing   Let the INSERT statements pass over rows that exist
          --load-via-partition-root  Load the rows of partitions through the root of their table
          --enable-row-security      Leave out rows that row security hides, instead of failing
          --extra-float-digits <N>   Digits of floating-point numbers, as in extra_float_digits
                                     [default: 3]
      -E, --encoding <ENCODING>      Encoding of the dump [default: that of the database]
          --snapshot <ID>            Read in a snapshot that another session has exported
          --serializable-deferrable  Wait for a moment at which a serializable transaction sees no
                                     anomaly

    Text, and scripts:
          --quote-all-identifiers          Quote identifiers also where they need none
          --disable-dollar-quoting         Quote the bodies of functions without dollars
      -c, --clean                          Let the script drop the objects before it makes them
          --if-exists                      Let the script drop only what exists
      -C, --create                         Let the script create the database, and go to it
          --disable-triggers               Let the script disable triggers while it loads rows (with
                                           --data-only)
      -S, --superuser <NAME>               Superuser who disables the triggers
          --use-set-session-authorization  Let the script make objects as their owners instead of giving
                                           them away
          --restrict-key <KEY>             Key of the restricted mode of psql, letters and digits
                                           [default: random]

    Output:
          --progress <HOW>  How progress is shown [default: auto] [possible values: auto, bar, plain,
                            json, none]
          --json            Print the result, and errors, as JSON
      -v, --verbose         Say more about what is being done

    Examples:
      pgark dump shop
      pgark dump -d postgres://backup@db.example/shop -f /backups/shop -j 4
      pgark dump shop -n public -T 'log_*' --exclude-table-data sessions -f small
      pgark dump shop -f shop.sql.zst
      pgark dump --all -f /backups/server
      pgark dump shop --dry-run
    ");
}

#[test]
fn help_fits_into_eighty_columns() {
    for verb in ["", "dump", "restore", "verify", "inspect", "drill", "demo", "completions"] {
        for help in ["-?", "--help"] {
            let arguments: Vec<&str> =
                [verb, help].into_iter().filter(|word| !word.is_empty()).collect();
            let run = World::new().pgark_with(&[("COLUMNS", "80")], &arguments).success();
            let wide: Vec<&str> =
                run.stdout.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{verb} {help}: {wide:#?}");
        }
    }
}

#[test]
fn the_version_is_one_line() {
    let run = World::new().pgark(&["--version"]).success();
    assert_eq!(run.stdout, format!("pgark {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_shell_gets_a_completion_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = World::new().pgark(&["completions", shell]).success();
        assert!(run.stdout.contains("exclude-table-data"), "{shell}");
    }
}
