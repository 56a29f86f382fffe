//! ACCESS SHARE locks on every table of a dump, taken before its snapshot.
//!
//! LOCK takes no snapshot of its own, so the order "locks, then snapshot" is kept as long as nothing
//! else is sent in between. While the keeper waits, a second session asks who is in the way: the waiting
//! one cannot ask, and after a time-out the server does not say.

use std::time::Duration;

use tokio::time::sleep;

use super::Unreadable;
use super::candidates::{Candidates, TableName};
use super::session::SessionRecipe;
use crate::connect::{Session, server_error, sqlstate};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Oid;
use crate::progress::{Interrupt, ProgressHandle};
use crate::sql::quote_literal_for_server;

/// pg_dump's bound on the text of one LOCK statement.
const BATCH_BYTES: usize = 100_000;

/// Locks that are free take milliseconds; after this time somebody holds one.
const PATIENCE: Duration = Duration::from_millis(300);

/// How often to ask again who is in the way.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// How locking ended when it did not fail for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locked {
    /// Every table is locked.
    All,
    /// A table vanished, or the server broke a deadlock: the transaction has failed, begin again.
    Again,
}

/// Who waits and what is told to whom meanwhile.
pub(super) struct Locker<'a> {
    pub(super) keeper: &'a Session,
    pub(super) recipe: &'a SessionRecipe,
    pub(super) timeout: Option<&'a str>,
    pub(super) unreadable: Unreadable,
    pub(super) progress: &'a ProgressHandle,
    pub(super) interrupt: &'a Interrupt,
}

impl Locker<'_> {
    /// Locks every table of the candidates inside the keeper's transaction.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`] when a lock was not granted in time, naming the table and who holds it;
    /// [`ErrorKind::Refused`] when the server has no lock slots left.
    pub(super) async fn lock(&self, candidates: &Candidates) -> Result<Locked> {
        if let Some(timeout) = self.timeout {
            // `lock_timeout` counts only the waiting and each lock by itself; pg_dump's
            // `statement_timeout` would also count the work of locking 100,000 tables.
            let set = format!("set local lock_timeout to {}", quote_literal_for_server(timeout));
            self.keeper.execute("set the lock wait timeout", &set).await?;
        }
        for batch in batches(candidates) {
            match self.watch(self.keeper.execute("lock the tables", &batch.statement)).await {
                Ok(()) => {}
                Err(error) => match self.explain(error, &batch, candidates.tables.len()).await {
                    Some(error) => return Err(error),
                    None => return Ok(Locked::Again),
                },
            }
        }
        if self.timeout.is_some() {
            self.keeper
                .execute("reset the lock wait timeout", "set local lock_timeout to 0")
                .await?;
        }
        Ok(Locked::All)
    }

    /// Waits for a statement of the keeper; warns of who is in the way, and stops on an interrupt.
    async fn watch(&self, statement: impl Future<Output = Result<()>>) -> Result<()> {
        let report = async {
            sleep(PATIENCE).await;
            let mut last = None;
            loop {
                // Nobody to ask is no reason to stop waiting.
                if let Ok(Some(holders)) = self.ask(WaitingFor::Keeper).await
                    && last.as_ref() != Some(&holders)
                {
                    self.progress.warning(&format!("waiting for {holders}"));
                    last = Some(holders);
                }
                sleep(ASK_AGAIN).await;
            }
        };
        tokio::select! {
            biased;
            result = statement => result,
            () = self.interrupt.wait() => {
                Err(super::interrupted(self.keeper, "waiting for table locks").await)
            }
            () = report => Err(Error::new(ErrorKind::Internal, "the lock report ended")),
        }
    }

    /// Turns the server's refusal into one that a person can act on; `None` when trying again helps.
    async fn explain(&self, error: Error, batch: &Batch, tables: usize) -> Option<Error> {
        let code = server_error(&error).map(|error| error.sqlstate.clone()).unwrap_or_default();
        match code.as_str() {
            // A schema that is gone has a code of its own.
            sqlstate::UNDEFINED_TABLE | "3F000" | sqlstate::DEADLOCK_DETECTED => None,
            sqlstate::LOCK_NOT_AVAILABLE => {
                let holders = self.ask(WaitingFor::Batch(batch)).await.ok().flatten();
                let what = match holders {
                    Some(holders) => holders.to_string(),
                    None => "a table lock".to_owned(),
                };
                let timeout = self.timeout.unwrap_or("the server's lock_timeout");
                Some(
                    Error::new(
                        ErrorKind::Locked,
                        format!("could not lock the tables within {timeout}: waited for {what}"),
                    )
                    .with_source(error)
                    .with_hint(
                        "run the dump again when that transaction has ended, or wait longer with --lock-wait-timeout",
                    ),
                )
            }
            sqlstate::OUT_OF_MEMORY => Some(self.out_of_slots(error, tables).await),
            sqlstate::INSUFFICIENT_PRIVILEGE if self.unreadable == Unreadable::Refuse => Some(
                Error::new(ErrorKind::Refused, "could not lock the tables: a privilege is missing")
                    .with_source(error),
            ),
            _ => Some(error),
        }
    }

    /// Says how many locks there are and how many are needed.
    async fn out_of_slots(&self, error: Error, tables: usize) -> Error {
        const QUERY: &str = "select current_setting('max_locks_per_transaction') as locks,
            current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int
                as transactions";
        let asked = async {
            let session = self.recipe.connect().await?;
            let rows = session.query("ask for the number of lock slots", QUERY).await?;
            let row = rows.single()?;
            Ok::<_, Error>((row.integer::<u64>("locks")?, row.integer::<u64>("transactions")?))
        };
        let message = format!("could not lock {tables} tables: the server has no lock slots left");
        match asked.await {
            Ok((locks, transactions)) => {
                // A quarter more than the tables alone, for everybody else's locks.
                let needed = (tables as u64 + tables as u64 / 4).div_ceil(transactions.max(1)) + 1;
                let needed = needed.max(locks + locks / 4 + 1);
                Error::new(
                    ErrorKind::Refused,
                    format!(
                        "{message} (max_locks_per_transaction is {locks}: about {} for everybody)",
                        locks * transactions
                    ),
                )
                .with_source(error)
                .with_hint(format!(
                    "set max_locks_per_transaction to at least {needed} and restart the server, or dump in parts with --schema or --table"
                ))
            }
            Err(_) => Error::new(ErrorKind::Refused, message).with_source(error).with_hint(
                "raise max_locks_per_transaction and restart the server, or dump in parts with --schema or --table",
            ),
        }
    }

    /// Asks over a second connection who is in the way.
    async fn ask(&self, waiting: WaitingFor<'_>) -> Result<Option<Holders>> {
        let session = self.recipe.connect().await?;
        let query = match waiting {
            WaitingFor::Keeper => {
                let keeper = self.keeper.backend_pid();
                format!(
                    "select l.relation, blocker.pid
                    from pg_catalog.pg_locks l, unnest(pg_catalog.pg_blocking_pids({keeper})) as blocker(pid)
                    where l.pid = {keeper} and not l.granted and l.locktype = 'relation'"
                )
            }
            // The keeper's wait is over, so nobody blocks it any more: whoever holds or wants the one
            // kind of lock that excludes readers is meant.
            WaitingFor::Batch(batch) => format!(
                "select l.relation, l.pid from pg_catalog.pg_locks l
                where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
                  and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
                  and l.relation = any ('{{{}}}'::pg_catalog.oid[])",
                batch.oids.iter().map(Oid::to_string).collect::<Vec<_>>().join(",")
            ),
        };
        let query = format!(
            "select n.nspname, c.relname, w.pid, a.usename, a.application_name, a.state,
                left(regexp_replace(a.query, '\\s+', ' ', 'g'), 200) as query,
                to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as began
            from ({query}) w(relation, pid)
            join pg_catalog.pg_class c on c.oid = w.relation
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            left join pg_catalog.pg_stat_activity a on a.pid = w.pid
            order by n.nspname, c.relname, a.xact_start, w.pid"
        );
        let rows = session.query("ask who holds the locks", &query).await?;
        let mut holders = Vec::new();
        for row in &rows {
            let table = TableName {
                schema: row.text("nspname")?.to_owned(),
                name: row.text("relname")?.to_owned(),
            };
            let mut who = format!("process {}", row.text("pid")?);
            if let Some(user) = row.optional("usename") {
                who.push_str(&format!(" of {user}"));
            }
            if let Some(name) = row.optional("application_name").filter(|name| !name.is_empty()) {
                who.push_str(&format!(" ({name})"));
            }
            if let Some(began) = row.optional("began") {
                who.push_str(&format!(", in a transaction since {began} UTC"));
            }
            match (row.optional("state"), row.optional("query")) {
                (Some("active"), Some(query)) => who.push_str(&format!(", running: {query}")),
                (_, Some(query)) if !query.is_empty() => {
                    who.push_str(&format!(", last statement: {query}"));
                }
                _ => {}
            }
            holders.push((table, who));
        }
        session.close().await;
        Ok(if holders.is_empty() { None } else { Some(Holders(holders)) })
    }
}

/// Whose obstacle is asked for.
enum WaitingFor<'a> {
    /// The keeper, which waits at this moment.
    Keeper,
    /// A batch whose locking has failed.
    Batch(&'a Batch),
}

/// The sessions that keep tables locked, by table.
#[derive(Debug, PartialEq, Eq)]
struct Holders(Vec<(TableName, String)>);

impl std::fmt::Display for Holders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut last = None;
        for (table, who) in &self.0 {
            if last == Some(table) {
                write!(f, "; behind {who}")?;
            } else {
                let separator = if last.is_some() { "; " } else { "" };
                write!(f, "{separator}{}, locked by {who}", table.sql())?;
            }
            last = Some(table);
        }
        Ok(())
    }
}

/// One LOCK statement and the tables it names.
struct Batch {
    statement: String,
    oids: Vec<Oid>,
}

/// Packs the tables into LOCK statements of bounded length.
///
/// ONLY: children are listed by themselves when they are wanted, and locking the others would make a
/// dump of one table wait for tables that it does not read.
fn batches(candidates: &Candidates) -> Vec<Batch> {
    const MODE: &str = " in access share mode";
    let mut batches: Vec<Batch> = Vec::new();
    for (oid, name) in &candidates.tables {
        let sql = name.sql();
        match batches.last_mut() {
            Some(batch) if batch.statement.len() + sql.len() + MODE.len() < BATCH_BYTES => {
                batch.statement.push_str(", only ");
                batch.statement.push_str(&sql);
                batch.oids.push(*oid);
            }
            _ => batches
                .push(Batch { statement: format!("lock table only {sql}"), oids: vec![*oid] }),
        }
    }
    for batch in &mut batches {
        batch.statement.push_str(MODE);
    }
    batches
}
