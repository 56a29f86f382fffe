//! The session that holds a database still while it is read: its locks, its snapshot, its model.
//!
//! The order of steps is what keeps rows from being lost. The tables are listed in a first short
//! transaction, then locked in a second one whose snapshot does not exist yet (`BEGIN` and `LOCK
//! TABLE` need none), and only then the first query takes the snapshot. pg_dump takes the snapshot
//! first: a table truncated between snapshot and lock then dumps as empty, without an error.
//!
//! ```text
//! list tables | BEGIN   LOCK t1, t2, ...   pg_export_snapshot()   catalogs   list again
//!             ^ a table made here is found by the second list, and the whole begins again
//! ```
//!
//! Workers import the snapshot; it stays importable as long as the keeper's transaction is open.

use std::collections::HashMap;
use std::time::Duration;

use super::{CatalogOptions, SessionSettings, Transaction, read, resolve_selection};
use crate::connect::{ConnectParams, Session, server_error, sqlstate};
use crate::error::{Error, ErrorKind, Result};
use crate::model::schema::Schema;
use crate::model::{Database, Oid};
use crate::progress::ProgressHandle;
use crate::select::{Selection, SelectionRequest};
use crate::sql::{parse_array, qualified, quote_literal_for_server};

/// How often the whole is begun again when tables come and go between list and locks.
const ATTEMPTS: u32 = 10;

/// The length of one LOCK statement; pg_dump uses the same bound.
const LOCK_STATEMENT_BYTES: usize = 100_000;

/// How a keeper reads.
#[derive(Debug, Clone, Default)]
pub struct KeeperOptions {
    /// The session's settings.
    pub settings: SessionSettings,
    /// The transaction it reads in.
    pub transaction: Transaction,
    /// How long to wait for the locks, in any form the server understands; `None` waits for ever.
    pub lock_wait_timeout: Option<String>,
    /// A snapshot exported by somebody else; then the snapshot is older than the locks, and a table
    /// truncated in between is read as empty.
    pub snapshot: Option<String>,
    /// What is wanted.
    pub request: SelectionRequest,
    /// What is read of the catalogs.
    pub catalog: CatalogOptions,
}

/// A locked table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LockedTable {
    /// Its oid.
    pub oid: Oid,
    /// Its raw schema.
    pub schema: String,
    /// Its raw name.
    pub name: String,
}

/// What tells one running server from every other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// `pg_control_system().system_identifier`, 0 where the role may not ask.
    pub system_identifier: u64,
    /// `pg_postmaster_start_time()`, which changes with every restart and with every failover.
    pub postmaster_start: String,
}

/// A session that holds locks and snapshot, and the model it read.
pub struct Keeper {
    /// The session, inside its transaction.
    pub session: Session,
    /// The name of the exported snapshot.
    pub snapshot: String,
    /// The database, not yet sorted.
    pub database: Database,
    /// The server it is connected to.
    pub identity: ServerIdentity,
    /// What the patterns matched.
    pub selection: Selection,
    /// The tables that are locked.
    pub locked: Vec<LockedTable>,
}

impl Keeper {
    /// Connects, locks, takes and exports the snapshot and reads the catalogs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`] when a lock is not granted in time, naming who holds it;
    /// [`ErrorKind::Refused`] when the server is out of lock slots or a pooler stands in front of it;
    /// otherwise what connecting and the queries return.
    pub async fn open(
        params: &ConnectParams,
        options: &KeeperOptions,
        progress: &ProgressHandle,
    ) -> Result<Keeper> {
        let session = Session::connect(params).await?;
        // session.check_no_pooler().await?;
        let identity = server_identity(&session).await?;
        // Patterns are matched with the user's own search_path, so before it is emptied.
        let selection = resolve_selection(&session, params.database(), &options.request).await?;
        options.settings.apply(&session).await?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            progress.phase("locking tables", 0, 0);
            let listed = list_tables(&session, &selection).await?;
            session.execute("begin the dump's transaction", options.transaction.begin()).await?;
            if let Some(snapshot) = &options.snapshot {
                let sql =
                    format!("set transaction snapshot {}", quote_literal_for_server(snapshot));
                session.execute("import the snapshot", &sql).await?;
            }
            let locked =
                lock(params, &session, &listed, options.lock_wait_timeout.as_deref()).await;
            match locked {
                Ok(()) => {
                    let snapshot = export_snapshot(&session).await?;
                    if let Some(change) =
                        difference(&listed, &list_tables(&session, &selection).await?)
                    {
                        give_up_after(attempt, &change)?;
                        progress
                            .info(&format!("{change} while tables were locked; beginning again"));
                    } else {
                        progress.phase("reading catalog", 0, 0);
                        let database = read(&session, &options.catalog, &selection).await?;
                        return Ok(Keeper {
                            session,
                            snapshot,
                            database,
                            identity,
                            selection,
                            locked: listed,
                        });
                    }
                }
                Err(error) if is_vanished(&error) => {
                    give_up_after(attempt, "a table was dropped or renamed")?;
                    progress.info("a table vanished while tables were locked; beginning again");
                }
                Err(error) => return Err(error),
            }
            session.execute("begin again", "rollback").await?;
            tokio::time::sleep(Duration::from_millis(50 * u64::from(attempt))).await;
        }
    }
}

fn give_up_after(attempt: u32, change: &str) -> Result<()> {
    if attempt < ATTEMPTS {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Locked,
        format!(
            "could not lock the tables: {change} between list and lock, {attempt} times in a row"
        ),
    )
    .with_hint("try again when fewer tables are made and dropped"))
}

/// Asks which server this is.
pub async fn server_identity(session: &Session) -> Result<ServerIdentity> {
    // A separate cast keeps servers working on which the role may not call pg_control_system.
    const START: &str = "select pg_catalog.pg_postmaster_start_time()::text as started,
        pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute') as allowed";
    let rows = session.query("identify the server", START).await?;
    let row = rows.single()?;
    let mut identity =
        ServerIdentity { system_identifier: 0, postmaster_start: row.text("started")?.to_owned() };
    if row.boolean("allowed")? {
        const IDENTIFIER: &str = "select system_identifier from pg_catalog.pg_control_system()";
        for row in session.query("identify the server", IDENTIFIER).await?.iter() {
            identity.system_identifier = row.integer("system_identifier")?;
        }
    }
    Ok(identity)
}

/// Lists the ordinary and partitioned tables that a dump reads, in the order of their oids.
async fn list_tables(session: &Session, selection: &Selection) -> Result<Vec<LockedTable>> {
    const TABLES: &str = "select c.oid, c.relname, n.oid as schema_oid, n.nspname, n.nspowner,
            x.refobjid as extension, e.extconfig
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        left join pg_catalog.pg_depend x on x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and x.objid = c.oid and x.objsubid = 0 and x.deptype = 'e'
            and x.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        left join pg_catalog.pg_extension e on e.oid = x.refobjid
        where c.relkind in ('r', 'p') and c.relpersistence <> 't'
        order by c.oid";
    let rows = session.query("list tables", TABLES).await?;
    let mut schemas: HashMap<Oid, Schema> = HashMap::new();
    let mut tables = Vec::new();
    for row in rows.iter() {
        let schema_oid = row.oid("schema_oid")?;
        let owner = row.oid("nspowner")?;
        let schema = row.text("nspname")?;
        let decided = schemas.entry(schema_oid).or_insert_with(|| {
            let decision = selection.schema(schema_oid, schema, owner);
            Schema { creation: decision.creation, contents: decision.contents }
        });
        let oid = row.oid("oid")?;
        let wanted = match row.optional("extension") {
            // Of an extension's own tables only the rows of configuration tables are read.
            Some(_) => row
                .optional("extconfig")
                .and_then(parse_array)
                .is_some_and(|tables| tables.contains(&oid.to_string())),
            None => {
                let reads = crate::model::Components::DEFINITION
                    | crate::model::Components::DATA
                    | crate::model::Components::POLICY;
                selection.table(oid, decided.contents).intersects(reads)
            }
        };
        if wanted {
            tables.push(LockedTable {
                oid,
                schema: schema.to_owned(),
                name: row.text("relname")?.to_owned(),
            });
        }
    }
    Ok(tables)
}

/// Returns what changed between two lists, if anything that matters did.
///
/// A table that is gone was locked under its name and oid before, so only what is new or has another
/// oid matters; a list that shrank cannot happen while the locks are held.
fn difference(before: &[LockedTable], after: &[LockedTable]) -> Option<String> {
    let known: HashMap<Oid, &LockedTable> = before.iter().map(|table| (table.oid, table)).collect();
    after.iter().find(|table| known.get(&table.oid) != Some(table)).map(|table| {
        format!("table {} was made, replaced or renamed", qualified(&table.schema, &table.name))
    })
}

/// Locks the tables in ACCESS SHARE mode, many to a statement.
async fn lock(
    params: &ConnectParams,
    session: &Session,
    tables: &[LockedTable],
    timeout: Option<&str>,
) -> Result<()> {
    if let Some(timeout) = timeout {
        let sql = format!("set statement_timeout to {}", quote_literal_for_server(timeout));
        session.execute("set the time to wait for locks", &sql).await?;
    }
    let mut remaining = tables;
    while !remaining.is_empty() {
        let mut names = String::new();
        let mut count = 0;
        for table in remaining {
            if count > 0 {
                if names.len() >= LOCK_STATEMENT_BYTES {
                    break;
                }
                names.push_str(", ");
            }
            // ONLY, because partitions are in the list themselves, and a child that is not wanted
            // need not be readable.
            names.push_str("only ");
            names.push_str(&qualified(&table.schema, &table.name));
            count += 1;
        }
        let (batch, rest) = remaining.split_at(count);
        remaining = rest;
        let sql = format!("lock table {names} in access share mode");
        if let Err(error) = session.execute("lock the tables", &sql).await {
            return Err(explain_lock_failure(params, batch, timeout, error).await);
        }
    }
    if timeout.is_some() {
        session.execute("reset the time to wait", "set statement_timeout to 0").await?;
    }
    Ok(())
}

/// Tells whether a table that was to be locked does not exist any more.
fn is_vanished(error: &Error) -> bool {
    matches!(
        state_of(error),
        Some(sqlstate::UNDEFINED_TABLE | "3F000" | "42809") // also: no such schema, not a table any more
    )
}

fn state_of(error: &Error) -> Option<&str> {
    server_error(error).map(|error| error.sqlstate.as_str())
}

/// Turns the server's refusal of a LOCK statement into an error that says who is in the way.
async fn explain_lock_failure(
    params: &ConnectParams,
    batch: &[LockedTable],
    timeout: Option<&str>,
    error: Error,
) -> Error {
    match state_of(&error) {
        Some(sqlstate::QUERY_CANCELED | sqlstate::LOCK_NOT_AVAILABLE) if timeout.is_some() => {
            let waited = timeout.unwrap_or_default();
            let mut explained = Error::new(
                ErrorKind::Locked,
                format!("could not lock the tables within --lock-wait-timeout={waited}"),
            );
            // The transaction is aborted and no longer waits, so what it waited for is found by asking
            // who holds a lock that conflicts with ours.
            match blockers(params, batch).await {
                Ok(blockers) if !blockers.is_empty() => {
                    for blocker in blockers {
                        explained = explained.with_hint(blocker);
                    }
                }
                _ => {
                    explained =
                        explained.with_hint("the holder has released its lock meanwhile; try again")
                }
            }
            explained.with_source(error)
        }
        // The shared lock table is full.
        Some(sqlstate::OUT_OF_MEMORY) => Error::new(
            ErrorKind::Refused,
            format!("could not lock {} tables: the server is out of lock slots", batch.len()),
        )
        .with_hint(
            "raise max_locks_per_transaction on the server (needs a restart), or dump part of the \
             database with -n or -t",
        )
        .with_source(error),
        Some(sqlstate::INSUFFICIENT_PRIVILEGE) => Error::new(
            ErrorKind::Refused,
            "could not lock the tables: the role may not read all of them",
        )
        .with_hint("grant SELECT on them to the role, or leave them out with -T or -N")
        .with_source(error),
        _ => error,
    }
}

/// Lists who holds a lock on one of the tables that keeps ACCESS SHARE out.
async fn blockers(params: &ConnectParams, tables: &[LockedTable]) -> Result<Vec<String>> {
    let oids: Vec<String> = tables.iter().map(|table| table.oid.to_string()).collect();
    let sql = format!(
        "select l.pid, c.relname, n.nspname, a.usename, a.application_name, a.state,
            a.query_start::text as query_start, pg_catalog.left(a.query, 80) as query
        from pg_catalog.pg_locks l
        join pg_catalog.pg_class c on c.oid = l.relation
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        left join pg_catalog.pg_stat_activity a on a.pid = l.pid
        where l.granted and l.mode = 'AccessExclusiveLock'
          and l.relation = any ('{{{}}}'::pg_catalog.oid[])
        order by a.query_start limit 5",
        oids.join(",")
    );
    // A session of its own: the first one sits in an aborted transaction.
    let session = Session::connect(params).await?;
    let rows = session.query("ask who holds the locks", &sql).await?;
    let mut lines = Vec::new();
    for row in rows.iter() {
        lines.push(format!(
            "process {} ({}, {}) holds {}; its query since {}: {}",
            row.text("pid")?,
            row.optional("usename").unwrap_or("unknown user"),
            row.optional("state").unwrap_or("unknown state"),
            qualified(row.text("nspname")?, row.text("relname")?),
            row.optional("query_start").unwrap_or("unknown"),
            row.optional("query").unwrap_or("hidden").replace('\n', " "),
        ));
    }
    session.close().await;
    Ok(lines)
}

async fn export_snapshot(session: &Session) -> Result<String> {
    const EXPORT: &str = "select pg_catalog.pg_export_snapshot() as snapshot";
    let rows = session.query("export the snapshot", EXPORT).await?;
    let row = rows.single()?;
    Ok(row.text("snapshot")?.to_owned())
}
