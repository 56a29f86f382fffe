//! `pgark inspect --extract`: one object's SQL or one table's rows on standard output.

use std::io::{BufWriter, Write};

use super::arguments::ExtractForm;
use super::output::{self, Interruptible};
use crate::archive::ArchiveReader;
use crate::error::{ErrorKind, Result};
use crate::inspect::{self, ObjectName, RowsForm};
use crate::progress::Interrupt;

pub(super) fn run(
    reader: &dyn ArchiveReader,
    name: &str,
    form: ExtractForm,
    interrupt: &Interrupt,
) -> Result<()> {
    let name = ObjectName::parse(name)?;
    let form = match form {
        ExtractForm::Sql => {
            let objects = inspect::find_object(reader, &name)?;
            let sql = inspect::object_sql(reader, &objects)?;
            return output::print_carried(&sql);
        }
        ExtractForm::Copy => RowsForm::Copy,
        ExtractForm::Csv => RowsForm::Csv,
    };
    let entry = inspect::table_data(reader, &name)?;
    let inner = BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
    let mut stdout = Interruptible { inner, interrupt };
    let written = inspect::write_rows(reader, entry, form, &mut stdout);
    // A reader that went away early, such as `head`, has what it wanted.
    let gone = |error: &crate::Error| {
        error.kind() == ErrorKind::Storage
            && std::error::Error::source(error)
                .and_then(|source| source.downcast_ref::<std::io::Error>())
                .is_some_and(|source| source.kind() == std::io::ErrorKind::BrokenPipe)
    };
    match written {
        Err(error) if gone(&error) => Ok(()),
        Err(_) if interrupt.is_set() => interrupt.check(),
        written => {
            // What was read before an error is printed; the error says that it is not to be trusted.
            let _ = stdout.flush();
            written.map(|_| ())
        }
    }
}
