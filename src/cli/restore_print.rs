//! `pgark restore --list` and `pgark restore --file`: what would be restored, as a list or as a script.

use std::io::Write;
use std::path::Path;

use super::arguments::RestoreArguments;
use super::drop_in::restrict_key::restrict_key;
use super::dump::is_standard_output;
use super::inspect::created;
use super::output::{self, Interruptible};
use super::progress::Display;
use super::world::World;
use crate::archive::ArchivePlace;
use crate::archive::listing::{self, ListingDetail};
use crate::archive::script::{ScriptChoices, ScriptFile, Transactions};
use crate::archive::selection::RestoreSelection;
use crate::codec::{Algorithm, Compression};
use crate::error::{Context, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::restore::{self, Contents, ContentsRequest, PrintOptions, Times};
use crate::store::{Location, Output};

/// Prints the entries that the selection takes as `pg_restore --list` does.
pub(super) fn list(
    arguments: &RestoreArguments,
    archive: &Location,
    selection: RestoreSelection,
    world: &World,
) -> Result<()> {
    let display = Display::start(world, &arguments.output);
    let contents = contents(arguments, archive, selection).open(&*display.handle())?;
    contents.require_names()?;
    let Contents { archive, marks, .. } = &contents;
    let header = archive.header();
    let detail = match arguments.output.verbose {
        true => ListingDetail::Everything,
        false => ListingDetail::Selected,
    };
    let created = created(header, world);
    let text = listing::listing(header, archive.entries(), marks, &created, detail);
    match arguments.file.as_deref() {
        Some(path) if !is_standard_output(Some(path)) => {
            let mut file = ScriptFile::create(&path.into(), Compression::NONE)?;
            file.write_all(&crate::sql::text::encode(&text))
                .context(ErrorKind::Storage, || "could not write the list".to_owned())?;
            file.finish(None).map(drop)
        }
        _ => output::print_carried(&text),
    }
}

/// Writes what would be restored as a script.
pub(super) fn script(
    arguments: &RestoreArguments,
    archive: &Location,
    selection: RestoreSelection,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let display = Display::start(world, &arguments.output);
    let progress = display.handle();
    let shape = &arguments.shape;
    let options = PrintOptions {
        choices: ScriptChoices {
            restrict_key: restrict_key(shape.restrict_key.as_deref())?,
            clean: arguments.clean,
            if_exists: arguments.if_exists,
            create: selection.create,
            disable_triggers: arguments.disable_triggers,
            superuser: arguments.superuser.clone(),
            session_authorization: shape.use_set_session_authorization,
            verbose: arguments.output.verbose,
            role: arguments.connection.role.clone(),
            transactions: match arguments.transaction_size {
                _ if arguments.single_transaction => Transactions::Single,
                Some(size) => Transactions::Every(usize::try_from(size).unwrap_or(usize::MAX)),
                None => Transactions::None,
            },
        },
        contents: contents(arguments, archive, selection),
        strict_names: true,
        no_owner: shape.no_owner,
        row_security: arguments.enable_row_security,
        no_tablespaces: shape.no_tablespaces,
        no_table_access_method: shape.no_table_access_method,
    };
    let times =
        Times { created: &|header| created(header, world), now: &|| world.time_text(world.now()) };
    let path = arguments.file.as_deref().unwrap_or(Path::new("-"));
    let place = match is_standard_output(Some(path)) {
        true => ArchivePlace { output: Output::Stdout, ..ArchivePlace::from(path) },
        false => path.into(),
    };
    let algorithm = Algorithm::from_suffix(&path.to_string_lossy());
    let file = ScriptFile::create(&place, Compression::new(algorithm))?;
    let mut file = Interruptible { inner: file, interrupt };
    restore::print(options, &mut file, &times, &*progress)?;
    interrupt.check()?;
    file.inner.finish(None).map(drop)
}

fn contents(
    arguments: &RestoreArguments,
    archive: &Location,
    selection: RestoreSelection,
) -> ContentsRequest {
    ContentsRequest {
        archive: archive.into(),
        list: arguments.selection.use_list.clone(),
        selection,
    }
}
