//! Patterns resolved to oids by the server (`expand_*_name_patterns` in `pg_dump.c`).

use std::collections::HashSet;

use crate::connect::Session;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::model::Oid;
use crate::select::{
    Pattern, PatternError, PatternShape, Selection, SelectionRequest, TablePattern,
};
use crate::sql::{quote_literal_for_server, text};

/// The encoding in which the patterns of a request were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PatternEncoding {
    /// UTF-8, which is what pgark reads from a command line or a manifest.
    #[default]
    Utf8,
    /// That of the session, whatever it is: what pg_dump assumes. In a session that is not in UTF-8 a pattern
    /// typed on a terminal that is finds nothing then.
    OfSession,
}

/// Asks the server which objects the patterns of a request match.
///
/// Must run with the session's own `search_path`, because a pattern without a schema matches what is
/// visible there; it is set empty only afterwards.
///
/// # Errors
///
/// [`ErrorKind::Usage`] for a pattern that is not one, [`ErrorKind::NotFound`] when include patterns
/// match nothing: all of one kind together, or with `strict_names` each.
pub async fn resolve_selection(
    session: &Session,
    database: &str,
    request: &SelectionRequest,
    encoding: PatternEncoding,
) -> Result<Selection> {
    let writer = PatternWriter::new(session, encoding);
    let resolver = Resolver { session, database, writer, strict: request.strict_names };
    let schemas = resolver.schemas(&request.schemas, Missing::Fails).await?;
    let tables = resolver.tables(&request.tables, Missing::Fails).await?;
    let listed = [&request.extensions[..], &request.filter_extensions[..]].concat();
    let extensions = resolver.extensions(&listed, Missing::Fails).await?;
    let some = |patterns: bool, oids| if patterns { None } else { Some(oids) };
    Ok(Selection {
        schemas: some(request.schemas.is_empty(), schemas),
        excluded_schemas: resolver.schemas(&request.exclude_schemas, Missing::IsFine).await?,
        tables: some(request.tables.is_empty(), tables),
        excluded_tables: resolver.tables(&request.exclude_tables, Missing::IsFine).await?,
        excluded_table_data: resolver.tables(&request.exclude_table_data, Missing::IsFine).await?,
        foreign_servers: resolver.foreign_servers(&request.foreign_servers).await?,
        extensions: some(listed.is_empty(), extensions),
        excluded_extensions: resolver
            .extensions(&request.exclude_extensions, Missing::IsFine)
            .await?,
        everything: request.is_everything(),
    })
}

/// Whether patterns that match nothing are an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Fails,
    IsFine,
}

struct Resolver<'a> {
    session: &'a Session,
    database: &'a str,
    writer: PatternWriter,
    strict: bool,
}

impl Resolver<'_> {
    async fn schemas(&self, patterns: &[String], missing: Missing) -> Result<HashSet<Oid>> {
        let mut queries = Vec::new();
        for text in patterns {
            let pattern = self.parse(text, PatternShape::Schema)?;
            queries.push((
                text.as_str(),
                format!(
                    "select oid from pg_catalog.pg_namespace where {}",
                    self.writer.matches("nspname", &pattern.name)
                ),
            ));
        }
        self.collect("schemas", queries, missing).await
    }

    async fn extensions(&self, patterns: &[String], missing: Missing) -> Result<HashSet<Oid>> {
        let mut queries = Vec::new();
        for text in patterns {
            let pattern = self.parse(text, PatternShape::Name)?;
            queries.push((
                text.as_str(),
                format!(
                    "select oid from pg_catalog.pg_extension where {}",
                    self.writer.matches("extname", &pattern.name)
                ),
            ));
        }
        self.collect("extensions", queries, missing).await
    }

    /// A pattern for servers must always match: nobody asks for rows that are elsewhere by chance.
    async fn foreign_servers(&self, patterns: &[String]) -> Result<HashSet<Oid>> {
        let mut queries = Vec::new();
        for text in patterns {
            let pattern = self.parse(text, PatternShape::Name)?;
            queries.push((
                text.as_str(),
                format!(
                    "select oid from pg_catalog.pg_foreign_server where {}",
                    self.writer.matches("srvname", &pattern.name)
                ),
            ));
        }
        let strict = Resolver { strict: true, ..*self };
        strict.collect("foreign servers", queries, Missing::Fails).await
    }

    async fn tables(&self, patterns: &[TablePattern], missing: Missing) -> Result<HashSet<Oid>> {
        let mut queries = Vec::new();
        for table in patterns {
            let pattern = self.parse(&table.text, PatternShape::Relation)?;
            let schema = match &pattern.schema {
                Some(schema) => self.writer.matches("n.nspname", schema),
                None => "pg_catalog.pg_table_is_visible(c.oid)".to_owned(),
            };
            let found = format!(
                "select c.oid from pg_catalog.pg_class c
                 join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                 where c.relkind in ('r', 'S', 'v', 'm', 'f', 'p') and {} and {schema}",
                self.writer.matches("c.relname", &pattern.name)
            );
            let query = if table.with_children {
                format!(
                    "with recursive family as ({found}
                     union select i.inhrelid from pg_catalog.pg_inherits i join family f on i.inhparent = f.oid)
                     select oid from family"
                )
            } else {
                found
            };
            queries.push((table.text.as_str(), query));
        }
        self.collect("tables", queries, missing).await
    }

    fn parse(&self, text: &str, shape: PatternShape) -> Result<Pattern> {
        let pattern = Pattern::parse(text, shape).and_then(|pattern| match &pattern.database {
            Some(database) if database != self.database => {
                Err(PatternError::CrossDatabase(text.to_owned()))
            }
            _ => Ok(pattern),
        });
        pattern.context(ErrorKind::Usage, || "could not understand a name pattern".to_owned())
    }

    async fn collect(
        &self,
        what: &str,
        queries: Vec<(&str, String)>,
        missing: Missing,
    ) -> Result<HashSet<Oid>> {
        let mut oids = HashSet::new();
        let asked = !queries.is_empty();
        for (text, query) in queries {
            let rows =
                self.session.query(&format!("look for {what} matching {text}"), &query).await?;
            let mut found = 0;
            for row in rows.iter() {
                oids.insert(row.oid("oid")?);
                found += 1;
            }
            if found == 0 && missing == Missing::Fails && self.strict {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("no matching {what} were found for pattern \"{text}\""),
                ));
            }
        }
        if asked && oids.is_empty() && missing == Missing::Fails {
            return Err(Error::new(ErrorKind::NotFound, format!("no matching {what} were found")));
        }
        Ok(oids)
    }
}

/// Writes patterns into questions for one session.
#[derive(Debug, Clone, Copy)]
pub(super) struct PatternWriter {
    /// Whether the server must be told that a pattern is UTF-8.
    converts: bool,
}

impl PatternWriter {
    pub(super) fn new(session: &Session, encoding: PatternEncoding) -> PatternWriter {
        let in_utf8 = session.parameter("client_encoding").is_some_and(|name| name == "UTF8");
        PatternWriter { converts: encoding == PatternEncoding::Utf8 && !in_utf8 }
    }

    /// Returns the condition that a name column matches an anchored regular expression.
    ///
    /// The collation is named because `name` columns compare by bytes and the pattern language promises
    /// the database's own character classes.
    pub(super) fn matches(self, column: &str, regex: &str) -> String {
        let typed = text::encode(regex);
        // Bytes that are no UTF-8 were typed in some other encoding; the session's is the best guess.
        let is_utf8 = std::str::from_utf8(&typed).is_ok();
        let pattern = if self.converts && !typed.is_ascii() && is_utf8 {
            let hex: String = typed.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("pg_catalog.convert_from(pg_catalog.decode('{hex}', 'hex'), 'UTF8')")
        } else {
            quote_literal_for_server(regex)
        };
        format!("{column} operator(pg_catalog.~) {pattern} collate pg_catalog.default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pattern_that_a_session_would_misread_is_converted() {
        let (plain, converting) =
            (PatternWriter { converts: false }, PatternWriter { converts: true });
        let ascii = "relname operator(pg_catalog.~) '^(a)$' collate pg_catalog.default";
        assert_eq!(plain.matches("relname", "^(a)$"), ascii);
        assert_eq!(converting.matches("relname", "^(a)$"), ascii);
        assert_eq!(
            converting.matches("relname", "ö"),
            "relname operator(pg_catalog.~) pg_catalog.convert_from(pg_catalog.decode('c3b6', \
             'hex'), 'UTF8') collate pg_catalog.default"
        );
        let latin1 = text::decode(b"\xf6");
        assert!(converting.matches("relname", &latin1).contains(&latin1));
    }
}
