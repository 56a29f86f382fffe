//! Names of types by oid, asked for in sets and remembered.
//!
//! Functions, aggregates, operators and casts name types that may be any in the database. Asking for
//! the names of all types would cost two rows per table, so every kind asks for those it met.

use std::collections::BTreeSet;

use super::{Reader, inconsistent};
use crate::error::Result;
use crate::model::Oid;

/// The names of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeName {
    /// `format_type(oid, NULL)`: qualified unless the type lives in `pg_catalog`.
    pub(crate) sql: String,
    /// The raw name of its schema.
    pub(crate) schema: String,
    /// `typname`.
    pub(crate) name: String,
}

/// Schema and name of a type, by which overloaded functions are sorted.
type SortKey = (String, String);

impl Reader<'_> {
    /// Asks for the names of those types that are not known yet.
    pub(crate) async fn load_type_names(
        &mut self,
        oids: impl IntoIterator<Item = Oid>,
    ) -> Result<()> {
        let missing: BTreeSet<Oid> = oids
            .into_iter()
            .filter(|oid| !oid.is_zero() && !self.type_names.contains_key(oid))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "select t.oid, pg_catalog.format_type(t.oid, null) as sql_name, n.nspname, t.typname
                from pg_catalog.pg_type t
                join pg_catalog.pg_namespace n on n.oid = t.typnamespace
                where t.oid = any ({})",
            oid_array(missing)
        );
        for row in self.session.query("read names of types", &sql).await?.iter() {
            let name = TypeName {
                sql: row.text("sql_name")?.to_owned(),
                schema: row.text("nspname")?.to_owned(),
                name: row.text("typname")?.to_owned(),
            };
            self.type_names.insert(row.oid("oid")?, name);
        }
        Ok(())
    }

    /// Returns the names of a type that was asked for before.
    ///
    /// # Errors
    ///
    /// When there is no such type.
    pub(crate) fn type_name(&self, oid: Oid) -> Result<&TypeName> {
        self.type_names
            .get(&oid)
            .ok_or_else(|| inconsistent(format!("type with oid {oid} does not exist")))
    }

    /// Returns the names of several types, as texts and as sort keys.
    pub(crate) fn argument_names(&self, oids: &[Oid]) -> Result<(Vec<String>, Vec<SortKey>)> {
        let mut texts = Vec::with_capacity(oids.len());
        let mut keys = Vec::with_capacity(oids.len());
        for &oid in oids {
            let name = self.type_name(oid)?;
            texts.push(name.sql.clone());
            keys.push((name.schema.clone(), name.name.clone()));
        }
        Ok((texts, keys))
    }
}

/// Returns oids as an array constant for a query.
pub(crate) fn oid_array(oids: impl IntoIterator<Item = Oid>) -> String {
    let list: Vec<String> = oids.into_iter().map(|oid| oid.to_string()).collect();
    format!("'{{{}}}'::pg_catalog.oid[]", list.join(","))
}

/// Reads an `oidvector` (`23 25`) or an array of oids (`{23,25}`).
pub(crate) fn parse_oids(text: &str) -> Result<Vec<Oid>> {
    text.split([' ', ',', '{', '}'])
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.parse()
                .map(Oid)
                .map_err(|_| inconsistent(format!("\"{text}\" is no list of oids")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oid_lists_are_read_in_both_forms() {
        for text in ["23 25", "{23,25}"] {
            assert_eq!(parse_oids(text).expect("valid"), [Oid(23), Oid(25)]);
        }
        assert_eq!(parse_oids("").expect("valid"), []);
        assert!(parse_oids("23 x").is_err());
        assert_eq!(oid_array([Oid(1), Oid(2)]), "'{1,2}'::pg_catalog.oid[]");
    }
}
