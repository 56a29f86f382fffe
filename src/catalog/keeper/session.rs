//! The sessions of one reading: the same settings in all of them, and all of them on the same server.
//!
//! Workers may be led elsewhere by a host list, DNS or a proxy that fails over. An exported snapshot
//! means nothing there, so every session's server is compared with the keeper's before it is used.

use serde::Serialize;

use crate::catalog::{SessionSettings, Transaction};
use crate::connect::{ConnectParams, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::quote_literal_for_server;

/// What tells one running server from every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerIdentity {
    /// The cluster's identifier, unless the role may not ask for it.
    pub system_identifier: Option<String>,
    /// When its postmaster started, in microseconds.
    postmaster_start: String,
    /// Its address as it sees it itself, empty for Unix sockets.
    address: String,
}

impl ServerIdentity {
    /// Tells whether both are one running server, by whichever address it was reached.
    pub fn is_same_server(&self, other: &ServerIdentity) -> bool {
        let differ = match (&self.system_identifier, &other.system_identifier) {
            (Some(own), Some(other)) => own != other,
            _ => false,
        };
        !differ && self.postmaster_start == other.postmaster_start
    }

    /// Asks a server; must run outside the dump's transaction, because one of the questions may fail.
    pub async fn ask(session: &Session) -> Result<ServerIdentity> {
        // Some managed services take this function away from ordinary roles.
        let system_identifier = session
            .query(
                "ask for the system identifier",
                "select system_identifier from pg_catalog.pg_control_system()",
            )
            .await;
        let system_identifier = match system_identifier {
            Ok(rows) => Some(rows.single()?.text("system_identifier")?.to_owned()),
            Err(error) if error.kind() == ErrorKind::Server => None,
            Err(error) => return Err(error),
        };
        let rows = session
            .query(
                "ask which server this is",
                "select extract(epoch from pg_catalog.pg_postmaster_start_time())::text as started,
                    coalesce(pg_catalog.inet_server_addr()::text, '') as address",
            )
            .await?;
        let row = rows.single()?;
        Ok(ServerIdentity {
            system_identifier,
            postmaster_start: row.text("started")?.to_owned(),
            address: row.text("address")?.to_owned(),
        })
    }
}

/// How the sessions of one dump are opened and set up.
#[derive(Debug, Clone)]
pub struct SessionRecipe {
    params: ConnectParams,
    settings: SessionSettings,
}

impl SessionRecipe {
    /// Makes the recipe.
    pub fn new(params: ConnectParams, settings: SessionSettings) -> Self {
        SessionRecipe { params, settings }
    }

    /// Opens a session for questions that need no settings.
    pub async fn connect(&self) -> Result<Session> {
        Session::connect(&self.params).await
    }

    /// Makes the settings.
    pub async fn set_up(&self, session: &Session) -> Result<()> {
        self.settings.apply(session).await?;
        // A parallel plan may return the rows of a range in any order and takes workers from others.
        session.execute("set up the session", "set max_parallel_workers_per_gather to 0").await?;
        session.have_connection_watched().await
    }

    /// Opens a session that reads in the snapshot that the keeper exported.
    ///
    /// It stands inside a savepoint named `piece` then.
    pub async fn join(&self, server: &ServerIdentity, snapshot: &str) -> Result<Session> {
        let session = self.connect().await?;
        let found = ServerIdentity::ask(&session).await?;
        if found != *server {
            return Err(Error::new(
                ErrorKind::Connection,
                format!(
                    "another server answered at {}: the dump reads a snapshot that only the first one has",
                    session.description()
                ),
            )
            .with_hint("name one host instead of a list or a balancer, or use --jobs=1"));
        }
        self.set_up(&session).await?;
        let begin = format!(
            "{}; set transaction snapshot {}; savepoint piece",
            Transaction::RepeatableRead.begin(),
            quote_literal_for_server(snapshot)
        );
        session.execute("import the snapshot of the dump", &begin).await?;
        Ok(session)
    }
}
