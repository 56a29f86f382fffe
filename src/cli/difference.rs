//! `pgark inspect --diff`: how two schemas differ, as people and programs read it.

use std::path::Path;

use similar::{ChangeTag, TextDiff};

use super::arguments::{InspectArguments, OutputArguments};
use super::connection;
use super::output;
use super::progress::{Display, visible};
use super::world::World;
use crate::archive::{self, ArchiveReader, SchemaComparison, SchemaDifference};
use crate::connect::ConnectParams;
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::{SchemaChange, SchemaSource, schema_changes};
use crate::sql::quote_identifier;

pub(super) async fn run(
    reader: &dyn ArchiveReader,
    other: &str,
    arguments: &InspectArguments,
    world: &World,
) -> Result<()> {
    let comparison =
        SchemaComparison { owners: !arguments.no_owner, privileges: !arguments.no_privileges };
    let mut display = Display::start(world, &OutputArguments::default());
    let progress = display.handle();
    let changes = if Path::new(other).exists() {
        let other = archive::open(Path::new(other))?;
        let source = SchemaSource::Archive(other.as_ref());
        schema_changes(reader, source, comparison, &progress).await?
    } else {
        let params = connection::params_of(world, other)?;
        let compare = |params: ConnectParams| {
            let progress = &progress;
            async move {
                let source = SchemaSource::Database(&params);
                schema_changes(reader, source, comparison, progress).await
            }
        };
        connection::with_password(world, arguments.prompt, params, &display, compare).await?
    };
    display.close();
    output::result(&changes, arguments.json, |changes| text(changes))?;
    if arguments.exit_code && !changes.is_empty() {
        let what = match changes.len() {
            1 => "one definition".to_owned(),
            several => format!("{several} definitions"),
        };
        return Err(Error::new(ErrorKind::Integrity, format!("the schemas differ in {what}")));
    }
    Ok(())
}

/// Returns the changes as a unified difference: nothing when there is none.
fn text(changes: &[SchemaChange]) -> String {
    let mut text = String::new();
    for change in changes {
        let name = match change.schema.as_str() {
            "" => change.name.clone(),
            schema => format!("{}.{}", quote_identifier(schema), change.name),
        };
        let how = match change.difference {
            SchemaDifference::Missing => "only in the archive",
            SchemaDifference::Extra => "only in the other one",
            SchemaDifference::Definition => "defined differently",
            SchemaDifference::Owner => "owned by another role",
        };
        let kind = change.kind.to_lowercase();
        text += &format!("{} ({how})\n", visible(&format!("{kind} {name}")));
        if change.difference == SchemaDifference::Owner {
            text += &format!("  - {}\n", visible(&change.owner_before));
            text += &format!("  + {}\n", visible(&change.owner_after));
            continue;
        }
        for line in TextDiff::from_lines(&change.before, &change.after).iter_all_changes() {
            let sign = match line.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let content = line.value().trim_end_matches('\n');
            if !(content.is_empty() && sign == ' ') {
                text += format!("  {sign} {}", visible(content)).trim_end();
                text.push('\n');
            }
        }
    }
    text
}
