//! Which relations a dump will need, asked before anything is locked: to know what to lock and to
//! refuse at once, with every reason, what cannot be read completely.

use std::collections::{BTreeMap, BTreeSet};

use super::{KeeperOptions, Unreadable};
use crate::catalog::{CatalogOptions, resolve_selection};
use crate::connect::{Row, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Components, Oid};
use crate::select::Selection;
use crate::sql::{qualified, quote_identifier};

/// Returns the question for every relation that may have to be locked or whose rows or value may be read. Of the
/// members of an extension only its configuration tables are listed: of the others only privileges are dumped.
///
/// A privilege that is null belongs to a relation that has just been dropped. Privileges cost more than all
/// the rest, so they are asked for where somebody looks at them: always for members of extensions, because what
/// may not be read of them is not locked. Nothing else is looked at of a sequence.
fn question(with_privileges: bool) -> String {
    let (asked, kinds) = match with_privileges {
        true => ("true", "'r', 'p', 'S'"),
        false => ("e.oid is not null", "'r', 'p'"),
    };
    format!(
        "select c.oid::pg_catalog.int4, c.relname, c.relkind, n.oid as namespace, n.nspname, n.nspowner,
        case when {asked} then coalesce(pg_catalog.has_schema_privilege(n.oid, 'usage'), true)
            else true end as schema_usage,
        case when {asked} then coalesce(case c.relkind
            when 'S' then pg_catalog.has_sequence_privilege(c.oid, 'select')
            else pg_catalog.has_table_privilege(c.oid, 'select') end, true)
            else true end as selectable,
        {asked} and c.relrowsecurity and c.relkind = 'r' and pg_catalog.row_security_active(c.oid)
            and pg_catalog.current_setting('row_security') = 'off' as rows_hidden,
        e.oid as extension
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.objid = c.oid and d.objsubid = 0 and d.deptype = 'e'
        and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
    left join pg_catalog.pg_extension e on e.oid = d.refobjid
    where c.relkind in ({kinds}) and c.relpersistence <> 't'
      and (e.oid is null or c.oid = any (e.extconfig))
    order by c.oid"
    )
}

/// What the list of relations is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To lock what is wanted, and to refuse what cannot be read.
    Lock,
    /// To see whether it is still the same under the locks.
    Compare,
}

/// The state of the relations at one moment, as far as the dump cares.
#[derive(Debug)]
pub(super) struct Candidates {
    /// The patterns of the request, resolved.
    pub(super) selection: Selection,
    /// The tables to lock: their oid and their name.
    pub(super) tables: BTreeMap<Oid, TableName>,
    /// What is in the way of a complete dump.
    obstacles: Obstacles,
}

/// The name of a relation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// The raw name of its schema.
    pub schema: String,
    /// Its raw name.
    pub name: String,
}

impl TableName {
    /// Returns the name as SQL text.
    pub fn sql(&self) -> String {
        qualified(&self.schema, &self.name)
    }
}

impl Candidates {
    /// Resolves the request and reads the relations that it wants.
    ///
    /// The session's own `search_path` is in force while patterns are resolved, because a pattern
    /// without a schema means what is visible there; afterwards it is empty again.
    pub(super) async fn read(
        session: &Session,
        options: &KeeperOptions,
        purpose: Purpose,
    ) -> Result<Candidates> {
        session.execute("restore the search path", "reset search_path").await?;
        let database =
            session.query("ask for the database", "select current_database() as name").await?;
        let database = database.single()?.text("name")?;
        let selection =
            resolve_selection(session, database, &options.request, options.pattern_encoding)
                .await?;
        let empty = "select pg_catalog.set_config('search_path', '', false)";
        session.execute("empty the search path", empty).await?;
        let with_privileges = purpose == Purpose::Lock && options.unreadable == Unreadable::Refuse;
        let rows = session.query("read the list of tables", &question(with_privileges)).await?;
        let mut candidates =
            Candidates { selection, tables: BTreeMap::new(), obstacles: Obstacles::default() };
        for row in &rows {
            candidates.add(row, &options.catalog)?;
        }
        Ok(candidates)
    }

    fn add(&mut self, row: Row<'_>, options: &CatalogOptions) -> Result<()> {
        let oid = row.oid("oid")?;
        let schema = row.text("nspname")?;
        let decision = self.selection.schema(row.oid("namespace")?, schema, row.oid("nspowner")?);
        let mut wanted = self.selection.table(oid, decision.contents);
        if !options.data || self.selection.excludes_data_of(oid) {
            wanted.remove(Components::DATA);
        }
        let locked = Components::DEFINITION | Components::DATA | Components::POLICY;
        let name = TableName { schema: schema.to_owned(), name: row.text("relname")?.to_owned() };
        let is_sequence = row.character("relkind")? == 'S';
        if row.optional("extension").is_some() {
            // Whether its rows are wanted is decided when the catalogs are read, and then what stands
            // in the way is told. Here it is only locked in time.
            let extension = self.selection.extension(row.oid("extension")?);
            let readable = row.boolean("selectable")? && row.boolean("schema_usage")?;
            if options.data && extension.contains(Components::DATA) && readable && !is_sequence {
                self.tables.insert(oid, name);
            }
            return Ok(());
        }
        if !wanted.intersects(if is_sequence { Components::DATA } else { locked }) {
            return Ok(());
        }
        let obstacles = &mut self.obstacles;
        if !row.boolean("schema_usage")? {
            obstacles.schemas.insert(schema.to_owned());
        }
        if !row.boolean("selectable")? {
            let list = if is_sequence { &mut obstacles.sequences } else { &mut obstacles.tables };
            list.insert(name.clone());
        }
        if wanted.contains(Components::DATA) && row.boolean("rows_hidden")? {
            obstacles.row_security.insert(name.clone());
        }
        if !is_sequence {
            self.tables.insert(oid, name);
        }
        Ok(())
    }

    /// Returns an error that names everything that keeps the dump from being complete.
    pub(super) async fn refuse_if_incomplete(&self, session: &Session) -> Result<()> {
        self.obstacles.refuse(session).await
    }
}

/// What a role may not see.
#[derive(Debug, Default)]
pub struct Obstacles {
    schemas: BTreeSet<String>,
    tables: BTreeSet<TableName>,
    sequences: BTreeSet<TableName>,
    row_security: BTreeSet<TableName>,
}

impl Obstacles {
    /// Asks about relations whose rows are wanted and that the list before the locks did not cover.
    pub async fn of_relations(session: &Session, oids: &[Oid]) -> Result<Obstacles> {
        let mut obstacles = Obstacles::default();
        if oids.is_empty() {
            return Ok(obstacles);
        }
        let list = oids.iter().map(Oid::to_string).collect::<Vec<_>>().join(",");
        let query = format!(
            "select n.nspname, c.relname, c.relkind,
                coalesce(pg_catalog.has_schema_privilege(n.oid, 'usage'), true) as schema_usage,
                coalesce(pg_catalog.has_table_privilege(c.oid, 'select'), true) as selectable,
                c.relrowsecurity and c.relkind = 'r' and pg_catalog.row_security_active(c.oid)
                    and pg_catalog.current_setting('row_security') = 'off' as rows_hidden
            from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where c.oid = any ('{{{list}}}'::pg_catalog.oid[])"
        );
        for row in &session.query("check the privileges on table data", &query).await? {
            let name = TableName {
                schema: row.text("nspname")?.to_owned(),
                name: row.text("relname")?.to_owned(),
            };
            if !row.boolean("schema_usage")? {
                obstacles.schemas.insert(name.schema.clone());
            }
            if row.boolean("rows_hidden")? {
                obstacles.row_security.insert(name.clone());
            }
            if !row.boolean("selectable")? {
                let sequence = row.character("relkind")? == 'S';
                let list = if sequence { &mut obstacles.sequences } else { &mut obstacles.tables };
                list.insert(name);
            }
        }
        Ok(obstacles)
    }

    fn is_empty(&self) -> bool {
        self.schemas.is_empty()
            && self.tables.is_empty()
            && self.sequences.is_empty()
            && self.row_security.is_empty()
    }

    /// Returns an error that names all obstacles and the statements that remove them, if there are any.
    pub async fn refuse(&self, session: &Session) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let rows = session.query("ask for the role", "select current_user as name").await?;
        Err(self.error(rows.single()?.text("name")?))
    }

    fn error(&self, role: &str) -> Error {
        let mut reasons = Vec::new();
        let mut remedies = Vec::new();
        let quoted_role = quote_identifier(role);
        let names = |list: &BTreeSet<TableName>| {
            list.iter().map(TableName::sql).collect::<Vec<_>>().join(", ")
        };
        if !self.schemas.is_empty() {
            let list = self
                .schemas
                .iter()
                .map(|name| quote_identifier(name))
                .collect::<Vec<_>>()
                .join(", ");
            reasons.push(format!("no USAGE privilege on the schemas {list}"));
            remedies.push(format!("GRANT USAGE ON SCHEMA {list} TO {quoted_role};"));
        }
        if !self.tables.is_empty() {
            let list = names(&self.tables);
            reasons.push(format!("no SELECT privilege on the tables {list}"));
            remedies.push(format!("GRANT SELECT ON TABLE {list} TO {quoted_role};"));
        }
        if !self.sequences.is_empty() {
            let list = names(&self.sequences);
            reasons.push(format!("no SELECT privilege on the sequences {list}"));
            remedies.push(format!("GRANT SELECT ON SEQUENCE {list} TO {quoted_role};"));
        }
        if !self.row_security.is_empty() {
            let list = names(&self.row_security);
            reasons.push(format!("row security may hide rows of the tables {list}"));
            remedies.push(format!("ALTER ROLE {quoted_role} BYPASSRLS;"));
        }
        let error = Error::new(
            ErrorKind::Refused,
            format!(
                "the role {quoted_role} cannot read everything that was asked for: {}",
                reasons.join("; ")
            ),
        )
        .with_hint(format!("an administrator can allow it: {}", remedies.join(" ")));
        if self.row_security.is_empty() {
            error.with_hint("or leave the tables out with --exclude-table")
        } else {
            error.with_hint("or leave the rows out with --exclude-table-data")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: &str, name: &str) -> TableName {
        TableName { schema: schema.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_refusal_names_everything_and_the_remedy() {
        let obstacles = Obstacles {
            schemas: BTreeSet::from(["Sales".to_owned()]),
            tables: BTreeSet::from([name("Sales", "order"), name("public", "a")]),
            sequences: BTreeSet::new(),
            row_security: BTreeSet::from([name("public", "b")]),
        };
        let error = obstacles.error("App");
        assert_eq!(
            error.message(),
            "the role \"App\" cannot read everything that was asked for: no USAGE privilege on the \
             schemas \"Sales\"; no SELECT privilege on the tables \"Sales\".\"order\", public.a; row \
             security may hide rows of the tables public.b"
        );
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(
            error.hints()[0],
            "an administrator can allow it: GRANT USAGE ON SCHEMA \"Sales\" TO \"App\"; GRANT SELECT ON \
             TABLE \"Sales\".\"order\", public.a TO \"App\"; ALTER ROLE \"App\" BYPASSRLS;"
        );
    }
}
