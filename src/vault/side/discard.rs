//! Dropping databases of our own, and telling which ones are.

use super::databases::FoundDatabase;
use super::sessions::{Sessions, end_sessions};
use super::transaction::door;
use crate::connect::{ConnectParams, Row, Session};
use crate::error::Result;
use crate::sql::{quote_identifier, quote_literal_for_server};

/// Drops a database of our own, with everything that is connected to it.
///
/// Its subscriptions are taken away from their slots first. Dropping a subscription that has a slot drops the
/// slot too, on the server of the publication, where the database that is in use may be reading from it. Returns
/// these slots in words: nobody but a person knows whether they are needed, and each keeps log on its server.
pub(in crate::vault) async fn drop_database(
    session: &Session,
    params: &ConnectParams,
    database: &str,
) -> Result<Vec<String>> {
    let purpose = format!("drop the database {database:?}");
    let slots = slots_of_subscriptions(session, database).await?;
    let subscriptions = subscriptions(session, database).await?;
    if !subscriptions.is_empty() {
        session.execute(&purpose, &door(database, true)).await?;
        detach(&params.with_database(database), &subscriptions).await?;
    }
    session.execute(&purpose, &door(database, false)).await?;
    end_sessions(session, database, Sessions::Ended).await?;
    session.execute(&purpose, &format!("DROP DATABASE {}", quote_identifier(database))).await?;
    Ok(slots)
}

async fn slots_of_subscriptions(session: &Session, database: &str) -> Result<Vec<String>> {
    let sql = format!(
        "select s.subname, s.subslotname from pg_catalog.pg_subscription s
        join pg_catalog.pg_database d on d.oid = s.subdbid
        where d.datname = {} and s.subslotname is not null order by 1",
        quote_literal_for_server(database)
    );
    let rows = session.query("look for the slots of subscriptions", &sql).await?;
    let told = |row: Row<'_>| -> Result<String> {
        let (name, slot) = (row.text("subname")?, row.text("subslotname")?);
        Ok(format!("the replication slot {slot:?} of the subscription {name:?}"))
    };
    rows.iter().map(told).collect()
}

/// Lists the subscriptions of a database.
pub(in crate::vault) async fn subscriptions(
    session: &Session,
    database: &str,
) -> Result<Vec<String>> {
    let sql = format!(
        "select s.subname from pg_catalog.pg_subscription s
        join pg_catalog.pg_database d on d.oid = s.subdbid where d.datname = {} order by 1",
        quote_literal_for_server(database)
    );
    let rows = session.query("look for subscriptions", &sql).await?;
    Ok(rows.iter().filter_map(|row| row.at(0)).map(str::to_owned).collect())
}

async fn detach(params: &ConnectParams, subscriptions: &[String]) -> Result<()> {
    let session = Session::connect(params).await?;
    for name in subscriptions {
        let name = quote_identifier(name);
        for statement in [
            format!("ALTER SUBSCRIPTION {name} DISABLE"),
            format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"),
            format!("DROP SUBSCRIPTION {name}"),
        ] {
            let purpose = format!("take the subscription {name} away from its slot");
            session.execute(&purpose, &statement).await?;
        }
    }
    session.close().await;
    Ok(())
}

/// Tells whether nobody has made anything in a database yet.
async fn is_untouched(params: &ConnectParams, database: &str) -> Result<bool> {
    let session = Session::connect(&params.with_database(database)).await?;
    let sql = "select not exists (select from pg_catalog.pg_class where oid >= 16384)
        and not exists (select from pg_catalog.pg_proc where oid >= 16384) as untouched";
    let rows = session.query("look whether the database is empty", sql).await?;
    let untouched = rows.single()?.boolean("untouched")?;
    session.close().await;
    Ok(untouched)
}

/// Tells whether a database is all that a run has left that was killed between CREATE DATABASE and the comment.
///
/// Its name must be one of ours besides; then an empty one is what such a run leaves, and nothing else is.
pub(in crate::vault) async fn is_bare(
    params: &ConnectParams,
    found: &FoundDatabase,
) -> Result<bool> {
    Ok(found.comment.is_none() && is_untouched(params, &found.name).await?)
}
