//! `restore.sql`: the archive as a script for people, with the rows in the files beside it.
//!
//! pg_dump writes `\restrict (null)` around `\connect` here, because it has no key; pgark writes neither.

use std::io::{self, Write};

use crate::archive::script::{
    LargeObjectScript, ScriptChoices, ScriptError, ScriptOptions, ScriptSource, write_script,
};
use crate::archive::toc::{self, Toc};
use crate::model::TocEntry;

const NOTE: &str = "--
-- NOTE:
--
-- File paths need to be edited. Search for $$PATH$$ and
-- replace it with the path to the directory containing
-- the extracted data files.
--
";

/// Writes the script.
pub(super) fn write(output: &mut dyn Write, toc: &Toc) -> Result<(), ScriptError> {
    output.write_all(NOTE.as_bytes())?;
    let options = ScriptOptions {
        choices: ScriptChoices { clean: true, create: true, ..ScriptChoices::default() },
        server_version: toc.header.server_version.clone(),
        dumper_version: toc.header.dumper_version.clone(),
        ..ScriptOptions::default()
    };
    // Large objects cannot be loaded by a script from files of the client.
    let mut entries = toc.entries.clone();
    for entry in entries.iter_mut().filter(|entry| entry.desc == "BLOBS") {
        entry.has_data = false;
        entry.definition =
            format!("-- blobs_{}.toc lists the files with the large objects\n", entry.dump_id);
    }
    write_script(output, &entries, &options, &mut Paths)
}

/// Names the file instead of writing the rows.
struct Paths;

impl ScriptSource for Paths {
    fn write_rows(&mut self, entry: &TocEntry, output: &mut dyn Write) -> io::Result<()> {
        let name = toc::data_file_name(entry).unwrap_or_default();
        let Some(copy) = &entry.copy_statement else {
            return writeln!(output, "\\i $$PATH$$/{name}\n");
        };
        let start = copy.strip_suffix("FROM stdin;\n").unwrap_or(copy);
        output.write_all(b"\\.\n")?;
        output.write_all(&crate::sql::text::encode(start))?;
        writeln!(output, "FROM '$$PATH$$/{name}';\n")
    }

    fn write_large_objects(
        &mut self,
        _entry: &TocEntry,
        _output: &mut LargeObjectScript<'_>,
    ) -> io::Result<()> {
        Ok(())
    }
}
