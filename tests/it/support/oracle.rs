//! The stock client tools, against which pgark is held.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::cluster::run;
use super::command::Run;
use super::database::Database;
use super::installation::{Installation, client_tools, conformance_directories};
use super::{is_long_run, missing};

/// The fixed key that makes two plain dumps comparable.
pub(crate) const RESTRICT_KEY: &str = "pgark";

/// One installation of pg_dump, pg_restore and psql.
#[derive(Debug, Clone)]
pub(crate) struct Oracle {
    bin: PathBuf,
    major: u32,
}

/// Returns the oracle of record: the stock 18 with every codec, built by `scripts/conformance setup`.
pub(crate) fn record() -> Option<Oracle> {
    let oracle = conformance().map(|bin| Oracle { bin, major: 18 });
    if oracle.is_none() {
        missing(
            "the stock PostgreSQL 18 tools are not built; scripts/conformance setup builds them",
        );
    }
    oracle
}

/// Returns the second oracle: Debian's 15, which knows no compression and gzip.
pub(crate) fn second() -> Option<Oracle> {
    let installation = Installation::of(15).filter(|i| i.bin.join("pg_restore").exists());
    if installation.is_none() {
        missing("the PostgreSQL 15 tools are not installed; scripts/test installs them");
    }
    installation.map(|found| Oracle { bin: found.bin.clone(), major: 15 })
}

/// Returns the third oracle: 16 with every codec, the only one whose archives are of version 1.15.
pub(crate) fn third() -> Option<Oracle> {
    let oracle = client_tools(16).map(|bin| Oracle { bin, major: 16 });
    if oracle.is_none() {
        missing("the PostgreSQL 16 tools are not here; scripts/client-tools 16 fetches them");
    }
    oracle
}

/// Returns the oracles there are, the one of record first; the third only in the long run.
pub(crate) fn all() -> Vec<Oracle> {
    let third = is_long_run().then(third).flatten();
    [record(), second(), third].into_iter().flatten().collect()
}

impl Oracle {
    /// Returns the major version.
    pub(crate) fn major(&self) -> u32 {
        self.major
    }

    /// Tells whether this pg_dump can read a database of that server: it refuses newer ones.
    pub(crate) fn can_dump(&self, database: &Database) -> bool {
        self.major >= database.major()
    }

    /// Tells whether the tools can read a compression of `-Z`.
    pub(crate) fn knows(&self, compression: &str) -> bool {
        self.major >= 16 || matches!(compression, "none" | "gzip")
    }

    /// Returns the option of pg_dump for a codec; 15 knows levels only.
    pub(crate) fn compression_option(&self, codec: &str) -> String {
        match codec {
            "none" => "-Z0".to_owned(),
            "gzip" => "-Z6".to_owned(),
            _ => format!("-Z{codec}"),
        }
    }

    /// Returns where one of the tools lies.
    pub(crate) fn program(&self, tool: &str) -> PathBuf {
        self.bin.join(tool)
    }

    /// Returns the plain text of stock pg_dump, with [`RESTRICT_KEY`].
    pub(crate) fn pg_dump(&self, database: &Database, arguments: &[&str]) -> String {
        let mut command = self.command("pg_dump");
        command.arg(format!("--restrict-key={RESTRICT_KEY}"));
        without_internal_options(run(command.args(arguments).args(["-d", database.uri()])))
    }

    /// Returns the text of stock pg_dumpall, with [`RESTRICT_KEY`].
    pub(crate) fn pg_dumpall(&self, uri: &str, arguments: &[&str]) -> String {
        let mut command = self.command("pg_dumpall");
        command.arg(format!("--restrict-key={RESTRICT_KEY}"));
        without_internal_options(run(command.args(arguments).args(["-d", uri])))
    }

    /// Writes an archive with stock pg_dump.
    pub(crate) fn dump_archive(&self, database: &Database, path: &Path, arguments: &[&str]) {
        let mut command = self.command("pg_dump");
        run(command.arg("-f").arg(path).args(arguments).args(["-d", database.uri()]));
    }

    /// Restores an archive with stock pg_restore, which must succeed and say nothing.
    pub(crate) fn restore(&self, archive: &Path, database: &Database, arguments: &[&str]) {
        let mut command = self.command("pg_restore");
        let command = command.args(arguments).args(["-d", database.uri()]).arg(archive);
        let output = command.output().expect("pg_restore can be started");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{command:?}: {stderr}");
    }

    /// Runs stock pg_restore without a database, for lists and scripts.
    pub(crate) fn pg_restore(&self, arguments: &[&str], archive: &Path) -> Run {
        let mut command = self.command("pg_restore");
        Run::of(command.args(arguments).arg(archive))
    }

    /// Prepares one of the tools.
    pub(crate) fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(self.program(tool));
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command
    }
}

/// Returns a psql; every test needs one, so its absence is always a failure.
pub(crate) fn psql_program() -> &'static Path {
    static PSQL: OnceLock<PathBuf> = OnceLock::new();
    PSQL.get_or_init(|| {
        let installed = Installation::all().iter().rev().map(|i| i.bin.join("psql"));
        let candidates = conformance().map(|bin| bin.join("psql")).into_iter().chain(installed);
        let found = candidates.chain(["/usr/bin/psql".into()]).find(|program| program.exists());
        found.expect("the tests need psql; scripts/test installs it")
    })
}

fn conformance() -> Option<PathBuf> {
    let candidates = conformance_directories().into_iter().map(|d| d.join("pg18/bin"));
    candidates.into_iter().find(|bin| bin.join("pg_restore").exists())
}

/// Takes out what a pg_dump older than the server prints by mistake.
///
/// Since the minor releases of November 2026 servers keep an option `pg_attver` for themselves in each
/// column. Their own pg_dump leaves it out; the one before them prints a statement for it that no server
/// accepts.
pub(crate) fn without_internal_options(text: String) -> String {
    const OPTION: &str = "pg_attver=";
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(OPTION) {
        let value = &rest[at + OPTION.len()..];
        let after = value.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let before = &rest[..at];
        if before.ends_with(" SET (") && after.starts_with(");\n") {
            // Names hold line ends, so the statement may have several lines; behind what an object
            // depends on stock ends no line.
            let begin = before.rfind("\nALTER ").max(before.rfind(";ALTER "));
            kept.push_str(&before[..begin.map_or(0, |end| end + 1)]);
            rest = &after[");\n".len()..];
        } else {
            kept.push_str(before.strip_suffix(", ").unwrap_or(before));
            rest = if before.ends_with(", ") { after } else { after.trim_start_matches(", ") };
        }
    }
    kept.push_str(rest);
    kept
}

/// [`without_internal_options`] for text in any encoding: what is taken out is ASCII in all of them.
pub(crate) fn bytes_without_internal_options(text: Vec<u8>) -> Vec<u8> {
    let as_latin1 = text.into_iter().map(char::from).collect();
    without_internal_options(as_latin1)
        .chars()
        .map(|byte| u8::try_from(byte).expect("it was a byte"))
        .collect()
}

#[test]
fn internal_options_are_taken_out_with_their_statements() {
    let alone = "x\nALTER TABLE t ALTER COLUMN a SET (pg_attver=1);\nALTER TABLE \"o\nT\" ALTER COLUMN b SET \
                 (pg_attver=23);\ny\n";
    assert_eq!(without_internal_options(alone.to_owned()), "x\ny\n");
    let behind =
        "ALTER x DEPENDS ON EXTENSION y;ALTER TABLE t ALTER COLUMN a SET (pg_attver=1);\nz\n";
    assert_eq!(without_internal_options(behind.to_owned()), "ALTER x DEPENDS ON EXTENSION y;z\n");
    for with_others in
        ["(pg_attver=1, a=2, b=3)", "(a=2, pg_attver=1, b=3)", "(a=2, b=3, pg_attver=1)"]
    {
        assert_eq!(without_internal_options(with_others.to_owned()), "(a=2, b=3)");
    }
}
