//! Collects the entries of a dump, and writes what all kinds share: comments, labels, privileges.

use super::{DdlOptions, acl, binary_upgrade};
use crate::error::{Error, ErrorKind, Result};
use crate::model::acl::Acl;
use crate::model::binary_upgrade::BinaryUpgrade;
use crate::model::{CatalogId, Components, Database, DumpId, Object, Oid, Section, TocEntry};
use crate::sql::{Quoting, quote_literal};

/// The word for the one kind whose comments, labels and privileges belong to the data.
const LARGE_OBJECT: &str = "LARGE OBJECT";

/// Collects the entries of a dump in order.
pub(crate) struct Writer<'a> {
    pub(crate) database: &'a Database,
    pub(crate) options: &'a DdlOptions,
    pub(crate) quoting: Quoting,
    /// What pg_upgrade needs, when the dump is made for it.
    pub(crate) upgrade: Option<&'a BinaryUpgrade>,
    entries: Vec<TocEntry>,
    last_id: i32,
    last_free_type: Oid,
}

/// What a comment or a security label is attached to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The word in the command, such as `MATERIALIZED VIEW`.
    pub(crate) word: String,
    /// The object in the command: quoted, and qualified where the kind lives in a schema.
    pub(crate) name: String,
    /// The object in the tag: quoted, never qualified.
    pub(crate) tag: String,
    /// The schema of the entry.
    pub(crate) namespace: Option<String>,
    /// The owner of the entry; the empty string for kinds without an owner.
    pub(crate) owner: Option<String>,
    /// The entry it hangs on.
    pub(crate) entry: DumpId,
}

/// What privileges are granted on.
#[derive(Debug, Clone)]
pub(crate) struct AclTarget<'t> {
    /// The word in the command, such as `TABLE` also for a view.
    pub(crate) word: &'t str,
    /// The quoted name or signature, without schema.
    pub(crate) name: &'t str,
    /// The raw schema, for kinds that live in one.
    pub(crate) schema: Option<&'t str>,
    /// The quoted column, for privileges on one.
    pub(crate) column: Option<&'t str>,
    /// The tag of the entry; `None` makes it of word and name.
    pub(crate) tag: Option<&'t str>,
    /// The raw owner.
    pub(crate) owner: Option<&'t str>,
    /// The entries it hangs on: the object, and for a column also the table's privileges.
    pub(crate) entries: &'t [DumpId],
}

impl<'a> Writer<'a> {
    pub(super) fn new(database: &'a Database, options: &'a DdlOptions) -> Self {
        Writer {
            database,
            options,
            quoting: options.quoting,
            upgrade: database.upgrade.as_ref(),
            entries: Vec::new(),
            last_id: database.last_id(),
            last_free_type: Oid(Oid::LAST_BUILT_IN.0 + 1),
        }
    }

    pub(super) fn finish(self) -> Vec<TocEntry> {
        self.entries
    }

    /// Takes the next free id, for an entry that is not an object.
    pub(crate) fn next_id(&mut self) -> DumpId {
        self.last_id += 1;
        DumpId(self.last_id)
    }

    /// Takes the next oid above those of `initdb` that no type has.
    pub(crate) fn free_type_oid(&mut self, upgrade: &BinaryUpgrade) -> Oid {
        loop {
            self.last_free_type.0 += 1;
            if !upgrade.types.contains(&self.last_free_type) {
                return self.last_free_type;
            }
        }
    }

    /// Returns how many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the entry with an id among those from `first` on.
    pub(super) fn entry_since(&mut self, first: usize, id: DumpId) -> Option<&mut TocEntry> {
        self.entries.get_mut(first..)?.iter_mut().find(|entry| entry.dump_id == id)
    }

    /// Tells whether an entry of a kind was added.
    pub(crate) fn has_entry(&self, desc: &str) -> bool {
        self.entries.iter().rev().any(|entry| entry.desc == desc)
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: TocEntry) {
        self.entries.push(entry);
    }

    /// Returns a raw name as an identifier.
    pub(crate) fn identifier(&self, name: &str) -> String {
        self.quoting.identifier(name)
    }

    /// Returns an object's name with its schema, both as identifiers.
    pub(crate) fn qualified(&self, object: &Object) -> String {
        match &object.schema {
            Some(schema) => self.quoting.qualified(schema, &object.name),
            None => self.identifier(&object.name),
        }
    }

    /// Returns `text` as a literal by the rules of the source session.
    pub(crate) fn literal(&self, text: &str) -> String {
        quote_literal(text, self.database.facts.standard_conforming_strings)
    }

    /// Makes the entry of an object with what all kinds share: id, place in the catalogs, schema, owner.
    pub(crate) fn entry(
        &self,
        object: &Object,
        desc: &str,
        tag: &str,
        section: Section,
    ) -> TocEntry {
        let mut entry = TocEntry::new(object.id, desc, tag);
        entry.catalog_id = object.catalog_id;
        entry.namespace = object.schema.clone();
        entry.owner = object.owner.clone();
        entry.section = section;
        entry
    }

    /// Returns the statements that tie an object to extensions it is no member of, to follow its own.
    ///
    /// pg_dump begins each with a newline and leaves the last one open.
    pub(crate) fn extension_dependencies(
        &self,
        object: &Object,
        word: &str,
        qualified: &str,
    ) -> String {
        let extensions = self.database.depends_on_extensions.get(&object.id);
        extensions
            .into_iter()
            .flatten()
            .map(|extension| {
                let extension = self.identifier(extension);
                format!("\nALTER {word} {qualified} DEPENDS ON EXTENSION {extension};")
            })
            .collect()
    }

    /// Makes the target of comments and labels on an object with a plain name.
    pub(crate) fn target(&self, object: &Object, word: &str) -> Target {
        Target {
            word: word.to_owned(),
            name: self.qualified(object),
            tag: self.identifier(&object.name),
            namespace: object.schema.clone(),
            owner: object.owner.clone(),
            entry: object.id,
        }
    }

    /// Makes the target of comments on an object whose kind has no owner; the entry then has an empty one.
    pub(crate) fn target_without_owner(&self, object: &Object, word: &str) -> Target {
        let target = self.target(object, word);
        Target { owner: Some(target.owner.unwrap_or_default()), ..target }
    }

    /// Writes the comment on an object itself, when it is wanted and there is one.
    pub(crate) fn comment(&mut self, object: &Object, target: &Target) {
        if object.emits(Components::COMMENT) {
            self.comment_on_part(object.catalog_id, 0, target);
        }
    }

    /// Writes the comment that the catalogs hold on a part of an object; 0 is the object itself.
    ///
    /// The caller has decided that comments on it are wanted.
    pub(crate) fn comment_on_part(&mut self, catalog_id: CatalogId, part: i32, target: &Target) {
        let Some(comments) = self.database.comments.get(&catalog_id) else { return };
        if let Some((_, text)) = comments.iter().find(|(number, _)| *number == part) {
            self.comment_text(target, text);
        }
    }

    /// Tells whether comments and labels on a kind are wanted: those on large objects are data.
    fn wants_about(&self, word: &str) -> bool {
        match word {
            // pg_upgrade copies their bytes and nothing else.
            LARGE_OBJECT => self.options.data || self.upgrade.is_some(),
            _ => self.options.schema,
        }
    }

    /// Writes a comment whose text is known.
    pub(crate) fn comment_text(&mut self, target: &Target, text: &str) {
        if self.wants_about(&target.word) {
            self.database_comment(target, text);
        }
    }

    /// Writes the comment on the database, which belongs to its entry even when no schema is dumped.
    pub(crate) fn database_comment(&mut self, target: &Target, text: &str) {
        if !self.options.comments {
            return;
        }
        let mut entry =
            TocEntry::new(self.next_id(), "COMMENT", format!("{} {}", target.word, target.tag));
        entry.definition =
            format!("COMMENT ON {} {} IS {};\n", target.word, target.name, self.literal(text));
        self.push_dependent(entry, target);
    }

    /// Writes the security labels on an object itself, all in one entry.
    pub(crate) fn security_labels(&mut self, object: &Object, target: &Target) {
        if object.emits(Components::SECURITY_LABEL) {
            self.security_labels_at(object.catalog_id, target);
        }
    }

    /// Writes the security labels that the catalogs hold at a place, all in one entry.
    ///
    /// The caller has decided that labels on it are wanted.
    pub(crate) fn security_labels_at(&mut self, catalog_id: CatalogId, target: &Target) {
        if !self.options.security_labels || !self.wants_about(&target.word) {
            return;
        }
        let Some(labels) = self.database.security_labels.get(&catalog_id) else { return };
        let definition: String = labels
            .iter()
            .filter(|(part, _, _)| *part == 0)
            .map(|(_, provider, label)| {
                self.security_label(provider, &target.word, &target.name, label)
            })
            .collect();
        self.push_security_labels(definition, target);
    }

    /// Returns one SECURITY LABEL statement.
    pub(crate) fn security_label(
        &self,
        provider: &str,
        word: &str,
        name: &str,
        label: &str,
    ) -> String {
        let provider = self.identifier(provider);
        format!("SECURITY LABEL FOR {provider} ON {word} {name} IS {};\n", self.literal(label))
    }

    /// Writes an entry of SECURITY LABEL statements, unless there are none.
    pub(crate) fn push_security_labels(&mut self, definition: String, target: &Target) {
        if definition.is_empty() {
            return;
        }
        let mut entry = TocEntry::new(
            self.next_id(),
            "SECURITY LABEL",
            format!("{} {}", target.word, target.tag),
        );
        entry.definition = definition;
        self.push_dependent(entry, target);
    }

    fn push_dependent(&mut self, mut entry: TocEntry, target: &Target) {
        entry.section = Section::None;
        entry.namespace = target.namespace.clone();
        entry.owner = target.owner.clone();
        entry.dependencies = vec![target.entry];
        self.push(entry);
    }

    /// Writes the privileges of an object, when they are wanted and differ from what a restore finds.
    ///
    /// Returns the id of the entry, for the privileges on columns to hang on.
    ///
    /// # Errors
    ///
    /// When the catalogs hold privileges that cannot be understood.
    pub(crate) fn acl(
        &mut self,
        object: &Object,
        word: &str,
        name: &str,
    ) -> Result<Option<DumpId>> {
        if !object.emits(Components::ACL) {
            return Ok(None);
        }
        let entries = [object.id];
        let target = AclTarget {
            word,
            name,
            schema: object.schema.as_deref(),
            column: None,
            tag: None,
            owner: object.owner.as_deref(),
            entries: &entries,
        };
        self.acl_entry(&target, object.acl())
    }

    /// Writes privileges, unless the statements for them are none.
    pub(crate) fn acl_entry(
        &mut self,
        target: &AclTarget<'_>,
        acl: &Acl,
    ) -> Result<Option<DumpId>> {
        // Privileges are schema, except that those on large objects come with the objects.
        let wanted = self.options.schema || target.word == LARGE_OBJECT;
        if wanted { self.database_acl(target, acl) } else { Ok(None) }
    }

    /// Writes the privileges on the database, which belong to its entry even when no schema is dumped.
    pub(crate) fn database_acl(
        &mut self,
        target: &AclTarget<'_>,
        acl: &Acl,
    ) -> Result<Option<DumpId>> {
        if !self.options.privileges {
            return Ok(None);
        }
        let granted = acl::Target {
            quoting: self.quoting,
            word: target.word,
            schema: target.schema,
            name: target.name,
            column: target.column,
            owner: target.owner.unwrap_or_default(),
            prefix: "",
        };
        let initial = match self.upgrade {
            Some(_) => binary_upgrade::initial_privileges(&granted, acl),
            None => Ok(String::new()),
        };
        let statements = initial.and_then(|initial| Ok(initial + &acl::statements(&granted, acl)?));
        let statements = statements.map_err(|source| {
            Error::new(
                ErrorKind::Server,
                format!("could not understand the privileges on {} {}", target.word, target.name),
            )
            .with_source(source)
        })?;
        if statements.is_empty() {
            return Ok(None);
        }
        let tag = match target.tag {
            Some(tag) => tag.to_owned(),
            None => format!("{} {}", target.word, target.name),
        };
        let id = self.next_id();
        let mut entry = TocEntry::new(id, "ACL", tag);
        entry.section = Section::None;
        entry.definition = statements;
        entry.namespace = target.schema.map(str::to_owned);
        entry.owner = target.owner.map(str::to_owned);
        entry.dependencies = target.entries.to_vec();
        self.push(entry);
        Ok(Some(id))
    }
}
