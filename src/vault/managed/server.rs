//! What a server tells about its databases and who uses them; only shared catalogs, so any database will do.

use crate::connect::Session;
use crate::error::Result;
use crate::sql::quote_literal_for_server;

/// What of a database cannot change places with another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ties {
    /// Logical replication slots: they follow the database, not its name.
    pub(super) slots: Vec<String>,
    /// Subscriptions that are enabled.
    pub(super) subscriptions: Vec<String>,
    /// Prepared transactions.
    pub(super) prepared: Vec<String>,
}

/// Looks for what ties a database to its oid.
pub(super) async fn ties(session: &Session, database: &str) -> Result<Ties> {
    let name = quote_literal_for_server(database);
    let list = async |purpose: &str, sql: String| -> Result<Vec<String>> {
        let rows = session.query(purpose, &sql).await?;
        Ok(rows.iter().filter_map(|row| row.at(0)).map(str::to_owned).collect())
    };
    Ok(Ties {
        slots: list(
            "look for replication slots",
            format!(
                "select slot_name from pg_catalog.pg_replication_slots where database = {name} order by 1"
            ),
        )
        .await?,
        subscriptions: list(
            "look for subscriptions",
            format!(
                "select s.subname from pg_catalog.pg_subscription s
                join pg_catalog.pg_database d on d.oid = s.subdbid
                where d.datname = {name} and s.subenabled order by 1"
            ),
        )
        .await?,
        prepared: list(
            "look for prepared transactions",
            format!(
                "select gid from pg_catalog.pg_prepared_xacts where database = {name} order by 1"
            ),
        )
        .await?,
    })
}

/// What the connected role may do with a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rights {
    /// The role.
    pub(super) role: String,
    /// Whether it may create databases.
    pub(super) creates: bool,
    /// Whether it may do what the owner may.
    pub(super) owns: bool,
    /// Whether it may change settings of other roles.
    pub(super) settles_roles: bool,
}

/// Asks what the connected role may do with a database.
pub(super) async fn rights(session: &Session, database: &str) -> Result<Rights> {
    let sql = format!(
        "select r.rolname, r.rolsuper or r.rolcreatedb as creates,
            r.rolsuper or r.rolcreaterole as settles,
            r.rolsuper or coalesce((select pg_catalog.pg_has_role(d.datdba, 'USAGE')
                from pg_catalog.pg_database d where d.datname = {}), true) as owns
        from pg_catalog.pg_roles r where r.rolname = current_user",
        quote_literal_for_server(database)
    );
    let rows = session.query("ask for the rights of the role", &sql).await?;
    let row = rows.single()?;
    Ok(Rights {
        role: row.text("rolname")?.to_owned(),
        creates: row.boolean("creates")?,
        owns: row.boolean("owns")?,
        settles_roles: row.boolean("settles")?,
    })
}

/// How much was written in a database and on its server, as far as it can be seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Activity {
    /// The position of the server's log.
    pub(super) lsn: String,
    /// Rows that were inserted, updated or deleted in the database since its counters began.
    pub(super) rows_written: i64,
}

/// Asks how much was written until now.
pub(super) async fn activity(session: &Session, database: &str) -> Result<Activity> {
    let sql = format!(
        "select pg_catalog.pg_current_wal_lsn() as lsn,
            coalesce((select tup_inserted + tup_updated + tup_deleted
                from pg_catalog.pg_stat_database where datname = {}), 0) as written",
        quote_literal_for_server(database)
    );
    let rows = session.query("ask what was written", &sql).await?;
    let row = rows.single()?;
    Ok(Activity { lsn: row.text("lsn")?.to_owned(), rows_written: row.integer("written")? })
}

/// Asks for the size of a database; none when there is no such database or the role may not know.
pub(super) async fn size(session: &Session, database: &str) -> Result<Option<u64>> {
    let sql = format!(
        "select case when pg_catalog.has_database_privilege(oid, 'CONNECT')
            then pg_catalog.pg_database_size(oid) end as bytes
        from pg_catalog.pg_database where datname = {}",
        quote_literal_for_server(database)
    );
    let rows = session.query("ask for the size of the database", &sql).await?;
    Ok(rows.first().and_then(|row| row.optional("bytes")).and_then(|bytes| bytes.parse().ok()))
}
