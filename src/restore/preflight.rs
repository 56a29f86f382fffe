//! What is asked of the target before anything is changed, so that all that is missing is told at once.
//!
//! Reads only. A restore that fails halfway because role number 17 does not exist costs hours; the same
//! sentence at the start costs nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::options::{Mode, RestoreOptions};
use super::roles;
use super::session::SessionSetup;
use super::user_objects;
use crate::archive::selection::Marks;
use crate::archive::statements::is_database_entry;
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Section, ServerVersion, TocEntry};

/// What the plan must know of the server and the database it restores into.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) version: ServerVersion,
    /// The role that objects will belong to when nothing else is said.
    pub(super) user: String,
    pub(super) superuser: bool,
    /// How many locks one transaction may hold without taking more than its share.
    pub(super) lock_share: usize,
    /// Whether a table that is truncated in the transaction of its load needs no WAL.
    pub(super) minimal_wal: bool,
}

const FACTS: &str = "
select current_user as current_role, pg_catalog.current_setting('is_superuser') = 'on' as superuser,
       pg_catalog.current_setting('max_locks_per_transaction')::int8 as locks,
       pg_catalog.current_setting('max_connections')::int8
         + pg_catalog.current_setting('max_prepared_transactions')::int8 as backends,
       pg_catalog.current_setting('wal_level') as wal_level,
       pg_catalog.pg_is_in_recovery() as standby,
       pg_catalog.current_setting('default_transaction_read_only') as read_only";

impl Target {
    /// Asks the server; refuses one that takes no changes.
    pub(super) async fn read(session: &Session) -> Result<Target> {
        let rows = session.query("read the settings of the target", FACTS).await?;
        let row = rows.single()?;
        if row.boolean("standby")? {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("{} is a standby and takes no changes", session.description()),
            )
            .with_hint("restore into its primary"));
        }
        if row.text("read_only")? == "on" {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("{} is set to read only transactions", session.description()),
            )
            .with_hint("default_transaction_read_only is on for this database or role"));
        }
        let slots = row.integer::<usize>("locks")?.saturating_mul(row.integer("backends")?);
        Ok(Target {
            version: session.version(),
            user: row.text("current_role")?.to_owned(),
            superuser: row.boolean("superuser")?,
            lock_share: slots / 4,
            minimal_wal: row.text("wal_level")? == "minimal",
        })
    }
}

/// What is to be restored, as the checks see it.
pub(super) struct Request<'a> {
    pub(super) options: &'a RestoreOptions,
    pub(super) entries: &'a [TocEntry],
    pub(super) marks: &'a [Marks],
}

impl<'a> Request<'a> {
    fn wanted(&self) -> impl Iterator<Item = &'a TocEntry> {
        self.entries.iter().zip(self.marks).filter(|(_, marks)| marks.any()).map(|(entry, _)| entry)
    }

    fn schema_wanted(&self) -> impl Iterator<Item = &'a TocEntry> {
        self.entries
            .iter()
            .zip(self.marks)
            .filter(|(_, marks)| marks.schema)
            .map(|(entry, _)| entry)
    }
}

/// Everything that stands in the way, and everything worth a warning.
#[derive(Debug, Default)]
pub(super) struct Findings {
    obstacles: Vec<String>,
    hints: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Findings {
    /// Tells whether something has been found that stands in the way.
    pub(super) fn has_obstacles(&self) -> bool {
        !self.obstacles.is_empty()
    }

    /// Forgets what stands in the way only of the database that is connected to.
    pub(super) fn forget_obstacles(&mut self) {
        self.obstacles.clear();
        self.hints.clear();
    }

    fn obstacle(&mut self, text: String, hint: &str) {
        self.obstacles.push(text);
        if !self.hints.iter().any(|other| other == hint) {
            self.hints.push(hint.to_owned());
        }
    }

    /// Turns the obstacles into one refusal that names all of them.
    pub(super) fn refuse(&mut self, session: &Session) -> Result<()> {
        let obstacles = std::mem::take(&mut self.obstacles);
        if obstacles.is_empty() {
            return Ok(());
        }
        let mut message = format!("cannot restore into {}: ", session.description());
        if let [only] = obstacles.as_slice() {
            message.push_str(only);
        } else {
            message.push_str(&format!("{} things stand in the way", obstacles.len()));
            for obstacle in &obstacles {
                message.push_str(&format!("\n  - {obstacle}"));
            }
        }
        let mut error = Error::new(ErrorKind::Refused, message);
        for hint in self.hints.drain(..) {
            error = error.with_hint(hint);
        }
        Err(error)
    }
}

/// Looks for everything that would make the restore fail, without changing anything.
pub(super) async fn check(
    session: &Session,
    target: &Target,
    request: &Request<'_>,
    mut findings: Findings,
) -> Result<Findings> {
    if request.options.create {
        check_new_database(session, request, &mut findings).await?;
    } else {
        check_emptiness(session, request, &mut findings).await?;
    }
    check_roles(session, request, &mut findings).await?;
    check_tablespaces(session, request, &mut findings).await?;
    check_extensions(session, request, &mut findings).await?;
    if request.options.disable_triggers && !target.superuser && request.options.superuser.is_none()
    {
        findings.obstacle(
            format!(
                "--disable-triggers turns foreign keys off, which only a superuser may do, and {} is none",
                target.user
            ),
            "connect as a superuser, or name one with --superuser",
        );
    }
    Ok(findings)
}

async fn names(session: &Session, purpose: &str, sql: &str) -> Result<BTreeSet<String>> {
    let rows = session.query(purpose, sql).await?;
    Ok(rows.iter().filter_map(|row| row.at(0)).map(str::to_owned).collect())
}

async fn check_new_database(
    session: &Session,
    request: &Request<'_>,
    findings: &mut Findings,
) -> Result<()> {
    let Some(database) = request.entries.iter().find(|entry| entry.desc == "DATABASE") else {
        findings.obstacle(
            "the archive does not say which database to create".into(),
            "create the database by hand and restore without --create",
        );
        return Ok(());
    };
    let existing =
        names(session, "list the databases", "select datname from pg_catalog.pg_database").await?;
    if existing.contains(&database.tag) && !request.options.clean {
        findings.obstacle(
            format!("the database {:?} exists already", database.tag),
            "add --clean to drop it first, or restore into it without --create",
        );
    }
    if request.options.clean && request.options.connection.database() == database.tag {
        findings.obstacle(
            format!("the database {:?} cannot be dropped by a connection to itself", database.tag),
            "connect to another database with -d, for example -d postgres",
        );
    }
    Ok(())
}

async fn check_emptiness(
    session: &Session,
    request: &Request<'_>,
    findings: &mut Findings,
) -> Result<()> {
    let options = request.options;
    let defines = request
        .schema_wanted()
        .any(|entry| entry.section == Section::PreData && !is_database_entry(entry));
    let exempt = options.clean
        || options.data_only
        || options.no_schema
        || options.mode == Mode::Append
        || !defines;
    if exempt {
        return Ok(());
    }
    let mut found = user_objects::read(session).await?;
    if options.names_objects() {
        let wanted: BTreeSet<(&str, &str, &str)> =
            request.schema_wanted().filter_map(object_name).collect();
        found.retain(|object| wanted.contains(&object.identity()));
    }
    if found.is_empty() {
        return Ok(());
    }
    let listed = user_objects::listed(&found);
    if options.names_objects() {
        findings.obstacle(
            format!("the target holds already what is to be restored: {listed}"),
            "use --clean to replace it, or --data-only to load only the rows",
        );
    } else {
        findings.obstacle(
            format!("the database is not empty: {listed}"),
            "restore into a new database (--create makes one), use --clean to replace what the archive holds, or --mode append to add to what is there",
        );
    }
    Ok(())
}

/// Returns the class, schema and name under which [`user_objects`] would list what an entry makes.
fn object_name(entry: &TocEntry) -> Option<(&str, &str, &str)> {
    let class = match entry.desc.as_str() {
        "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "FOREIGN TABLE" | "SEQUENCE" => "relation",
        "TYPE" | "DOMAIN" => "type",
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => "function",
        _ => return None,
    };
    Some((class, entry.namespace.as_deref()?, &entry.tag))
}

/// Compares the encodings of archive and database, and tells whether the session can be set up.
///
/// Comes before everything else: the names in the archive can only be compared with those on the server
/// when the session speaks the archive's encoding.
pub(super) async fn check_encoding(
    session: &Session,
    options: &RestoreOptions,
    setup: &SessionSetup,
) -> Result<Findings> {
    let mut findings = Findings::default();
    let Some(source) = setup.encoding() else { return Ok(findings) };
    let own = session.parameter("server_encoding").unwrap_or_default();
    let own = own.as_str();
    if source.eq_ignore_ascii_case(own) || own == "SQL_ASCII" {
        return Ok(findings);
    }
    if source == "SQL_ASCII" {
        findings.warnings.push(format!(
            "the archive holds text without a known encoding (SQL_ASCII); rows that are not valid {own} will be refused"
        ));
        return Ok(findings);
    }
    let literal = |name: &str| crate::sql::quote_literal_for_server(name);
    let known = session
        .query(
            "look for a conversion between the encodings",
            &format!(
                "select exists (select from pg_catalog.pg_conversion
                   where conforencoding = pg_catalog.pg_char_to_encoding({})
                     and contoencoding = pg_catalog.pg_char_to_encoding({}) and condefault) as known",
                literal(source),
                literal(own)
            ),
        )
        .await?;
    if !known.single()?.boolean("known")? {
        findings.obstacle(
            format!("the archive holds text in {source}, which cannot be converted to the database's encoding {own}"),
            "restore into a database with ENCODING UTF8",
        );
    } else if own != "UTF8" {
        findings.warnings.push(format!(
            "the archive holds text in {source}; rows with characters that {own} does not have will be refused"
        ));
    }
    if options.create {
        // The database that will hold the data is still to be made, with an encoding of its own.
        findings.warnings.clear();
    }
    Ok(findings)
}

async fn check_roles(
    session: &Session,
    request: &Request<'_>,
    findings: &mut Findings,
) -> Result<()> {
    let existing =
        names(session, "list the roles", "select rolname from pg_catalog.pg_roles").await?;
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    let mut grantees: BTreeSet<String> = BTreeSet::new();
    for entry in request.wanted() {
        if !request.options.no_owner
            && let Some(owner) = entry.owner.as_deref().filter(|owner| !owner.is_empty())
            && entry.drop_statement.as_deref().is_some_and(|drop| !drop.is_empty())
        {
            *owners.entry(owner).or_default() += 1;
        }
        grantees.extend(roles::named_in(entry));
    }
    let listed = |names: Vec<String>| names.join(", ");
    let missing: Vec<String> = owners
        .keys()
        .filter(|owner| !existing.contains(**owner))
        .map(|owner| crate::sql::quote_identifier(owner))
        .collect();
    if !missing.is_empty() {
        let create = format!("create them first (CREATE ROLE {};)", missing.join("; CREATE ROLE "));
        findings.obstacle(
            format!("roles that own objects do not exist: {}", listed(missing)),
            &format!("{create}, or leave ownership to the connecting user with --no-owner"),
        );
    }
    let missing: Vec<String> = grantees
        .iter()
        .filter(|role| !existing.contains(*role) && !owners.contains_key(role.as_str()))
        .map(|role| crate::sql::quote_identifier(role))
        .collect();
    if !missing.is_empty() {
        findings.obstacle(
            format!("roles that privileges or policies name do not exist: {}", listed(missing)),
            "create them first, or leave privileges out with --no-privileges and policies with --no-policies",
        );
    }
    Ok(())
}

async fn check_tablespaces(
    session: &Session,
    request: &Request<'_>,
    findings: &mut Findings,
) -> Result<()> {
    if request.options.no_tablespaces {
        return Ok(());
    }
    let wanted: BTreeSet<&str> = request
        .schema_wanted()
        .filter_map(|entry| entry.tablespace.as_deref())
        .filter(|tablespace| !tablespace.is_empty())
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let existing =
        names(session, "list the tablespaces", "select spcname from pg_catalog.pg_tablespace")
            .await?;
    let missing: Vec<String> = wanted
        .into_iter()
        .filter(|tablespace| !existing.contains(*tablespace))
        .map(crate::sql::quote_identifier)
        .collect();
    if !missing.is_empty() {
        findings.obstacle(
            format!("tablespaces do not exist: {}", missing.join(", ")),
            "create them first, or put everything into the default one with --no-tablespaces",
        );
    }
    Ok(())
}

async fn check_extensions(
    session: &Session,
    request: &Request<'_>,
    findings: &mut Findings,
) -> Result<()> {
    let wanted: BTreeSet<&str> = request
        .schema_wanted()
        .filter(|entry| entry.desc == "EXTENSION")
        .map(|entry| entry.tag.as_str())
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let available = names(
        session,
        "list the extensions the server offers",
        "select name from pg_catalog.pg_available_extensions",
    )
    .await?;
    let missing: Vec<&str> =
        wanted.into_iter().filter(|extension| !available.contains(*extension)).collect();
    if !missing.is_empty() {
        findings.obstacle(
            format!("the server does not have the extensions {}", missing.join(", ")),
            "install their packages on the server of the target",
        );
    }
    Ok(())
}
