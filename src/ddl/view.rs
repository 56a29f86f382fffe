//! Views: their definition, and the dummy that stands for it while a dependency loop is open
//! (`createViewAsClause`, `createDummyViewAsClause` in `pg_dump.c`).

use super::Writer;
use super::storage_parameters::storage_parameters;
use crate::model::Object;
use crate::model::table::Table;

/// Returns the CREATE statement of a view; `verb` is `CREATE VIEW` or `CREATE OR REPLACE VIEW`.
pub(super) fn create_view(
    writer: &Writer<'_>,
    verb: &str,
    object: &Object,
    view: &Table,
) -> String {
    let mut definition = format!("{verb} {}", writer.qualified(object));
    if !view.options.is_empty() {
        let options = storage_parameters(writer, &view.options, "");
        definition.push_str(&format!(" WITH ({options})"));
    }
    definition.push_str(" AS\n");
    definition.push_str(query(view));
    if let Some(check) = &view.check_option {
        definition.push_str(&format!("\n  WITH {check} CHECK OPTION"));
    }
    definition.push_str(";\n");
    definition
}

/// Returns the CREATE statement of a view whose query follows later.
pub(super) fn create_dummy_view(writer: &Writer<'_>, object: &Object, view: &Table) -> String {
    format!("CREATE VIEW {} AS\n{};\n", writer.qualified(object), dummy_query(writer, view))
}

/// Returns the query of a view without its final semicolon.
pub(super) fn query(view: &Table) -> &str {
    let text = view.view_definition.as_deref().unwrap_or_default();
    text.strip_suffix(';').unwrap_or(text)
}

/// Returns a query with the view's columns and no rows that depends on nothing but their types.
pub(super) fn dummy_query(writer: &Writer<'_>, view: &Table) -> String {
    let columns: Vec<String> = view
        .columns
        .iter()
        .filter(|column| !column.dropped)
        .map(|column| {
            let collation = match column.collation() {
                Some((schema, name)) => {
                    format!(" COLLATE {}", writer.quoting.qualified(schema, name))
                }
                None => String::new(),
            };
            format!(
                "\n    NULL::{}{collation} AS {}",
                column.type_name,
                writer.identifier(&column.name)
            )
        })
        .collect();
    format!("SELECT{}", columns.join(","))
}
