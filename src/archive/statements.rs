//! What restoring an entry takes besides its definition: the statements around it, pure.
//!
//! A script prints them, a restore sends them. Authority: `_printTocEntry`, `_getObjectDescription`,
//! `RestoreArchive` in `pg_backup_archiver.c` of PostgreSQL 18.

use thiserror::Error;

use crate::model::TocEntry;
use crate::sql::{Quoting, split_name};

/// The three walks over the table of contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pass {
    /// Everything not named below.
    Main,
    /// Privileges, after everything they could keep a restore from doing.
    Acl,
    /// Event triggers, which would fire on the rest of the restore, and what they would see.
    PostAcl,
}

/// Returns the walk that an entry belongs to.
pub fn pass(entry: &TocEntry) -> Pass {
    match entry.desc.as_str() {
        "ACL" | "ACL LANGUAGE" | "DEFAULT ACL" => Pass::Acl,
        "EVENT TRIGGER" | "MATERIALIZED VIEW DATA" => Pass::PostAcl,
        "COMMENT" | "SECURITY LABEL" if entry.tag.starts_with("EVENT TRIGGER ") => Pass::PostAcl,
        "STATISTICS DATA" if entry.section == crate::model::Section::PostData => Pass::PostAcl,
        _ => Pass::Main,
    }
}

/// The kinds that exist only with `--create`.
pub fn is_database_entry(entry: &TocEntry) -> bool {
    matches!(entry.desc.as_str(), "DATABASE" | "DATABASE PROPERTIES")
}

/// The three entries that set up the session instead of making objects.
pub fn is_session_entry(entry: &TocEntry) -> bool {
    matches!(entry.desc.as_str(), "ENCODING" | "STDSTRINGS" | "SEARCHPATH")
}

/// Tells whether the rows of an entry are loaded through the root of a partitioned table.
pub fn loads_via_partition_root(entry: &TocEntry) -> bool {
    partition_root(entry).is_some()
}

/// Returns the root of a partitioned table that the rows of an entry are loaded through, as SQL names it.
pub fn partition_root(entry: &TocEntry) -> Option<&str> {
    if let Some(marker) = entry.definition.strip_prefix("-- load via partition root ") {
        return Some(marker.lines().next().unwrap_or_default());
    }
    let name = entry.copy_statement.as_deref()?.strip_prefix("COPY ")?;
    // Quotes that are not needed do not make it another table.
    let (parts, behind) = split_name(name, char::is_whitespace)?;
    let own = match &parts[..] {
        [schema, table] => Some(schema) == entry.namespace.as_ref() && *table == entry.tag,
        // Before roots were known the search path was part of the script.
        [table] => *table == entry.tag,
        _ => false,
    };
    (!own).then(|| &name[..name.len() - behind.len()])
}

/// Why an entry cannot be restored as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StatementError {
    /// The entry has an owner and is of a kind that pgark does not know how to give away.
    #[error("don't know how to set owner for object type \"{0}\"")]
    UnknownOwnedKind(String),
}

/// Returns `ALTER ... OWNER TO ...;` for an entry, or `None` when it has no owner to set.
///
/// An empty drop statement marks what belongs to another object and follows its owner, such as the
/// sequence of an identity column.
///
/// # Errors
///
/// When the kind of the entry is unknown.
pub fn owner_statement(entry: &TocEntry) -> Result<Option<String>, StatementError> {
    owner_statement_quoted(entry, Quoting::WhenNeeded)
}

/// Returns [`owner_statement`] with identifiers quoted as asked for.
pub(super) fn owner_statement_quoted(
    entry: &TocEntry,
    quoting: Quoting,
) -> Result<Option<String>, StatementError> {
    let owner = entry.owner.as_deref().filter(|owner| !owner.is_empty());
    let drop = entry.drop_statement.as_deref().filter(|drop| !drop.is_empty());
    let (Some(owner), Some(drop)) = (owner, drop) else { return Ok(None) };
    let Some(object) = owned_object(entry, drop, quoting)? else { return Ok(None) };
    Ok(Some(format!("ALTER {object} OWNER TO {};", quoting.identifier(owner))))
}

/// Returns how ALTER names the object of an entry, or `None` for kinds without an owner of their own.
fn owned_object(
    entry: &TocEntry,
    drop: &str,
    quoting: Quoting,
) -> Result<Option<String>, StatementError> {
    let named = || match &entry.namespace {
        Some(namespace) => format!("{} {}", entry.desc, quoting.qualified(namespace, &entry.tag)),
        None => format!("{} {}", entry.desc, quoting.identifier(&entry.tag)),
    };
    Ok(match entry.desc.as_str() {
        "COLLATION"
        | "CONVERSION"
        | "DOMAIN"
        | "FOREIGN TABLE"
        | "MATERIALIZED VIEW"
        | "SEQUENCE"
        | "STATISTICS"
        | "TABLE"
        | "TEXT SEARCH DICTIONARY"
        | "TEXT SEARCH CONFIGURATION"
        | "TYPE"
        | "VIEW"
        | "DATABASE"
        | "PROCEDURAL LANGUAGE"
        | "SCHEMA"
        | "EVENT TRIGGER"
        | "FOREIGN DATA WRAPPER"
        | "SERVER"
        | "PUBLICATION"
        | "SUBSCRIPTION" => Some(named()),
        "BLOB" => Some(format!("LARGE OBJECT {}", entry.tag)),
        // Their tags do not say enough; the drop statement holds the whole signature.
        "AGGREGATE" | "FUNCTION" | "PROCEDURE" | "OPERATOR" | "OPERATOR CLASS"
        | "OPERATOR FAMILY" => {
            let signature = drop.strip_prefix("DROP ").unwrap_or(drop);
            Some(signature.trim_end_matches(['\n', ';']).to_owned())
        }
        "CAST"
        | "CHECK CONSTRAINT"
        | "CONSTRAINT"
        | "DATABASE PROPERTIES"
        | "DEFAULT"
        | "FK CONSTRAINT"
        | "INDEX"
        | "RULE"
        | "TRIGGER"
        | "ROW SECURITY"
        | "POLICY"
        | "USER MAPPING"
        | "BLOB METADATA" => None,
        unknown => return Err(StatementError::UnknownOwnedKind(unknown.to_owned())),
    })
}

/// Returns the statement that gives a partitioned table its access method, which CREATE TABLE could not.
pub fn partitioned_access_method(entry: &TocEntry) -> Option<String> {
    partitioned_access_method_quoted(entry, Quoting::WhenNeeded)
}

/// Returns [`partitioned_access_method`] with identifiers quoted as asked for.
pub(super) fn partitioned_access_method_quoted(
    entry: &TocEntry,
    quoting: Quoting,
) -> Option<String> {
    if entry.relkind != Some('p') {
        return None;
    }
    let method = entry.table_access_method.as_deref()?;
    let namespace = entry.namespace.as_deref()?;
    Some(format!(
        "ALTER TABLE {} SET ACCESS METHOD {};",
        quoting.qualified(namespace, &entry.tag),
        quoting.identifier(method)
    ))
}

/// Returns the definition as it is executed: under `--no-owner` a schema loses whatever stood beside its name.
pub fn definition(entry: &TocEntry, no_owner: bool) -> std::borrow::Cow<'_, str> {
    definition_quoted(entry, no_owner, Quoting::WhenNeeded)
}

/// Returns [`definition`] with identifiers quoted as asked for.
pub(super) fn definition_quoted(
    entry: &TocEntry,
    no_owner: bool,
    quoting: Quoting,
) -> std::borrow::Cow<'_, str> {
    if entry.desc == "SCHEMA"
        && no_owner
        && !entry.definition.starts_with("--")
        && !entry.definition.starts_with("CREATE SCHEMA IF NOT EXISTS ")
    {
        return format!("CREATE SCHEMA {};\n", quoting.identifier(&entry.tag)).into();
    }
    entry.definition.as_str().into()
}

/// Returns the statement that drops an entry's object, or `None` when nothing is to be dropped.
///
/// With `if_exists` the words IF EXISTS are put where they belong. The rewriting is textual, as in
/// pg_restore, because archives hold nothing but the text; a text in which the place is not found is
/// returned unchanged.
pub fn drop_statement(entry: &TocEntry, if_exists: bool) -> Option<String> {
    let drop = entry.drop_statement.as_deref().filter(|drop| !drop.is_empty())?;
    if !if_exists || drop.starts_with("--") {
        return Some(drop.to_owned());
    }
    if entry.desc.starts_with("BLOB") {
        return Some(unlink_if_exists(&entry.catalog_id.oid.to_string()));
    }
    let mut text = match drop.strip_prefix("ALTER TABLE ") {
        Some(rest) if !rest.starts_with("IF EXISTS") => format!("ALTER TABLE IF EXISTS {rest}"),
        _ => drop.to_owned(),
    };
    let unchanged = matches!(entry.desc.as_str(), "DEFAULT" | "DATABASE PROPERTIES")
        || text.starts_with("CREATE OR REPLACE VIEW");
    if !unchanged {
        let marker = match entry.desc.as_str() {
            "CONSTRAINT" | "CHECK CONSTRAINT" | "FK CONSTRAINT" => "DROP CONSTRAINT".to_owned(),
            desc => format!("DROP {desc}"),
        };
        if let Some(place) = text.find(&marker) {
            text.insert_str(place + marker.len(), " IF EXISTS");
        }
    }
    Some(text)
}

pub(crate) fn unlink_if_exists(oid: &str) -> String {
    format!(
        "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = '{oid}';\n"
    )
}

/// The session settings that entries bring with them, sent only when they change.
#[derive(Debug, Clone, Default)]
pub struct Switches {
    tablespace: Option<String>,
    access_method: Option<String>,
    search_path: Option<String>,
}

/// Which settings are left alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct SwitchOptions {
    /// `--no-tablespaces`.
    pub no_tablespaces: bool,
    /// `--no-table-access-method`.
    pub no_table_access_method: bool,
    /// The archive has no SEARCHPATH entry, so its definitions are not qualified (before 1.13).
    pub unqualified_definitions: bool,
    /// How identifiers are quoted.
    pub quoting: Quoting,
}

impl Switches {
    /// Forgets what was sent, as after a new connection.
    pub fn forget(&mut self) {
        *self = Switches::default();
    }

    /// Returns the SET statement that makes a schema the one of unqualified names, where that is needed.
    pub fn select_schema(&mut self, schema: &str, options: SwitchOptions) -> Option<String> {
        if !options.unqualified_definitions || self.search_path.as_deref() == Some(schema) {
            return None;
        }
        self.search_path = Some(schema.to_owned());
        let name = options.quoting.identifier(schema);
        let suffix = if schema == "pg_catalog" { "" } else { ", pg_catalog" };
        Some(format!("SET search_path = {name}{suffix};"))
    }

    /// Returns the SET statements that must come before an entry.
    pub fn before(&mut self, entry: &TocEntry, options: SwitchOptions) -> Vec<String> {
        let mut statements = Vec::new();
        if let Some(schema) = entry.namespace.as_deref().filter(|schema| !schema.is_empty()) {
            statements.extend(self.select_schema(schema, options));
        }
        if !options.no_tablespaces
            && let Some(tablespace) = &entry.tablespace
            && self.tablespace.as_ref() != Some(tablespace)
        {
            let value = match tablespace.as_str() {
                "" => "''".to_owned(),
                name => options.quoting.identifier(name),
            };
            statements.push(format!("SET default_tablespace = {value};"));
            self.tablespace = Some(tablespace.clone());
        }
        if !options.no_table_access_method
            && entry.relkind != Some('p')
            && let Some(method) = &entry.table_access_method
            && self.access_method.as_ref() != Some(method)
        {
            let name = options.quoting.identifier(method);
            statements.push(format!("SET default_table_access_method = {name};"));
            self.access_method = Some(method.clone());
        }
        statements
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DumpId;

    fn entry(desc: &str, tag: &str, drop: &str) -> TocEntry {
        let mut entry = TocEntry::new(DumpId(1), desc, tag);
        entry.drop_statement = Some(drop.to_owned());
        entry.owner = Some("Alice".to_owned());
        entry
    }

    #[test]
    fn owners_are_set_by_name_or_by_signature() {
        let mut table = entry("TABLE", "T 1", "DROP TABLE s.\"T 1\";\n");
        table.namespace = Some("s".into());
        assert_eq!(
            owner_statement(&table),
            Ok(Some("ALTER TABLE s.\"T 1\" OWNER TO \"Alice\";".into()))
        );
        let function = entry("FUNCTION", "f(integer)", "DROP FUNCTION s.f(a integer);\n");
        assert_eq!(
            owner_statement(&function),
            Ok(Some("ALTER FUNCTION s.f(a integer) OWNER TO \"Alice\";".into()))
        );
        assert_eq!(owner_statement(&entry("SEQUENCE", "identity_seq", "")), Ok(None));
        assert_eq!(owner_statement(&entry("INDEX", "i", "DROP INDEX s.i;\n")), Ok(None));
        assert!(owner_statement(&entry("MYSTERY", "m", "DROP MYSTERY m;\n")).is_err());
    }

    #[test]
    fn if_exists_goes_where_it_belongs() {
        let cases = [
            ("TABLE", "DROP TABLE s.t;\n", "DROP TABLE IF EXISTS s.t;\n"),
            (
                "CONSTRAINT",
                "ALTER TABLE ONLY s.t DROP CONSTRAINT c;\n",
                "ALTER TABLE IF EXISTS ONLY s.t DROP CONSTRAINT IF EXISTS c;\n",
            ),
            (
                "DEFAULT",
                "ALTER TABLE s.t ALTER COLUMN c DROP DEFAULT;\n",
                "ALTER TABLE IF EXISTS s.t ALTER COLUMN c DROP DEFAULT;\n",
            ),
            (
                "CHECK CONSTRAINT",
                "ALTER DOMAIN s.d DROP CONSTRAINT c;\n",
                "ALTER DOMAIN s.d DROP CONSTRAINT IF EXISTS c;\n",
            ),
            ("SCHEMA", "-- *not* dropping schema\n", "-- *not* dropping schema\n"),
            ("RULE", "CREATE OR REPLACE VIEW s.v AS\n", "CREATE OR REPLACE VIEW s.v AS\n"),
        ];
        for (desc, text, expected) in cases {
            assert_eq!(drop_statement(&entry(desc, "x", text), true).as_deref(), Some(expected));
            assert_eq!(drop_statement(&entry(desc, "x", text), false).as_deref(), Some(text));
        }
        assert_eq!(drop_statement(&entry("SEQUENCE", "x", ""), true), None);
    }

    #[test]
    fn settings_are_sent_only_when_they_change() {
        let mut switches = Switches::default();
        let mut table = entry("TABLE", "t", "DROP TABLE t;\n");
        table.tablespace = Some(String::new());
        table.table_access_method = Some("heap".into());
        let options = SwitchOptions::default();
        assert_eq!(
            switches.before(&table, options),
            ["SET default_tablespace = '';", "SET default_table_access_method = heap;"]
        );
        assert!(switches.before(&table, options).is_empty());
        table.tablespace = Some("Fast".into());
        assert_eq!(switches.before(&table, options), ["SET default_tablespace = \"Fast\";"]);
    }
}
