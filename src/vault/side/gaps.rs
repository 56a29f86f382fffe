//! What an archive does not hold of its database, as far as it tells: pure.
//!
//! In the place of a database a part of it is a loss. The manifest remembers the options of the dump; an archive of
//! another tool shows only whether it has rows and definitions at all.

use crate::archive::Manifest;
use crate::error::{Error, ErrorKind, Result};
use crate::model::TocEntry;
use crate::select::{SelectionRequest, TablePattern};

/// What is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    /// Why it is a part of a database and no more.
    pub(super) parts: Vec<String>,
    /// What was left out of a whole one on purpose.
    pub(super) notes: Vec<String>,
}

impl Gaps {
    /// Looks for them.
    pub(super) fn of(manifest: Option<&Manifest>, entries: &[TocEntry]) -> Result<Gaps> {
        match manifest {
            Some(manifest) => Gaps::told(manifest),
            None => Ok(Gaps::seen(entries)),
        }
    }

    /// Refuses an archive that holds a part of a database only.
    pub(super) fn refuse_parts(&self) -> Result<()> {
        if self.parts.is_empty() {
            return Ok(());
        }
        let mut what = "the archive holds only a part of a database".to_owned();
        for part in &self.parts {
            what.push_str(&format!("\n  - {part}"));
        }
        Err(Error::new(ErrorKind::Refused, what)
            .with_hint("\"pgark restore -d NAME\" loads it into a database of its own")
            .with_hint("--allow-partial puts it in the place of the database all the same"))
    }

    fn told(manifest: &Manifest) -> Result<Gaps> {
        let is_set = |name: &&&str| manifest.options.contains_key(**name);
        let mut gaps = Gaps::default();
        for option in ["schema-only", "data-only", "statistics-only", "enable-row-security"]
            .iter()
            .filter(is_set)
        {
            gaps.parts.push(format!("it was made with --{option}"));
        }
        if let Some(sections) = manifest.options.get("section")
            && !["pre-data", "data", "post-data"]
                .iter()
                .all(|word| sections.split(',').any(|one| one == *word))
        {
            gaps.parts.push(format!("it was made with --section {sections}"));
        }
        for option in [
            "no-unlogged-table-data",
            "no-large-objects",
            "no-owner",
            "no-privileges",
            "no-comments",
            "no-security-labels",
            "no-policies",
            "no-publications",
            "no-subscriptions",
            "no-tablespaces",
            "no-table-access-method",
            "no-toast-compression",
        ]
        .iter()
        .filter(is_set)
        {
            gaps.notes.push(format!("the backup was made with --{option}, which is missing then"));
        }
        if let Some(text) = manifest.options.get("selection") {
            match serde_json::from_str::<SelectionRequest>(text) {
                Ok(selection) => gaps.add(&selection),
                Err(error) => {
                    let what = "could not understand the selection in the manifest";
                    return Err(Error::new(ErrorKind::Archive, what).with_source(error));
                }
            }
        }
        Ok(gaps)
    }

    fn add(&mut self, selection: &SelectionRequest) {
        let texts = |patterns: &[TablePattern]| -> Vec<String> {
            patterns.iter().map(|pattern| pattern.text.clone()).collect()
        };
        for (option, patterns) in [
            ("-n", selection.schemas.clone()),
            ("-N", selection.exclude_schemas.clone()),
            ("-t", texts(&selection.tables)),
            ("-T", texts(&selection.exclude_tables)),
            ("-e", selection.extensions.clone()),
            ("--exclude-extension", selection.exclude_extensions.clone()),
        ] {
            if !patterns.is_empty() {
                self.parts.push(format!("it was made with {option} {}", patterns.join(", ")));
            }
        }
        if !selection.exclude_table_data.is_empty() {
            let patterns = texts(&selection.exclude_table_data).join(", ");
            self.notes
                .push(format!("the backup has no rows of {patterns}: these tables will be empty"));
        }
    }

    fn seen(entries: &[TocEntry]) -> Gaps {
        let has = |desc: &str| entries.iter().any(|entry| entry.desc == desc);
        let mut gaps = Gaps::default();
        match (has("TABLE"), has("TABLE DATA")) {
            (true, false) => gaps.parts.push("it has tables and no rows of any of them".to_owned()),
            (false, true) => gaps.parts.push("it has rows and no tables for them".to_owned()),
            _ => {}
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DumpId;

    fn gaps(options: &[(&str, &str)]) -> Gaps {
        let options =
            options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let manifest = Manifest { options, ..Manifest::default() };
        Gaps::of(Some(&manifest), &[]).expect("options")
    }

    #[test]
    fn a_part_is_told_from_a_whole_that_lacks_something() {
        assert_eq!(gaps(&[("quote-all-identifiers", "true")]), Gaps::default());
        assert_eq!(gaps(&[("section", "pre-data,data,post-data")]), Gaps::default());
        for option in [
            ("schema-only", "true"),
            ("section", "pre-data,data"),
            ("selection", r#"{"exclude_schemas":["x"]}"#),
        ] {
            assert_eq!(gaps(&[option]).parts.len(), 1, "{option:?}");
            assert!(gaps(&[option]).refuse_parts().is_err());
        }
        let lacking = gaps(&[
            ("no-owner", "true"),
            ("selection", r#"{"exclude_table_data":[{"text":"logs","with_children":false}]}"#),
        ]);
        assert!(lacking.refuse_parts().is_ok());
        assert!(lacking.notes[1].contains("no rows of logs"), "{lacking:?}");
    }

    #[test]
    fn without_a_manifest_rows_and_tables_must_both_be_there() {
        let entry = |desc: &str| TocEntry::new(DumpId(1), desc, "t");
        let parts = |descs: &[&str]| {
            let entries: Vec<TocEntry> = descs.iter().map(|desc| entry(desc)).collect();
            Gaps::of(None, &entries).expect("entries").parts.len()
        };
        assert_eq!(parts(&["TABLE", "TABLE DATA"]), 0);
        assert_eq!(parts(&["FUNCTION"]), 0);
        assert_eq!(parts(&["TABLE", "INDEX"]), 1);
        assert_eq!(parts(&["TABLE DATA"]), 1);
    }
}
