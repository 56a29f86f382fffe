//! The rows that the manifest of a script promises, crossed off as they come.

use std::collections::HashMap;

use super::Statement;
use crate::archive::{Manifest, ManifestData};
use crate::codec::Fingerprint;
use crate::sql::{split_name, text};

/// Schema and name.
type Names = (String, String);

/// The rows of the tables that have not come yet.
#[derive(Debug, Default)]
pub struct ExpectedRows {
    /// By the table they are loaded into: a root stands for several.
    tables: HashMap<Names, Vec<(String, Fingerprint)>>,
    total: usize,
}

impl ExpectedRows {
    /// Takes over what a manifest says; `None` when the rows of the script are no COPY text to compare.
    pub fn of(manifest: &Manifest) -> Option<Self> {
        if manifest.options.contains_key("inserts") {
            return None;
        }
        let mut expected = ExpectedRows::default();
        for data in &manifest.data {
            let target = expected.tables.entry(target(data)).or_default();
            target.push((data.describe(), data.fingerprint));
            expected.total += 1;
        }
        Some(expected)
    }

    /// Crosses off the rows that have followed a COPY; the error says how they differ.
    ///
    /// # Errors
    ///
    /// When the manifest says something else about the table, or nothing.
    pub fn see(&mut self, copy: &Statement, found: Fingerprint) -> Result<(), String> {
        let shown = copy.copied_table().unwrap_or_default();
        let names = copied_names(&shown).ok_or_else(|| format!("{shown} is no name of a table"))?;
        let waiting = self.tables.get_mut(&names).filter(|waiting| !waiting.is_empty());
        let Some(waiting) = waiting else {
            return Err(format!("the manifest has no rows of {shown}, or they came before"));
        };
        let place = waiting.iter().position(|(_, expected)| *expected == found);
        let (_, expected) = waiting.remove(place.unwrap_or(0));
        match place {
            Some(_) => Ok(()),
            None if expected.rows != found.rows => {
                Err(format!("has {} rows instead of {}", found.rows, expected.rows))
            }
            None => Err(format!("has other rows than were dumped: {found} instead of {expected}")),
        }
    }

    /// Returns the tables whose rows have not come.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.tables.values().flatten().map(|(name, _)| name.as_str())
    }

    /// Returns how many tables the manifest has rows of.
    pub fn total(&self) -> usize {
        self.total
    }
}

/// Returns the table that rows are loaded into.
fn target(data: &ManifestData) -> Names {
    let own = || (data.schema.clone(), data.table.clone());
    data.loaded_into.as_deref().and_then(copied_names).unwrap_or_else(own)
}

fn copied_names(shown: &str) -> Option<Names> {
    let (mut parts, _) = split_name(shown, char::is_whitespace)?;
    let name = parts.pop()?;
    Some((parts.pop().unwrap_or_default(), name))
}

impl Statement {
    /// Returns the table whose rows follow, as it is written there.
    pub fn copied_table(&self) -> Option<String> {
        /// Two names of the server's longest, with every character quoted, fit easily.
        const LONGEST: usize = 4096;
        if !self.rows_follow {
            return None;
        }
        let text = text::decode(&self.text[..self.text.len().min(LONGEST)]);
        let name = text.get(4..).unwrap_or_default().trim_start();
        let (_, behind) = split_name(name, |end| end.is_whitespace() || end == '(')?;
        Some(name[..name.len() - behind.len()].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::DataFileSummary;
    use crate::codec::{RowHasher, sha256};
    use crate::model::DumpId;

    fn rows(text: &str) -> Fingerprint {
        let mut hasher = RowHasher::new();
        hasher.feed(text.as_bytes());
        hasher.finish()
    }

    fn data(schema: &str, table: &str, text: &str) -> ManifestData {
        let summary = DataFileSummary {
            dump_id: DumpId(1),
            file: String::new(),
            raw_bytes: 0,
            stored_bytes: 0,
            sha256: sha256(b""),
            fingerprint: rows(text),
            blocks: Vec::new(),
        };
        ManifestData::new(summary, schema, table)
    }

    fn copy(table: &str) -> Statement {
        let text = format!("COPY {table} (a, b) FROM stdin;").into_bytes().into();
        Statement { text, line: 1, rows_follow: true }
    }

    #[test]
    fn rows_are_compared_with_those_of_their_own_table() {
        let data = vec![data("s", "a\"B.c", "1\n2\n"), data("s", "empty", "")];
        let manifest = Manifest { data, ..Manifest::default() };
        let mut expected = ExpectedRows::of(&manifest).expect("rows of COPY");
        assert_eq!(expected.see(&copy("\"s\".\"a\"\"B.c\""), rows("2\n1\n")), Ok(()));
        assert_eq!(expected.total(), 2);
        let again = expected.see(&copy("s.\"a\"\"B.c\""), rows("1\n2\n"));
        assert!(again.is_err_and(|why| why.contains("came before")));
        assert_eq!(expected.missing().collect::<Vec<_>>(), ["s.empty"]);
        let more = expected.see(&copy("s.empty"), rows("1\n"));
        assert_eq!(more, Err("has 1 rows instead of 0".to_owned()));
        assert!(expected.see(&copy("s.\"open"), rows("")).is_err());
        assert!(expected.see(&copy("s.other"), rows("")).is_err());
    }

    #[test]
    fn the_partitions_of_a_root_come_in_any_order_and_each_once() {
        let through = |data| ManifestData { loaded_into: Some("s.\"Root\"".into()), ..data };
        let data = vec![through(data("s", "one", "1\n")), through(data("s", "two", "2\n"))];
        let manifest = Manifest { data, ..Manifest::default() };
        let mut expected = ExpectedRows::of(&manifest).expect("rows of COPY");
        assert_eq!(expected.see(&copy("s.\"Root\""), rows("2\n")), Ok(()));
        assert!(expected.see(&copy("s.\"Root\""), rows("2\n")).is_err());
        let options = [("inserts".to_owned(), "true".to_owned())].into();
        assert!(ExpectedRows::of(&Manifest { options, ..manifest }).is_none());
    }
}
