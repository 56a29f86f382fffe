//! The databases of a server, whichever one the session is in.

use crate::connect::Session;
use crate::error::Result;

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
