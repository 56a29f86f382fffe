//! From options to a plan: the beginning of the script is read, the target is looked at.
//!
//! Nothing is changed here. A script tells what it holds only as it is read, so what can be refused
//! beforehand is less than with an archive: a standby, a pooler, a database that is not empty.

use std::fmt;

use serde::Serialize;

use super::database;
use super::feed::{CHUNK_BYTES, read_chunk};
use super::options::ScriptOptions;
use super::statement::Kind;
use crate::archive::script_reader::{ExpectedRows, Piece, ScriptError, ScriptSource, Splitter};
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::ProgressHandle;
use crate::restore::Mode;
use crate::restore::preflight::Target;

/// How much of a script is read for the plan: the roles of a large cluster fit in.
const HEAD_BYTES: usize = 4 * CHUNK_BYTES;

/// A script's restore that has been checked and not begun.
pub struct ScriptPlan {
    pub(super) options: ScriptOptions,
    pub(super) source: ScriptSource,
    pub(super) head: Vec<u8>,
    pub(super) session: Session,
    pub(super) progress: ProgressHandle,
    /// Whether the database of `session` is known to be fit.
    pub(super) checked: bool,
    /// The rows that a manifest promises.
    pub(super) expected: Option<ExpectedRows>,
    summary: ScriptSummary,
}

/// What a plan says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptSummary {
    /// The script.
    pub script: String,
    /// How it is compressed.
    pub compression: String,
    /// Its size as it is stored, 0 when that is not known.
    pub stored_bytes: u64,
    /// Where it goes: host, port, user and database.
    pub target: String,
    /// The target's server version.
    pub target_version: String,
    /// Whether the script goes to other databases before it changes the one of the target.
    pub chooses_database: bool,
    /// Whether everything is one transaction.
    pub single_transaction: bool,
    /// The tables whose rows are compared with a manifest.
    pub proved_tables: usize,
}

/// Opens the connection of a restore.
///
/// # Errors
///
/// [`ErrorKind::Connection`] when the target cannot be reached, [`ErrorKind::Refused`] when a pooler that
/// shares connections is in between.
pub async fn connect(options: &ScriptOptions) -> Result<Session> {
    let session = Session::connect(&options.connection).await?;
    session.check_no_pooler().await?;
    Ok(session)
}

/// Makes the plan of a script's restore over a connection of [`connect`].
///
/// # Errors
///
/// [`ErrorKind::Refused`] when something on the target stands in the way, [`ErrorKind::Archive`] when the
/// beginning of the script cannot be run, and whatever reading it gives.
pub async fn plan(
    options: ScriptOptions,
    mut source: ScriptSource,
    session: Session,
    progress: ProgressHandle,
) -> Result<ScriptPlan> {
    let reading = tokio::task::spawn_blocking(move || {
        let head = read_chunk(&mut source, HEAD_BYTES)?;
        Ok((source, head))
    });
    let (source, head) = reading.await.map_err(|panic| {
        Error::new(ErrorKind::Internal, "could not read the script").with_source(panic)
    })??;
    let first = first_target(&head).map_err(|error| broken(source.name(), error))?;
    let target = Target::read(&session).await?;
    if target.version.is_untested() {
        progress.warning(&format!(
            "the target runs PostgreSQL {}, which is newer than anything pgark is tested with",
            target.version.major()
        ));
    }
    let proof = source.proof();
    if source.promises_manifest() && proof.manifest.is_none() {
        progress.warning(&format!(
            "\"{}\" was made with a manifest, which does not lie beside it: nothing proves its rows",
            source.name()
        ));
    }
    let expected = proof.manifest.as_deref().and_then(ExpectedRows::of);
    let checked = first == FirstTarget::ThisDatabase;
    if checked && options.mode == Mode::Fresh {
        database::check_empty(&session).await?;
    }
    let summary = ScriptSummary {
        script: source.name().to_owned(),
        compression: source.algorithm().to_string(),
        stored_bytes: source.stored_bytes(),
        target: session.description().to_owned(),
        target_version: session.version_text(),
        chooses_database: first == FirstTarget::AnotherDatabase,
        single_transaction: options.single_transaction,
        proved_tables: expected.as_ref().map_or(0, ExpectedRows::total),
    };
    Ok(ScriptPlan { options, source, head, session, progress, checked, expected, summary })
}

/// Turns what is wrong with a script into an error that names the script.
pub(super) fn broken(script: &str, error: ScriptError) -> Error {
    let kind = match error {
        ScriptError::CutOff { .. } => ErrorKind::Integrity,
        _ => ErrorKind::Archive,
    };
    let hint = match &error {
        ScriptError::MetaCommand { .. } => {
            "of psql's commands only \\restrict, \\unrestrict, \\encoding and \\connect are run"
        }
        ScriptError::CutOff { .. } => "every statement of a script must end with a semicolon",
        ScriptError::Utf16 => {
            "let pg_dump write the file itself with -f, because a shell of Windows converts what it redirects"
        }
        _ => "the file is no script of pg_dump, or it is damaged",
    };
    Error::new(kind, format!("could not read \"{script}\"")).with_source(error).with_hint(hint)
}

/// Where the first change of a script that is not to the cluster goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstTarget {
    ThisDatabase,
    AnotherDatabase,
    /// The script changes none, or not within what was read.
    Unknown,
}

fn first_target(head: &[u8]) -> Result<FirstTarget, ScriptError> {
    let mut splitter = Splitter::default();
    splitter.push(head);
    loop {
        match splitter.next_piece()? {
            Piece::Statement(statement) if Kind::of(&statement.text).is_local() => {
                return Ok(FirstTarget::ThisDatabase);
            }
            Piece::Connect { .. } => return Ok(FirstTarget::AnotherDatabase),
            Piece::NeedMore | Piece::End => return Ok(FirstTarget::Unknown),
            _ => {}
        }
    }
}

impl ScriptPlan {
    /// Returns what the plan says about itself.
    pub fn summary(&self) -> &ScriptSummary {
        &self.summary
    }
}

impl fmt::Debug for ScriptPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptPlan").field("summary", &self.summary).finish_non_exhaustive()
    }
}

impl fmt::Display for ScriptPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = &self.summary;
        write!(f, "run the script {}", summary.script)?;
        if summary.stored_bytes > 0 {
            write!(f, " ({}", bytesize::ByteSize(summary.stored_bytes))?;
            match summary.compression.as_str() {
                "none" => write!(f, ")")?,
                compression => write!(f, " of {compression})")?,
            }
        }
        let preposition = if summary.chooses_database { "beginning in" } else { "in" };
        writeln!(f, "\n{preposition} {} (PostgreSQL {})", summary.target, summary.target_version)?;
        let transaction =
            if summary.single_transaction { ", everything in one transaction" } else { "" };
        writeln!(f, "over 1 connection{transaction}")?;
        if self.options.mode == Mode::Append {
            writeln!(f, "adding to what the databases hold")?;
        }
        if summary.proved_tables > 0 {
            let tables = summary.proved_tables;
            writeln!(f, "comparing the rows of {tables} tables with the manifest")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_change_tells_which_database_a_script_is_for() {
        for (script, target) in [
            ("SET a = 1;\nCREATE TABLE t ();", FirstTarget::ThisDatabase),
            ("CREATE DATABASE d;\n\\connect d\nCREATE TABLE t ();", FirstTarget::AnotherDatabase),
            ("CREATE ROLE r;\n", FirstTarget::Unknown),
            ("", FirstTarget::Unknown),
        ] {
            assert_eq!(first_target(script.as_bytes()), Ok(target), "{script}");
        }
        assert!(first_target(b"\\! id\n").is_err());
    }
}
