//! A server's catalogs into the model: one file per kind of object, one query per catalog.
//!
//! [`read`] asks for everything in the order in which pg_dump discovers it (`getSchemaData` in
//! `common.c`), because that order gives the dump ids, and they decide which dependency loop is found
//! first. No query is sent per object. Functions that take a relation's text apart
//! (`pg_get_viewdef`, `pg_get_indexdef` ...) must run only after the relation is locked; the caller
//! has done that before calling [`read`].

mod access_method;
mod aggregate;
mod binary_copy;
mod binary_upgrade;
mod cast;
mod cluster;
mod collation;
mod column;
mod column_default;
mod comment;
mod constraint;
mod conversion;
mod database;
mod default_acl;
mod dependency;
mod event_trigger;
mod extension;
mod foreign_data;
mod function;
mod index;
mod inheritance;
mod keeper;
mod language;
mod large_object;
mod large_object_bytes;
mod large_object_metadata;
mod operator;
mod operator_class;
mod policy;
mod publication;
mod questions;
mod relation_statistics;
mod rule;
mod schema;
mod selection;
mod sequence;
mod settings;
mod statistics;
mod subscription;
mod table;
mod table_data;
mod text_search;
mod transform;
mod trigger;
mod type_name;
mod types;
mod value;

use std::collections::HashMap;

use self::questions::{Questions, Voice};
use crate::connect::{Row, Rows, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::model::acl::Acl;
use crate::model::{
    CatalogId, Components, Database, DumpId, Kind, Object, Oid, ServerVersion, SessionFacts,
};
use crate::select::{LargeObjectChoice, Selection};

pub use binary_copy::tables_with_binary_form;
pub use cluster::{RolePasswords, matching_databases, read_cluster};
pub use database::read_database_properties;
pub use keeper::{
    Keeper, KeeperOptions, Obstacles, ServerIdentity, SessionRecipe, TableName, Unreadable,
};
pub use large_object_bytes::{
    LargeObjectReading, LargeObjectRow, LargeObjectRows, unexpected_large_object,
};
pub use large_object_metadata::LargeObjectMetadata;
pub use selection::{PatternEncoding, resolve_selection};
pub use settings::{SessionSettings, Transaction, open_foreign_tables};

/// What is wanted of the catalogs, apart from which objects.
#[derive(Debug, Clone)]
pub struct CatalogOptions {
    /// Definitions will be written.
    pub schema: bool,
    /// Rows will be written.
    pub data: bool,
    /// What the planner knows about rows will be written.
    pub statistics: bool,
    /// Sequence values will be written.
    pub sequence_values: bool,
    /// When large objects are wanted; they are data.
    pub large_objects: LargeObjectChoice,
    /// Comments are read.
    pub comments: bool,
    /// Security labels are read.
    pub security_labels: bool,
    /// Policies and row security flags are read.
    pub policies: bool,
    /// Publications and their members are read.
    pub publications: bool,
    /// Subscriptions are read.
    pub subscriptions: bool,
    /// Privileges that `initdb` and extension scripts left are read, to tell what was changed since.
    pub privileges: bool,
    /// Rows of unlogged tables are wanted.
    pub unlogged_data: bool,
    /// What pg_upgrade must find unchanged is read, and members of extensions are wanted one by one.
    pub binary_upgrade: bool,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        CatalogOptions {
            schema: true,
            data: true,
            statistics: false,
            sequence_values: true,
            // Nobody but who moves their bytes has a use for them.
            large_objects: LargeObjectChoice::Never,
            comments: true,
            security_labels: true,
            policies: true,
            publications: true,
            subscriptions: true,
            privileges: true,
            unlogged_data: true,
            binary_upgrade: false,
        }
    }
}

/// Reads the database that `session` is connected to.
///
/// The session must have the settings of [`SessionSettings`], above all an empty `search_path`, and
/// hold its snapshot and its locks. A `second` session that reads in the same snapshot answers some
/// questions meanwhile.
///
/// # Errors
///
/// When the server refuses a query, when the catalogs contradict themselves, and when an include
/// pattern of the selection matched nothing.
pub async fn read(
    session: &Session,
    second: Option<&Session>,
    options: &CatalogOptions,
    selection: &Selection,
) -> Result<Database> {
    let mut reader = Reader::new(session, second, options, selection).await?;
    let reader = &mut reader;
    ask_at_once(reader)?;
    reader.read_roles().await?;
    reader.read_initial_privileges().await?;
    extension::read_extensions(reader).await?;
    extension::read_extension_members(reader).await?;
    schema::read_schemas(reader).await?;
    table::read_tables(reader).await?;
    function::read_functions(reader).await?;
    types::read_types(reader).await?;
    language::read_languages(reader).await?;
    aggregate::read_aggregates(reader).await?;
    operator::read_operators(reader).await?;
    access_method::read_access_methods(reader).await?;
    operator_class::read_operator_classes(reader).await?;
    operator_class::read_operator_families(reader).await?;
    text_search::read_parsers(reader).await?;
    text_search::read_templates(reader).await?;
    text_search::read_dictionaries(reader).await?;
    text_search::read_configurations(reader).await?;
    foreign_data::read_wrappers(reader).await?;
    foreign_data::read_servers(reader).await?;
    default_acl::read_default_acls(reader).await?;
    collation::read_collations(reader).await?;
    conversion::read_conversions(reader).await?;
    cast::read_casts(reader).await?;
    transform::read_transforms(reader).await?;
    inheritance::read_inheritance(reader).await?;
    event_trigger::read_event_triggers(reader).await?;
    table_data::add_extension_data(reader).await?;
    inheritance::add_attachments(reader)?;
    ask_about_relations(reader)?;
    column::read_columns(reader).await?;
    column_default::read_defaults(reader).await?;
    constraint::read_invalid_not_nulls(reader).await?;
    constraint::read_checks(reader).await?;
    inheritance::adjust_columns(reader);
    table_data::read_unsafe_partitioning(reader).await?;
    dependency::take_in(reader).await?;
    index::read_indexes(reader).await?;
    statistics::read_statistics(reader).await?;
    constraint::read_foreign_keys(reader).await?;
    trigger::read_triggers(reader).await?;
    rule::read_rules(reader).await?;
    table::read_definitions(reader).await?;
    policy::read_policies(reader).await?;
    if reader.options.publications {
        publication::read_publications(reader).await?;
    }
    if reader.options.subscriptions {
        subscription::read_subscriptions(reader).await?;
    }
    if reader.options.binary_upgrade {
        binary_upgrade::read_binary_upgrade(reader).await?;
    }
    table_data::add_table_data(reader).await?;
    large_object::read_large_objects(reader).await?;
    database::read_database(reader).await?;
    dependency::read_dependencies(reader).await?;
    column::read_column_acls(reader).await?;
    comment::read_comments(reader).await?;
    comment::read_security_labels(reader).await?;
    sequence::read_sequences(reader).await?;
    relation_statistics::read_columns(reader).await?;
    reader.add_boundaries();
    Ok(std::mem::replace(&mut reader.database, Database::new(reader.facts.clone())))
}

/// Sends the questions that need to know nothing first, in the order in which the answers are used.
fn ask_at_once(reader: &mut Reader<'_>) -> Result<()> {
    let CatalogOptions { privileges, comments, security_labels, .. } = *reader.options;
    let relations = table::relations(reader);
    let version = reader.version();
    let functions = function::with_members(reader, function::LIST);
    let aggregates = function::with_members(reader, aggregate::LIST);
    let questions = &mut reader.questions;
    questions.ahead(Voice::Keeper, "read roles", ROLES.to_owned())?;
    if privileges {
        let sql = INITIAL_PRIVILEGES.to_owned();
        questions.ahead(Voice::Keeper, "read initial privileges", sql)?;
    }
    questions.ahead(Voice::Keeper, "read extensions", extension::EXTENSIONS.to_owned())?;
    questions.ahead(Voice::Keeper, "read members of extensions", extension::MEMBERS.to_owned())?;
    questions.ahead(Voice::Keeper, "read schemas", schema::QUERY.to_owned())?;
    questions.ahead(Voice::Keeper, "read relations", relations)?;
    let small = [
        ("read languages", language::QUERY.to_owned()),
        ("read aggregates", aggregates),
        ("read operators", operator::LIST.to_owned()),
        ("read access methods", access_method::QUERY.to_owned()),
        ("read operator classes", operator_class::CLASSES.to_owned()),
        ("read operator families", operator_class::FAMILIES.to_owned()),
        ("read text search parsers", text_search::PARSERS.to_owned()),
        ("read text search templates", text_search::TEMPLATES.to_owned()),
        ("read text search dictionaries", text_search::DICTIONARIES.to_owned()),
        ("read text search configurations", text_search::CONFIGURATIONS.to_owned()),
        ("read collations", collation::query(version)),
        ("read conversions", conversion::QUERY.to_owned()),
        ("read casts", cast::query(version)),
        ("read transforms", transform::QUERY.to_owned()),
        ("read default privileges", default_acl::QUERY.to_owned()),
        ("read inheritance", inheritance::QUERY.to_owned()),
        ("read event triggers", event_trigger::QUERY.to_owned()),
    ];
    for (purpose, sql) in small {
        questions.ahead(Voice::Keeper, purpose, sql)?;
    }
    questions.ahead(Voice::Second, "read functions", functions)?;
    questions.ahead(Voice::Second, "read types", types::LIST.to_owned())?;
    questions.ahead(Voice::Second, "read dependencies", dependency::QUERY.to_owned())?;
    if privileges {
        let sql = column::PRIVILEGES.to_owned();
        questions.ahead(Voice::Second, "read privileges on columns", sql)?;
    }
    if comments {
        questions.ahead(Voice::Second, "read comments", comment::COMMENTS.to_owned())?;
    }
    if security_labels {
        let sql = comment::SECURITY_LABELS.to_owned();
        questions.ahead(Voice::Second, "read security labels", sql)?;
    }
    Ok(())
}

/// Sends the questions about parts of relations when it is known which relations matter.
///
/// Those about columns, defaults and foreign keys look into the catalogs only. The others open relations, which the
/// keeper's session has done before, when it locked them: there it is cheaper, too.
fn ask_about_relations(reader: &mut Reader<'_>) -> Result<()> {
    let questions = [
        (Voice::Second, "read columns", column::question(reader)),
        (Voice::Second, "read defaults of columns", column_default::question(reader)),
        (Voice::Keeper, "read check constraints", constraint::check_question(reader)),
        (Voice::Keeper, "read indexes", index::question(reader)),
        (Voice::Second, "read foreign keys", constraint::foreign_key_question(reader)),
        (Voice::Keeper, "read triggers", trigger::question(reader)),
        (Voice::Keeper, "read definitions of relations", table::definition_question(reader)),
    ];
    for (voice, purpose, sql) in questions {
        if let Some(sql) = sql {
            reader.questions.ahead(voice, purpose, sql)?;
        }
    }
    Ok(())
}

const ROLES: &str = "select oid, rolname from pg_catalog.pg_roles order by oid";

const INITIAL_PRIVILEGES: &str = "select classoid, objoid, privtype, initprivs
    from pg_catalog.pg_init_privs where objsubid = 0";

/// The state of one reading: what is known so far and how to ask for more.
pub(crate) struct Reader<'a> {
    pub(crate) session: &'a Session,
    questions: Questions<'a>,
    pub(crate) options: &'a CatalogOptions,
    pub(crate) selection: &'a Selection,
    pub(crate) database: Database,
    facts: SessionFacts,
    /// Extension by member.
    members: HashMap<CatalogId, DumpId>,
    /// Kind (`i` or `e`) and text of `pg_init_privs`, by object.
    initial_privileges: HashMap<CatalogId, (char, String)>,
    /// Schemas by oid of `pg_namespace`.
    schemas: HashMap<Oid, DumpId>,
    /// Relations by oid of `pg_class`.
    pub(crate) tables: HashMap<Oid, DumpId>,
    /// Direct parents of every relation that has some, in `inhseqno` order.
    inheritance: HashMap<DumpId, Vec<DumpId>>,
    /// The index above an index of a partition, by oid of `pg_class`.
    index_parents: HashMap<Oid, Oid>,
    /// Not-null constraints that are not validated, by oid of `pg_constraint` (18+).
    invalid_not_nulls: Vec<Oid>,
    /// What the server knows of dependencies, when the answer was taken in ahead of its use.
    edges: Option<Vec<dependency::Edge>>,
    /// Types by oid of `pg_type`.
    pub(crate) types: HashMap<Oid, DumpId>,
    /// Names of types that were asked for, by oid of `pg_type`.
    type_names: HashMap<Oid, type_name::TypeName>,
}

/// What every catalog row that becomes an object has in common.
pub(crate) struct Found {
    pub(crate) catalog_id: CatalogId,
    pub(crate) name: String,
    pub(crate) schema: Option<Oid>,
    pub(crate) owner: Option<Oid>,
    pub(crate) acl: Acl,
}

impl Found {
    /// Takes the columns `tableoid`, `oid` and one for the name.
    pub(crate) fn new(row: &Row, name: &str) -> Result<Found> {
        Ok(Found {
            catalog_id: CatalogId { class: row.oid("tableoid")?, oid: row.oid("oid")? },
            name: row.text(name)?.to_owned(),
            schema: None,
            owner: None,
            acl: Acl::default(),
        })
    }

    /// Takes the schema's oid from a column.
    pub(crate) fn in_schema(mut self, row: &Row, column: &str) -> Result<Found> {
        self.schema = Some(row.oid(column)?);
        Ok(self)
    }

    /// Takes the owner's oid from a column.
    pub(crate) fn owned(mut self, row: &Row, column: &str) -> Result<Found> {
        self.owner = Some(row.oid(column)?);
        Ok(self)
    }

    /// Takes the privileges from a column and their default from the column `acldefault`.
    pub(crate) fn with_acl(mut self, row: &Row, column: &str) -> Result<Found> {
        self.acl.current = row.optional(column).map(str::to_owned);
        self.acl.default = row.optional("acldefault").map(str::to_owned);
        Ok(self)
    }
}

impl<'a> Reader<'a> {
    async fn new(
        session: &'a Session,
        second: Option<&'a Session>,
        options: &'a CatalogOptions,
        selection: &'a Selection,
    ) -> Result<Reader<'a>> {
        let rows = session
            .query(
                "read the session's database",
                "select current_database() as name, pg_is_in_recovery() as in_recovery",
            )
            .await?;
        let row = rows.single()?;
        let facts = SessionFacts {
            version: session.version(),
            version_text: session.version_text(),
            encoding: session.parameter("client_encoding").unwrap_or_else(|| "UTF8".to_owned()),
            standard_conforming_strings: session
                .parameter("standard_conforming_strings")
                .is_none_or(|value| value == "on"),
            database: row.text("name")?.to_owned(),
            in_recovery: row.boolean("in_recovery")?,
        };
        Ok(Reader {
            session,
            questions: Questions::new(session, second),
            options,
            selection,
            database: Database::new(facts.clone()),
            facts,
            members: HashMap::new(),
            initial_privileges: HashMap::new(),
            schemas: HashMap::new(),
            tables: HashMap::new(),
            inheritance: HashMap::new(),
            index_parents: HashMap::new(),
            invalid_not_nulls: Vec::new(),
            edges: None,
            types: HashMap::new(),
            type_names: HashMap::new(),
        })
    }

    /// Returns the answer to a question that may have been sent ahead.
    pub(crate) async fn ask(&mut self, purpose: &str, sql: &str) -> Result<Rows> {
        self.questions.ask(purpose, sql).await
    }

    /// Returns the server's version.
    pub(crate) fn version(&self) -> ServerVersion {
        self.facts.version
    }

    /// Returns the name of a role.
    ///
    /// # Errors
    ///
    /// When no role has the oid: an owner that is gone means damaged catalogs, and pg_dump ends as well.
    pub(crate) fn role_name(&self, oid: Oid) -> Result<String> {
        self.database
            .roles
            .get(&oid)
            .cloned()
            .ok_or_else(|| inconsistent(format!("role with oid {oid} does not exist")))
    }

    /// Returns the schema object with an oid.
    pub(crate) fn schema(&self, oid: Oid) -> Result<&Object> {
        self.schemas
            .get(&oid)
            .map(|&id| self.database.object(id))
            .ok_or_else(|| inconsistent(format!("schema with oid {oid} does not exist")))
    }

    /// Returns what the selection wants of objects in a schema.
    pub(crate) fn wanted_in_schema(&self, oid: Oid) -> Result<Components> {
        match &self.schema(oid)?.kind {
            Kind::Schema(schema) => Ok(schema.contents),
            _ => Err(inconsistent(format!("oid {oid} is not a schema"))),
        }
    }

    /// Returns what the selection wants of an object outside of schemas that `initdb` may have made.
    pub(crate) fn wanted_unless_built_in(&self, oid: Oid) -> Components {
        if oid.is_built_in() { Components::empty() } else { self.selection.outside_schemas() }
    }

    /// Tells whether an object is a member of an extension.
    pub(crate) fn is_extension_member(&self, catalog_id: CatalogId) -> bool {
        self.members.contains_key(&catalog_id)
    }

    /// Remembers something that the person who dumps should know.
    pub(crate) fn warn(&mut self, message: String) {
        self.database.warnings.push(message);
    }

    /// Remembers something about a definition; nobody needs to know it when no definitions are written.
    pub(crate) fn warn_of_definition(&mut self, message: String) {
        if self.options.schema {
            self.warn(message);
        }
    }

    /// Adds an object of which `wanted` is asked for, unless an extension it is a member of decides.
    ///
    /// Definition and changed privileges are available from the start; the caller adds what else its
    /// kind has. Comments and labels become available when they are read.
    pub(crate) fn add(&mut self, found: Found, wanted: Components, kind: Kind) -> Result<DumpId> {
        let Found { catalog_id, name, schema, owner, mut acl } = found;
        if let Some((privilege_kind, text)) = self.initial_privileges.get(&catalog_id) {
            acl.initial_kind = Some(*privilege_kind);
            acl.initial = Some(text.clone());
        } else if acl.current.is_none() && !matches!(kind, Kind::Schema(_)) {
            // Most objects have no privileges of their own; nobody compares those with the default.
            acl.default = None;
        }
        let mut available = Components::DEFINITION;
        available.set(Components::ACL, acl.current.is_some());
        let schema = match schema {
            Some(oid) => Some(self.schema(oid)?.name.clone()),
            None => None,
        };
        let owner = match owner {
            Some(oid) => Some(self.role_name(oid)?),
            None => None,
        };
        let acl = (acl != Acl::default()).then(|| Box::new(acl));
        let mut object =
            Object { catalog_id, schema, owner, acl, wanted, available, ..Object::new(name, kind) };
        self.apply_membership(&mut object);
        Ok(self.database.add(object))
    }

    /// Adds an object that has no row in the catalogs of its own, such as the rows of a table.
    pub(crate) fn add_synthetic(
        &mut self,
        name: String,
        like: DumpId,
        wanted: Components,
        kind: Kind,
    ) -> DumpId {
        let model = self.database.object(like);
        let object = Object {
            schema: model.schema.clone(),
            owner: model.owner.clone(),
            wanted,
            available: Components::DEFINITION | Components::DATA,
            ..Object::new(name, kind)
        };
        self.database.add(object)
    }

    /// Adds a part of a relation, such as an index: its place in the catalogs comes from the columns
    /// `tableoid` and `oid`, its schema and owner from the relation.
    pub(crate) fn add_part(
        &mut self,
        row: &Row<'_>,
        name: String,
        of: DumpId,
        wanted: Components,
        kind: Kind,
    ) -> Result<DumpId> {
        let place = CatalogId { class: row.oid("tableoid")?, oid: row.oid("oid")? };
        Ok(self.add_part_at(place, name, of, wanted, kind))
    }

    /// Adds a part of a relation whose place in the catalogs is known.
    pub(crate) fn add_part_at(
        &mut self,
        catalog_id: CatalogId,
        name: String,
        of: DumpId,
        wanted: Components,
        kind: Kind,
    ) -> DumpId {
        let relation = self.database.object(of);
        let object = Object {
            catalog_id,
            schema: relation.schema.clone(),
            owner: relation.owner.clone(),
            wanted,
            ..Object::new(name, kind)
        };
        self.database.add(object)
    }

    /// Gives a member of an extension what its extension wants of it: changed privileges at most, unless
    /// the new cluster gets it without the extension's script.
    fn apply_membership(&self, object: &mut Object) {
        let Some(&extension) = self.members.get(&object.catalog_id) else { return };
        object.extension_member = true;
        object.dependencies.push(extension);
        let contents = match &self.database.object(extension).kind {
            Kind::Extension(extension) => extension.contents,
            _ => Components::empty(),
        };
        object.wanted = match self.options.binary_upgrade {
            true => contents,
            false => contents & Components::ACL,
        };
    }

    async fn read_roles(&mut self) -> Result<()> {
        for row in self.ask("read roles", ROLES).await?.iter() {
            self.database.roles.insert(row.oid("oid")?, row.text("rolname")?.to_owned());
        }
        Ok(())
    }

    async fn read_initial_privileges(&mut self) -> Result<()> {
        if !self.options.privileges {
            return Ok(());
        }
        for row in self.ask("read initial privileges", INITIAL_PRIVILEGES).await?.iter() {
            let id = CatalogId { class: row.oid("classoid")?, oid: row.oid("objoid")? };
            let privileges = (row.character("privtype")?, row.text("initprivs")?.to_owned());
            self.initial_privileges.insert(id, privileges);
        }
        Ok(())
    }

    /// Adds the two section boundaries, which come last and get their edges when the order is made.
    fn add_boundaries(&mut self) {
        for (name, kind) in [
            ("PRE-DATA BOUNDARY", Kind::PreDataBoundary),
            ("POST-DATA BOUNDARY", Kind::PostDataBoundary),
        ] {
            let available = Components::empty();
            self.database.add(Object { available, ..Object::new(name.to_owned(), kind) });
        }
    }
}

/// Returns oids as an array that a query can unnest.
pub(crate) fn oid_array(oids: impl IntoIterator<Item = Oid>) -> String {
    let oids: Vec<String> = oids.into_iter().map(|oid| oid.to_string()).collect();
    format!("'{{{}}}'::pg_catalog.oid[]", oids.join(","))
}

/// Makes the error for catalogs that contradict themselves.
pub(crate) fn inconsistent(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Server, format!("inconsistent catalogs: {}", message.into()))
}
