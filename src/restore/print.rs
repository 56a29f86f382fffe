//! An archive as a script, for whoever wants to read it or run it with psql.

use std::io::{self, Read, Write};

use super::contents::{Contents, ContentsRequest};
use crate::archive::script::{
    LargeObjectScript, ScriptChoices, ScriptError, ScriptOptions, ScriptSource, write_script,
};
use crate::archive::statements::is_session_entry;
use crate::archive::toc::data_file_name;
use crate::archive::{
    ArchiveFormat, ArchiveHeader, ArchiveReader, DataEnd, DataEndError, all_large_objects,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::TocEntry;
use crate::progress::Progress;

/// Bytes that are read from the archive at a time.
const READ_BYTES: usize = 256 * 1024;

/// A script that is wanted of an archive.
#[derive(Debug, Clone, Default)]
pub struct PrintOptions {
    /// The archive and what of it is wanted.
    pub contents: ContentsRequest,
    /// What the script looks like.
    pub choices: ScriptChoices,
    /// Every name of the selection must be in the archive.
    pub strict_names: bool,
    /// Owners are not set.
    pub no_owner: bool,
    /// Row security is left on.
    pub row_security: bool,
    /// Everything goes into the default tablespace.
    pub no_tablespaces: bool,
    /// Tables get the default access method.
    pub no_table_access_method: bool,
}

/// How times look in a script that tells them.
pub struct Times<'a> {
    /// When the archive was made, as text.
    pub created: &'a dyn Fn(&ArchiveHeader) -> String,
    /// The time, as text.
    pub now: &'a dyn Fn() -> String,
}

/// Writes an archive as a script; reads files and therefore blocks.
///
/// # Errors
///
/// Those of [`ContentsRequest::open`]; [`ErrorKind::Storage`] when the script cannot be written or data not
/// be read, [`ErrorKind::Archive`] for entries that cannot be expressed.
pub fn print(
    options: PrintOptions,
    output: &mut dyn Write,
    times: &Times<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    let schema_wanted = options.contents.selection.schema;
    let contents = options.contents.open(progress)?;
    if options.strict_names {
        contents.require_names()?;
    }
    let Contents { archive, marks, .. } = contents;
    let defines = marks.iter().any(|marks| marks.schema);
    if schema_wanted && !defines {
        progress.info("implied no-schema restore");
    }
    let entries: Vec<TocEntry> = archive
        .entries()
        .iter()
        .zip(&marks)
        .filter(|(entry, marks)| marks.any() || is_session_entry(entry))
        .map(|(entry, marks)| {
            let has_data = entry.has_data && marks.data;
            TocEntry { has_data, ..entry.clone() }
        })
        .collect();
    let header = archive.header();
    let script = ScriptOptions {
        started: options.choices.verbose.then(|| (times.created)(header)),
        choices: options.choices,
        server_version: header.server_version.clone(),
        dumper_version: header.dumper_version.clone(),
        no_owner: options.no_owner,
        without_schema: !(schema_wanted && defines),
        row_security: options.row_security,
        no_tablespaces: options.no_tablespaces,
        no_table_access_method: options.no_table_access_method,
        creates_large_objects: !header.version.has_large_object_entries(),
        ..ScriptOptions::default()
    };
    let mut source = ArchiveSource { archive: &*archive, times, progress };
    let written = write_script(output, &entries, &script, &mut source);
    written.and_then(|()| Ok(output.flush()?)).map_err(|error| {
        let kind = match &error {
            ScriptError::Write(_) => ErrorKind::Storage,
            _ => ErrorKind::Archive,
        };
        match error {
            // The error of the archive says it better than that writing failed.
            ScriptError::Write(error) => match error.downcast::<Error>() {
                Ok(error) => error,
                Err(error) => Error::new(kind, "could not write the script").with_source(error),
            },
            error => Error::new(kind, error.to_string()),
        }
    })
}

/// The data of a script that is made from an archive.
struct ArchiveSource<'a> {
    archive: &'a dyn ArchiveReader,
    times: &'a Times<'a>,
    progress: &'a dyn Progress,
}

/// Hands on everything from a reader.
fn pass_on(
    reader: &mut dyn Read,
    what: &str,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => write(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let message = format!("could not read {what}");
                let error = Error::new(ErrorKind::Integrity, message).with_source(error);
                return Err(io::Error::other(error));
            }
        }
    }
}

impl ScriptSource for ArchiveSource<'_> {
    fn write_rows(&mut self, entry: &TocEntry, output: &mut dyn Write) -> io::Result<()> {
        let mut reader = self.archive.open_data(entry).map_err(io::Error::other)?;
        let mut end = DataEnd::of(entry);
        let ended = |checked: Result<(), DataEndError>| {
            checked.map_err(|error| {
                let message = format!("could not read {}", entry.describe());
                io::Error::other(Error::new(ErrorKind::Integrity, message).with_source(error))
            })
        };
        pass_on(&mut *reader, &entry.describe(), |bytes| {
            ended(end.feed(bytes))?;
            output.write_all(bytes)
        })?;
        ended(end.finish())
    }

    fn write_large_objects(
        &mut self,
        entry: &TocEntry,
        output: &mut LargeObjectScript<'_>,
    ) -> io::Result<()> {
        let objects = all_large_objects(self.archive, entry).map_err(io::Error::other)?;
        for object in &objects {
            self.progress.info(&format!("restoring large object with OID {}", object.oid));
            let mut reader = self.archive.open_large_object(object).map_err(io::Error::other)?;
            output.begin(object.oid)?;
            let what = format!("large object {}", object.oid);
            pass_on(&mut *reader, &what, |bytes| output.write(bytes))?;
            output.end()?;
        }
        let plural = if objects.len() == 1 { "" } else { "s" };
        self.progress.info(&format!("restored {} large object{plural}", objects.len()));
        Ok(())
    }

    fn place(&self, entry: &TocEntry) -> Option<String> {
        match self.archive.header().format {
            ArchiveFormat::Directory | ArchiveFormat::Tar => {
                data_file_name(entry).map(|name| format!("-- File: {name}"))
            }
            ArchiveFormat::Custom | ArchiveFormat::Plain => None,
        }
    }

    fn now(&self) -> Option<String> {
        Some((self.times.now)())
    }

    fn info(&mut self, message: &str) {
        self.progress.info(message);
    }
}
