//! What follows the CREATE of a relation until its columns, constraints and parents are what they were.
//!
//! Rows are copied as files, so every column must get the number it has: the CREATE names all of them, in their
//! order, and what is inherited or dropped is made so afterwards (`dumpTableSchema` in `pg_dump.c`).

use super::set_horizon;
use crate::ddl::Writer;
use crate::model::binary_upgrade::BinaryUpgrade;
use crate::model::table::Table;
use crate::model::{Kind, Object, Oid};

/// Returns what follows the CREATE of a table or materialized view until it is what it was.
pub(in crate::ddl) fn relation(
    writer: &Writer<'_>,
    upgrade: &BinaryUpgrade,
    object: &Object,
    table: &Table,
) -> String {
    let qualified = writer.qualified(object);
    let relation = Relation {
        writer,
        upgrade,
        oid: object.catalog_id.oid,
        table,
        regclass: format!("{}::pg_catalog.regclass", writer.literal(&qualified)),
        alter: format!(
            "ALTER {}TABLE ONLY {qualified}",
            if table.relkind == 'f' { "FOREIGN " } else { "" }
        ),
        name: qualified,
    };
    let mut text = relation.missing_values();
    if matches!(table.relkind, 'r' | 'f' | 'p') {
        text.push_str(&relation.dropped_columns());
        text.push_str(&relation.inherited_columns());
        text.push_str(&relation.inherited_not_nulls());
        text.push_str(&relation.inherited_checks());
        text.push_str(&relation.parents());
        if let Some(of_type) = &table.of_type {
            text.push_str(&format!(
                "\n-- For binary upgrade, set up typed tables this way.\n\
                 ALTER TABLE ONLY {} OF {of_type};\n",
                relation.name
            ));
        }
    }
    if matches!(table.relkind, 'r' | 'm') {
        text.push_str(&relation.horizons());
    }
    if table.relkind == 'm' && table.populated {
        text.push_str(&format!(
            "\n-- For binary upgrade, mark materialized view as populated\n\
             UPDATE pg_catalog.pg_class\nSET relispopulated = 't'\nWHERE oid = {};\n",
            relation.regclass
        ));
    }
    text
}

/// A table whose CREATE named every column, dropped and inherited ones too, and no parents.
struct Relation<'a> {
    writer: &'a Writer<'a>,
    upgrade: &'a BinaryUpgrade,
    oid: Oid,
    table: &'a Table,
    name: String,
    regclass: String,
    alter: String,
}

impl Relation<'_> {
    fn missing_values(&self) -> String {
        let columns = self.upgrade.columns.get(&self.oid).map_or(&[][..], Vec::as_slice);
        columns
            .iter()
            .filter_map(|column| {
                let value = self.writer.literal(column.missing_value.as_deref()?);
                let name = self.writer.literal(&column.name);
                Some(format!(
                    "\n-- set missing value.\n\
                     SELECT pg_catalog.binary_upgrade_set_missing_value({},{name},{value});\n\n",
                    self.regclass
                ))
            })
            .collect()
    }

    /// One UPDATE for all: each would have the server read the whole table definition again.
    fn dropped_columns(&self) -> String {
        let dropped: Vec<_> = self
            .upgrade
            .columns
            .get(&self.oid)
            .into_iter()
            .flatten()
            .filter(|column| column.dropped)
            .collect();
        if dropped.is_empty() {
            return String::new();
        }
        let values: Vec<String> = dropped
            .iter()
            .map(|column| {
                let name = self.writer.literal(&column.name);
                format!("({name}, {}, '{}')", column.length, column.alignment)
            })
            .collect();
        let drops: String = dropped
            .iter()
            .map(|column| {
                format!("{} DROP COLUMN {};\n", self.alter, self.writer.identifier(&column.name))
            })
            .collect();
        format!(
            "\n-- For binary upgrade, recreate dropped columns.\n\
             UPDATE pg_catalog.pg_attribute\n\
             SET attlen = v.dlen, attalign = v.dalign, attbyval = false\n\
             FROM (VALUES {}) v(dname, dlen, dalign)\n\
             WHERE attrelid = {}\n  AND attname = v.dname;\n{drops}",
            values.join(",\n             "),
            self.regclass
        )
    }

    fn inherited_columns(&self) -> String {
        let columns = self.table.columns.iter().filter(|column| !column.dropped && !column.local);
        let names: Vec<String> = columns.map(|column| self.writer.literal(&column.name)).collect();
        if names.is_empty() {
            return String::new();
        }
        format!(
            "\n-- For binary upgrade, recreate inherited columns.\n\
             UPDATE pg_catalog.pg_attribute\nSET attislocal = false\n\
             WHERE attrelid = {}\n  AND attname IN ({});\n",
            self.regclass,
            names.join(", ")
        )
    }

    fn inherited_not_nulls(&self) -> String {
        let (mut names, mut numbers) = (Vec::new(), Vec::new());
        for column in &self.table.columns {
            let Some(not_null) = column.not_null.as_ref().filter(|not_null| !not_null.local) else {
                continue;
            };
            match &not_null.name {
                Some(name) => names.push(self.writer.literal(name)),
                // Servers before 18 have no name for it.
                None => numbers.push(format!("'{{{}}}'", column.number)),
            }
        }
        [("conname", names), ("conkey", numbers)]
            .into_iter()
            .filter(|(_, which)| !which.is_empty())
            .map(|(column, which)| {
                format!(
                    "UPDATE pg_catalog.pg_constraint\nSET conislocal = false\n\
                     WHERE contype = 'n' AND conrelid = {} AND\n{column} IN ({});\n",
                    self.regclass,
                    which.join(", ")
                )
            })
            .collect()
    }

    fn inherited_checks(&self) -> String {
        if self.table.is_partition {
            return String::new();
        }
        let mut text = String::new();
        let mut names = Vec::new();
        for &id in &self.table.checks {
            let object = self.writer.database.object(id);
            let Kind::Constraint(check) = &object.kind else { continue };
            if check.separate || check.local {
                continue;
            }
            if names.is_empty() {
                text.push_str("\n-- For binary upgrade, set up inherited constraints.\n");
            }
            text.push_str(&format!(
                "{} ADD CONSTRAINT {} {};\n",
                self.alter,
                self.writer.identifier(&object.name),
                check.definition
            ));
            names.push(self.writer.literal(&object.name));
        }
        if !names.is_empty() {
            text.push_str(&format!(
                "UPDATE pg_catalog.pg_constraint\nSET conislocal = false\n\
                 WHERE contype = 'c' AND conrelid = {}\n  AND conname IN ({});\n",
                self.regclass,
                names.join(", ")
            ));
        }
        text
    }

    fn parents(&self) -> String {
        if self.table.parents.is_empty() || self.table.is_partition {
            return String::new();
        }
        let inherit = self.table.parents.iter().map(|&parent| {
            let parent = self.writer.qualified(self.writer.database.object(parent));
            format!("{} INHERIT {parent};\n", self.alter)
        });
        let heading = "\n-- For binary upgrade, set up inheritance this way.\n".to_owned();
        std::iter::once(heading).chain(inherit).collect()
    }

    fn horizons(&self) -> String {
        let Some(storage) = self.upgrade.relations.get(&self.oid) else { return String::new() };
        let mut text = format!(
            "\n-- For binary upgrade, set heap's relfrozenxid and relminmxid\n{}",
            set_horizon(storage.horizon, &self.regclass)
        );
        if let Some(toast) = &storage.toast {
            text.push_str(&format!(
                "\n-- For binary upgrade, set toast's relfrozenxid and relminmxid\n{}",
                set_horizon(toast.horizon, &format!("'{}'", toast.oid))
            ));
        }
        text
    }
}
