//! The script of an archive is, byte by byte, the one that stock pg_restore prints.

use std::io::{self, Write};
use std::path::Path;

use pgark::archive::script::{ScriptChoices, ScriptOptions, write_script};
use pgark::archive::selection::{RestoreSelection, marks};
use pgark::archive::{ArchiveReader, open};
use pgark::model::TocEntry;

use super::{FIXTURES, fixture};
use crate::support::oracle::{self, Oracle, RESTRICT_KEY};
use crate::support::servers;

/// What pg_restore is told and what that means here.
struct Case {
    arguments: &'static [&'static str],
    /// What of the archive is wanted.
    selection: RestoreSelection,
    /// How it is printed; key and versions are filled in.
    options: ScriptOptions,
}

fn cases() -> Vec<Case> {
    let selection = RestoreSelection::default;
    let options = ScriptOptions::default;
    let choosing = |choices| ScriptOptions { choices, ..options() };
    let names = |name: &str| vec![name.to_owned()];
    vec![
        Case { arguments: &[], selection: selection(), options: options() },
        Case {
            arguments: &["--no-owner", "--no-privileges"],
            selection: RestoreSelection { no_privileges: true, ..selection() },
            options: ScriptOptions { no_owner: true, ..options() },
        },
        Case {
            arguments: &["--clean"],
            selection: selection(),
            options: choosing(ScriptChoices { clean: true, ..ScriptChoices::default() }),
        },
        Case {
            arguments: &["--clean", "--if-exists"],
            selection: selection(),
            options: choosing(ScriptChoices {
                clean: true,
                if_exists: true,
                ..ScriptChoices::default()
            }),
        },
        Case {
            arguments: &["--create"],
            selection: RestoreSelection { create: true, ..selection() },
            options: choosing(ScriptChoices { create: true, ..ScriptChoices::default() }),
        },
        Case {
            arguments: &["--create", "--clean", "--if-exists"],
            selection: RestoreSelection { create: true, ..selection() },
            options: choosing(ScriptChoices {
                create: true,
                clean: true,
                if_exists: true,
                ..ScriptChoices::default()
            }),
        },
        Case {
            arguments: &["--schema-only"],
            selection: RestoreSelection { data: false, statistics: false, ..selection() },
            options: options(),
        },
        Case {
            arguments: &["--data-only"],
            selection: RestoreSelection { schema: false, statistics: false, ..selection() },
            options: options(),
        },
        Case {
            arguments: &["--section=post-data"],
            selection: RestoreSelection {
                sections: vec![pgark::model::Section::PostData],
                ..selection()
            },
            options: options(),
        },
        Case {
            arguments: &["-n", "public", "-t", "plain"],
            selection: RestoreSelection {
                schemas: names("public"),
                tables: names("plain"),
                ..selection()
            },
            options: options(),
        },
        Case {
            arguments: &["-N", "public", "--no-comments", "--no-tablespaces"],
            selection: RestoreSelection {
                exclude_schemas: names("public"),
                no_comments: true,
                ..selection()
            },
            options: ScriptOptions { no_tablespaces: true, ..options() },
        },
        Case {
            arguments: &["--no-table-access-method", "--enable-row-security"],
            selection: selection(),
            options: ScriptOptions {
                no_table_access_method: true,
                row_security: true,
                ..options()
            },
        },
    ]
}

/// Returns the entries that are printed, each with what of it is wanted.
fn selected(archive: &dyn ArchiveReader, selection: &RestoreSelection) -> Vec<TocEntry> {
    let marks = marks(archive.entries(), selection);
    archive
        .entries()
        .iter()
        .zip(marks)
        .filter(|(_, marks)| marks.any())
        .map(|(entry, marks)| TocEntry { has_data: entry.has_data && marks.data, ..entry.clone() })
        .collect()
}

fn script(archive: &dyn ArchiveReader, case: &Case) -> Vec<u8> {
    let header = archive.header();
    let options = ScriptOptions {
        choices: ScriptChoices {
            restrict_key: RESTRICT_KEY.to_owned(),
            ..case.options.choices.clone()
        },
        server_version: header.server_version.clone(),
        dumper_version: header.dumper_version.clone(),
        ..case.options.clone()
    };
    let mut script = Vec::new();
    let mut write_data = |entry: &TocEntry, out: &mut dyn Write| -> io::Result<()> {
        out.write_all(&pgark::sql::text::encode(entry.copy_statement.as_deref().unwrap_or("")))?;
        io::copy(&mut archive.open_data(entry).map_err(io::Error::other)?, out).map(|_| ())
    };
    write_script(&mut script, &selected(archive, &case.selection), &options, &mut write_data)
        .expect("writes");
    script
}

fn compare(stock: &Oracle, path: &Path) {
    let archive = open(path).expect("opens");
    for case in cases() {
        let key = format!("--restrict-key={RESTRICT_KEY}");
        let mut arguments = vec!["-f", "-", key.as_str()];
        arguments.extend(case.arguments);
        let expected = stock.pg_restore(&arguments, path).success().stdout;
        let found = String::from_utf8_lossy(&script(&*archive, &case)).into_owned();
        if expected != found {
            let same = expected.lines().zip(found.lines()).take_while(|(l, r)| l == r).count();
            let around = |text: &str| {
                text.lines().skip(same.saturating_sub(6)).take(14).collect::<Vec<_>>().join("\n")
            };
            panic!(
                "{} {:?}: line {}\n--- expected\n{}\n--- found\n{}",
                path.display(),
                case.arguments,
                same + 1,
                around(&expected),
                around(&found)
            );
        }
    }
}

#[test]
fn scripts_of_small_archives_equal_pg_restore() {
    let Some(stock) = oracle::record() else { return };
    for name in FIXTURES {
        compare(&stock, &fixture(name));
    }
}

#[test]
fn scripts_of_the_sample_database_equal_pg_restore() {
    let Some(stock) = oracle::record() else { return };
    let folder = tempfile::tempdir().expect("temp");
    for server in servers() {
        let database = crate::compat::sample(server);
        let path = folder.path().join(format!("sample-{}", database.major()));
        stock.dump_archive(&database, &path, &["-Fd", "-Zzstd", "--no-large-objects"]);
        compare(&stock, &path);
    }
}
