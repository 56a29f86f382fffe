//! What a manifest tells about the options of its dump: what was left out is not missed in the database,
//! and what was written in another form is read in that form.

use std::collections::BTreeMap;

use crate::archive::Manifest;
use crate::archive::selection::{self, RestoreSelection};
use crate::catalog::{CatalogOptions, SessionSettings};
use crate::ddl::DdlOptions;
use crate::error::{Context, ErrorKind, Result};
use crate::model::{Section, TocEntry};
use crate::select::{LargeObjectChoice, SelectionRequest};
use crate::sql::Quoting;

/// The options of the dump that a manifest belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded<'a>(pub(super) &'a Manifest);

impl Recorded<'_> {
    /// Tells whether a switch was set.
    pub(super) fn is_set(self, name: &str) -> bool {
        self.0.options.contains_key(name)
    }

    /// Returns what the archive was asked to hold, so that no more is compared.
    pub(super) fn selection(self) -> Result<SelectionRequest> {
        match self.0.options.get("selection") {
            Some(text) => serde_json::from_str(text).context(ErrorKind::Archive, || {
                "could not understand the selection in the manifest".to_owned()
            }),
            None => Ok(SelectionRequest::default()),
        }
    }

    /// Returns the settings in which the rows and definitions are read again.
    pub(super) fn settings(self, recorded: BTreeMap<String, String>) -> SessionSettings {
        let digits = self.0.settings.get("extra_float_digits").and_then(|text| text.parse().ok());
        let usual = SessionSettings::default();
        SessionSettings {
            pinned_text: true,
            recorded,
            extra_float_digits: digits.unwrap_or(usual.extra_float_digits),
            quoting: self.quoting(),
            row_security: self.is_set("enable-row-security"),
            ..usual
        }
    }

    /// Returns what is read of the catalogs.
    pub(super) fn catalog(self, privileges: bool) -> CatalogOptions {
        CatalogOptions {
            schema: true,
            privileges,
            large_objects: self.large_objects(),
            comments: !self.is_set("no-comments"),
            security_labels: !self.is_set("no-security-labels"),
            policies: !self.is_set("no-policies"),
            publications: !self.is_set("no-publications"),
            subscriptions: !self.is_set("no-subscriptions"),
            ..CatalogOptions::default()
        }
    }

    /// Returns how definitions are written.
    pub(super) fn ddl(self, privileges: bool) -> DdlOptions {
        DdlOptions {
            privileges,
            quoting: self.quoting(),
            comments: !self.is_set("no-comments"),
            security_labels: !self.is_set("no-security-labels"),
            policies: !self.is_set("no-policies"),
            toast_compression: !self.is_set("no-toast-compression"),
            tablespaces: !self.is_set("no-tablespaces"),
            dollar_quoting: !self.is_set("disable-dollar-quoting"),
            ..DdlOptions::default()
        }
    }

    /// Keeps the entries of the sections that the archive has.
    pub(super) fn in_sections(self, entries: Vec<TocEntry>) -> Vec<TocEntry> {
        let Some(sections) = self.sections() else { return entries };
        let wanted = RestoreSelection { sections, create: true, ..RestoreSelection::default() };
        let marks = selection::marks(&entries, &wanted);
        let marked = entries.into_iter().zip(marks);
        marked.filter(|(_, marks)| marks.any()).map(|(entry, _)| entry).collect()
    }

    /// Returns when the archive was asked to hold large objects; what it left out is not compared.
    fn large_objects(self) -> LargeObjectChoice {
        let without = ["no-large-objects", "schema-only", "statistics-only"];
        let has_data = self.sections().is_none_or(|sections| sections.contains(&Section::Data));
        if !has_data || without.into_iter().any(|name| self.is_set(name)) {
            LargeObjectChoice::Never
        } else if self.is_set("large-objects") {
            LargeObjectChoice::Always
        } else {
            LargeObjectChoice::WithEverything
        }
    }

    /// Returns the sections that were chosen; none is all.
    fn sections(self) -> Option<Vec<Section>> {
        let words = self.0.options.get("section")?;
        Some(words.split(',').filter_map(Section::from_word).collect())
    }

    fn quoting(self) -> Quoting {
        match self.is_set("quote-all-identifiers") {
            true => Quoting::Always,
            false => Quoting::WhenNeeded,
        }
    }
}
