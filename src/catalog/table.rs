//! Relations of every sort, from `pg_class` (`getTables`, `getOwnedSeqs` in `pg_dump.c`).

use super::{Found, Reader, inconsistent, oid_array, relation_statistics};
use crate::connect::Row;
use crate::error::Result;
use crate::model::sequence::OwningColumn;
use crate::model::table::{ForeignTable, Table};
use crate::model::{Components, DumpId, Kind, Oid};
use crate::sql::parse_options;

/// All relations that are dumped or that others depend on; ordered because the order decides which
/// dependency loop is found first.
pub(super) fn relations(reader: &Reader<'_>) -> String {
    let statistics = relation_statistics::columns(reader.options.statistics, reader.version(), "c");
    format!(
        "select c.tableoid, c.oid, c.relname, c.relnamespace, c.relkind, c.relowner,
        c.relacl,
        case when c.relacl is not null or c.oid in (
                select objoid from pg_catalog.pg_init_privs
                where classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and objsubid = 0)
            then pg_catalog.acldefault(
                case when c.relkind = 'S' then 's'::\"char\" else 'r'::\"char\" end, c.relowner)
            end as acldefault,
        c.relpersistence, c.relispopulated, c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
        c.relhasindex, c.relhasrules, c.relhastriggers, c.relchecks, c.relispartition,
        array_remove(array_remove(c.reloptions, 'check_option=local'), 'check_option=cascaded') as reloptions,
        case when 'check_option=local' = any (c.reloptions) then 'LOCAL'
            when 'check_option=cascaded' = any (c.reloptions) then 'CASCADED' end as check_option,
        c.relpages{statistics}, tc.relpages as toast_pages, tc.reloptions as toast_reloptions,
        s.spcname, am.amname, d.refobjid as owning_table, d.refobjsubid as owning_column,
        d.deptype = 'i' as is_identity, ft.ftserver
    from pg_catalog.pg_class c
    left join pg_catalog.pg_depend d on c.relkind = 'S'
        and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.objsubid = 0
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype in ('a', 'i')
    left join pg_catalog.pg_class tc on tc.oid = c.reltoastrelid and tc.relkind = 't' and c.relkind <> 'p'
    left join pg_catalog.pg_tablespace s on s.oid = c.reltablespace
    left join pg_catalog.pg_am am on am.oid = c.relam
    left join pg_catalog.pg_foreign_table ft on ft.ftrelid = c.oid
    where c.relkind in ('r', 'S', 'v', 'c', 'm', 'f', 'p')
    order by c.oid"
    )
}

pub(super) async fn read_tables(reader: &mut Reader<'_>) -> Result<()> {
    let sql = relations(reader);
    let rows = reader.ask("read relations", &sql).await?;
    reader.database.expect(rows.len());
    for row in rows.iter() {
        let found = Found::new(&row, "relname")?
            .in_schema(&row, "relnamespace")?
            .owned(&row, "relowner")?
            .with_acl(&row, "relacl")?;
        let oid = found.catalog_id.oid;
        let mut table = table(&row, &found.name)?;
        table.prints_all_columns = reader.options.binary_upgrade;
        // The relation behind a composite type is known only for its dependencies.
        let wanted = if table.relkind == 'c' {
            Components::empty()
        } else {
            reader.selection.table(oid, reader.wanted_in_schema(row.oid("relnamespace")?)?)
        };
        let relkind = table.relkind;
        let id = reader.add(found, wanted, Kind::Table(Box::new(table)))?;
        let object = reader.database.object_mut(id);
        object.available |= Components::DATA;
        if relkind == 'c' {
            object.wanted = Components::empty();
        }
        let details = Components::DEFINITION | Components::DATA | Components::STATISTICS;
        if object.wanted.intersects(details) {
            mark_interesting(reader, id);
            let statistics = relation_statistics::add(reader, &row, id, relkind, None)?;
            if let Some(table) = reader.database.table_mut(id) {
                table.statistics = statistics;
            }
        }
        reader.tables.insert(oid, id);
    }
    select_owned_sequences(reader)
}

/// Remembers that the columns, indexes and constraints of a relation are to be read.
pub(super) fn mark_interesting(reader: &mut Reader<'_>, id: DumpId) {
    if let Some(table) = reader.database.table_mut(id) {
        table.interesting = true;
    }
}

fn table(row: &Row<'_>, name: &str) -> Result<Table> {
    let options = |column: &str| match row.optional(column) {
        None => Ok(Vec::new()),
        Some(text) => parse_options(text)
            .ok_or_else(|| inconsistent(format!("relation {name} has malformed options"))),
    };
    let owned_by = match row.optional("owning_table") {
        None => None,
        Some(_) => Some(OwningColumn {
            table: row.oid("owning_table")?,
            column: row.integer("owning_column")?,
            identity: row.boolean("is_identity")?,
        }),
    };
    let foreign = match row.optional("ftserver") {
        None => None,
        Some(_) => Some(ForeignTable { server_oid: row.oid("ftserver")?, ..Default::default() }),
    };
    Ok(Table {
        relkind: row.character("relkind")?,
        persistence: row.character("relpersistence")?,
        populated: row.boolean("relispopulated")?,
        replica_identity: row.character("relreplident")?,
        row_security: row.boolean("relrowsecurity")?,
        force_row_security: row.boolean("relforcerowsecurity")?,
        has_indexes: row.boolean("relhasindex")?,
        has_rules: row.boolean("relhasrules")?,
        has_triggers: row.boolean("relhastriggers")?,
        check_count: row.integer("relchecks")?,
        is_partition: row.boolean("relispartition")?,
        options: options("reloptions")?,
        toast_options: options("toast_reloptions")?,
        check_option: row.optional("check_option").map(str::to_owned),
        tablespace: row.optional("spcname").unwrap_or_default().to_owned(),
        access_method: row.optional("amname").map(str::to_owned),
        pages: pages(row.integer("relpages")?),
        toast_pages: match row.optional("toast_pages") {
            None => 0,
            Some(_) => pages(row.integer("toast_pages")?),
        },
        owned_by,
        foreign,
        ..Table::default()
    })
}

/// `relpages` is stored signed and counts unsigned; -1 stands for "unknown" on partitioned tables.
fn pages(relpages: i32) -> u32 {
    if relpages == -1 { 0 } else { relpages.cast_unsigned() }
}

/// Lets the selection of a table decide about the sequences that its columns own.
///
/// A sequence of an identity column is part of its table and shares its fate; one that a serial column
/// owns follows its table in addition to what is wanted of itself.
fn select_owned_sequences(reader: &mut Reader<'_>) -> Result<()> {
    let owned: Vec<(DumpId, OwningColumn)> = reader
        .database
        .objects()
        .iter()
        .filter_map(|object| match &object.kind {
            Kind::Table(table) => table.owned_by.map(|owner| (object.id, owner)),
            _ => None,
        })
        .collect();
    for (sequence, owner) in owned {
        let Some(&table) = reader.tables.get(&owner.table) else {
            return Err(inconsistent(format!(
                "sequence {} is owned by relation {}, which does not exist",
                reader.database.object(sequence).name,
                owner.table
            )));
        };
        let by_table = reader.database.object(table).wanted;
        let object = reader.database.object_mut(sequence);
        if owner.identity {
            object.wanted = by_table;
        } else {
            object.wanted |= by_table;
        }
        if !object.wanted.is_empty() {
            mark_interesting(reader, sequence);
            mark_interesting(reader, table);
        }
    }
    Ok(())
}

/// Texts that the server makes of a relation; only for relations whose definition is written, because
/// they must be locked.
fn definitions(oids: &str) -> String {
    format!(
        "select c.oid,
            case when c.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(c.oid) end as view_definition,
            case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end as partition_key,
            case when c.relispartition then pg_catalog.pg_get_expr(c.relpartbound, c.oid) end as partition_bound,
            case when c.reloftype <> 0 then pg_catalog.format_type(c.reloftype, null) end as of_type,
            fs.srvname,
            pg_catalog.array_to_string(array(
                select pg_catalog.quote_ident(option_name) || ' ' || pg_catalog.quote_literal(option_value)
                from pg_catalog.pg_options_to_table(ft.ftoptions)
                order by option_name), E',\\n    ') as foreign_options
        from pg_catalog.unnest({oids}) as wanted(oid)
        join pg_catalog.pg_class c on c.oid = wanted.oid
        left join pg_catalog.pg_foreign_table ft on ft.ftrelid = c.oid
        left join pg_catalog.pg_foreign_server fs on fs.oid = ft.ftserver
        where c.relkind in ('v', 'm', 'p', 'f') or c.relispartition or c.reloftype <> 0"
    )
}

/// Reads what only some relations have: queries of views, partitioning, row types, foreign servers.
pub(super) async fn read_definitions(reader: &mut Reader<'_>) -> Result<()> {
    let Some(sql) = definition_question(reader) else { return Ok(()) };
    let rows = reader.ask("read definitions of relations", &sql).await?;
    for row in rows.iter() {
        let oid = row.oid("oid")?;
        let Some(&id) = reader.tables.get(&oid) else { continue };
        let name = reader.database.object(id).name.clone();
        let Some(table) = reader.database.table_mut(id) else { continue };
        let text = |column: &str| row.optional(column).map(str::to_owned);
        table.view_definition = text("view_definition");
        table.partition_key = text("partition_key");
        table.partition_bound = text("partition_bound");
        table.of_type = text("of_type");
        if let Some(foreign) = &mut table.foreign {
            foreign.server = text("srvname").unwrap_or_default();
            foreign.options = text("foreign_options").unwrap_or_default();
        }
        let is_view = matches!(table.relkind, 'v' | 'm');
        if is_view && table.view_definition.as_deref().is_none_or(str::is_empty) {
            return Err(inconsistent(format!("the definition of view {name} is empty")));
        }
        if table.is_partition && table.partition_bound.is_none() {
            return Err(inconsistent(format!("partition {name} has no bound")));
        }
    }
    Ok(())
}

/// Returns the question about what only some relations have, if any relation is of interest.
pub(super) fn definition_question(reader: &Reader<'_>) -> Option<String> {
    if !reader.options.schema {
        return None;
    }
    let oids: Vec<Oid> = reader
        .database
        .objects()
        .iter()
        .filter(|object| object.wanted.contains(Components::DEFINITION))
        .filter(|object| matches!(&object.kind, Kind::Table(table) if table.relkind != 'S'))
        .map(|object| object.catalog_id.oid)
        .collect();
    (!oids.is_empty()).then(|| definitions(&oid_array(oids)))
}
