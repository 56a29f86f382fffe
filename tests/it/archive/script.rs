//! The script of an archive is, byte by byte, the one that stock pg_restore prints.

use std::io::{self, Read, Write};
use std::path::Path;

use pgark::archive::script::{
    LargeObjectScript, ScriptChoices, ScriptOptions, ScriptSource, Transactions, write_script,
};
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
            arguments: &["--data-only", "--disable-triggers", "-S", "Some Body"],
            selection: RestoreSelection { schema: false, statistics: false, ..selection() },
            options: ScriptOptions {
                without_schema: true,
                ..choosing(ScriptChoices {
                    disable_triggers: true,
                    superuser: Some("Some Body".to_owned()),
                    ..ScriptChoices::default()
                })
            },
        },
        Case {
            arguments: &["--use-set-session-authorization", "--clean"],
            selection: selection(),
            options: choosing(ScriptChoices {
                session_authorization: true,
                clean: true,
                ..ScriptChoices::default()
            }),
        },
        Case {
            arguments: &["--single-transaction", "--role", "Some Body"],
            selection: selection(),
            options: choosing(ScriptChoices {
                transactions: Transactions::Single,
                role: Some("Some Body".to_owned()),
                ..ScriptChoices::default()
            }),
        },
        Case {
            arguments: &["--transaction-size=3", "--clean", "--if-exists", "--create"],
            selection: RestoreSelection { create: true, ..selection() },
            options: choosing(ScriptChoices {
                transactions: Transactions::Every(3),
                clean: true,
                if_exists: true,
                create: true,
                ..ScriptChoices::default()
            }),
        },
        Case {
            arguments: &["--transaction-size=2", "--clean"],
            selection: selection(),
            options: choosing(ScriptChoices {
                transactions: Transactions::Every(2),
                clean: true,
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

/// Copies the data of the archive as it is.
struct FromArchive<'a>(&'a dyn ArchiveReader);

impl ScriptSource for FromArchive<'_> {
    fn write_rows(&mut self, entry: &TocEntry, output: &mut dyn Write) -> io::Result<()> {
        io::copy(&mut self.0.open_data(entry).map_err(io::Error::other)?, output).map(|_| ())
    }

    fn write_large_objects(
        &mut self,
        entry: &TocEntry,
        output: &mut LargeObjectScript<'_>,
    ) -> io::Result<()> {
        for object in self.0.large_objects(entry).map_err(io::Error::other)? {
            output.begin(object.oid)?;
            let mut bytes = Vec::new();
            let mut file = self.0.open_large_object(&object).map_err(io::Error::other)?;
            file.read_to_end(&mut bytes)?;
            output.write(&bytes)?;
            output.end()?;
        }
        Ok(())
    }
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
    let entries = selected(archive, &case.selection);
    write_script(&mut script, &entries, &options, &mut FromArchive(archive)).expect("writes");
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
        stock.dump_archive(&database, &path, &["-Fd", "-Zzstd"]);
        compare(&stock, &path);
    }
}
