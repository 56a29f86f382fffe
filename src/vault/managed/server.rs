//! What a server tells about its databases and who uses them; only shared catalogs, so any database will do.

use crate::connect::Session;
use crate::error::Result;
use crate::sql::quote_literal_for_server;

/// A database of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::vault) struct FoundDatabase {
    /// Its name.
    pub(in crate::vault) name: String,
    /// Its oid, which stays when it is renamed.
    pub(in crate::vault) oid: u32,
    /// Whether it takes connections.
    pub(in crate::vault) allow_connections: bool,
    /// Its comment.
    pub(in crate::vault) comment: Option<String>,
}

/// Somebody who is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Connected {
    /// The process.
    pub(super) pid: i32,
    /// In words: application, user, since when.
    pub(super) who: String,
}

const DATABASES: &str = "select datname, oid, datallowconn,
        pg_catalog.shobj_description(oid, 'pg_database') as comment
    from pg_catalog.pg_database order by datname";

/// Lists the databases.
pub(in crate::vault) async fn databases(session: &Session) -> Result<Vec<FoundDatabase>> {
    let rows = session.query("list the databases", DATABASES).await?;
    rows.iter()
        .map(|row| {
            Ok(FoundDatabase {
                name: row.text("datname")?.to_owned(),
                oid: row.oid("oid")?.0,
                allow_connections: row.boolean("datallowconn")?,
                comment: row.optional("comment").map(str::to_owned),
            })
        })
        .collect()
}

/// Lists who is connected to a database.
///
/// Also background processes that work in it, such as those of subscriptions; not autovacuum, which
/// gives way by itself. Its kind is hidden from roles without pg_read_all_stats, but everybody else has a user.
pub(super) async fn connected(session: &Session, database: &str) -> Result<Vec<Connected>> {
    let sql = format!(
        "select pid, coalesce(usename, '') as usename, coalesce(application_name, '') as application,
            coalesce(backend_type, '') as kind,
            coalesce(pg_catalog.to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS'), '') as since
        from pg_catalog.pg_stat_activity
        where datname = {} and pid <> pg_catalog.pg_backend_pid()
          and backend_type is distinct from 'autovacuum worker'
          and not (backend_type is null and usesysid is null)
        order by backend_start, pid",
        quote_literal_for_server(database)
    );
    let rows = session.query("list who is connected", &sql).await?;
    rows.iter()
        .map(|row| {
            let application = match (row.text("application")?, row.text("kind")?) {
                ("", kind) => kind,
                (application, _) => application,
            };
            let (user, since) = (row.text("usename")?, row.text("since")?);
            let pid = row.integer("pid")?;
            Ok(Connected { pid, who: format!("{application} ({user}, pid {pid}, since {since})") })
        })
        .collect()
}

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

/// Asks how many bytes of log the server has written since a position.
pub(super) async fn written_since(session: &Session, lsn: &str) -> Result<u64> {
    let sql = format!(
        "select greatest(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), {}), 0) as bytes",
        quote_literal_for_server(lsn)
    );
    let rows = session.query("ask how much was written", &sql).await?;
    rows.single()?.integer("bytes")
}
