//! The roles, tablespaces and other things that the databases of a server share, as an SQL script.
//!
//! One session reads them in one snapshot. The databases follow as dumps of their own; [`Globals`] names
//! them in the order in which a script restores them.

use super::plan::pattern_encoding;
use crate::catalog::{RolePasswords, Transaction, matching_databases, read_cluster};
use crate::connect::{ConnectParams, Session};
use crate::ddl::Fidelity;
use crate::ddl::cluster::{self, ClusterDdlOptions};
use crate::error::Result;
use crate::model::cluster::Cluster;
use crate::progress::ProgressHandle;
use crate::sql::{Quoting, quote_identifier};

/// What is asked for about the globals, complete and validated.
#[derive(Debug, Clone)]
pub struct GlobalsOptions {
    /// Any database of the server.
    pub connection: ConnectParams,
    /// Whether passwords are in the script.
    pub passwords: PasswordChoice,
    /// What the script looks like.
    pub ddl: ClusterDdlOptions,
    /// Whether the result is pg_dumpall's to the byte, or better where that is possible.
    pub fidelity: Fidelity,
    /// The encoding of the script; `None` leaves it to the connection.
    pub encoding: Option<String>,
    /// The role to become after login.
    pub role: Option<String>,
    /// Patterns of databases that are left out.
    pub exclude_databases: Vec<String>,
}

impl GlobalsOptions {
    /// Makes the options of a script of everything, as far as the role may read it.
    pub fn new(connection: ConnectParams) -> Self {
        GlobalsOptions {
            connection,
            passwords: PasswordChoice::IfAllowed,
            ddl: ClusterDdlOptions::default(),
            fidelity: Fidelity::Corrected,
            encoding: None,
            role: None,
            exclude_databases: Vec::new(),
        }
    }
}

/// Whether the stored passwords of roles are in the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordChoice {
    /// They are; who may not read them gets an error.
    Always,
    /// They are when the role may read them; otherwise a warning says that they are missing.
    IfAllowed,
    /// They are not.
    Never,
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Globals {
    /// The script, from entering psql's restricted mode to leaving it.
    pub script: String,
    /// The databases to dump, `template1` first and the others by name.
    pub databases: Vec<String>,
    /// The databases that a pattern has left out.
    pub excluded: Vec<String>,
    /// Whether the script has the passwords.
    pub with_passwords: bool,
    /// The server's version as it writes it itself.
    pub server_version: String,
}

/// Reads the globals and writes them down.
///
/// # Errors
///
/// [`Connection`] when there is no session, [`Usage`] for a pattern or an encoding that is none,
/// [`Server`] when the server refuses a question, such as that for passwords.
///
/// [`Connection`]: crate::error::ErrorKind::Connection
/// [`Usage`]: crate::error::ErrorKind::Usage
/// [`Server`]: crate::error::ErrorKind::Server
pub async fn globals(options: &GlobalsOptions, progress: &ProgressHandle) -> Result<Globals> {
    let session = Session::connect(&options.connection).await?;
    set_up(&session, options).await?;
    let globals = read_globals(&session, options, progress).await?;
    session.close().await;
    Ok(globals)
}

/// Reads the globals over a session that is set up, in its transaction.
pub(super) async fn read_globals(
    session: &Session,
    options: &GlobalsOptions,
    progress: &ProgressHandle,
) -> Result<Globals> {
    let passwords = passwords(session, options.passwords).await?;
    if options.passwords == PasswordChoice::IfAllowed && passwords == RolePasswords::Omit {
        progress.warning(
            "the passwords of the roles are left out: only superusers may read them \
             (as with --no-role-passwords)",
        );
    }
    let excluded =
        matching_databases(session, &options.exclude_databases, pattern_encoding(options.fidelity))
            .await?;
    let cluster = read_cluster(session, passwords).await?;
    if options.fidelity == Fidelity::Corrected {
        // pg_dumpall passes over them in silence, and nobody misses them until the restore.
        for name in cluster.closed_databases.iter().filter(|name| !excluded.contains(*name)) {
            progress.warning(&format!(
                "database \"{name}\" is not dumped: it accepts no connections \
                 (--exclude-database leaves it out without this warning)"
            ));
        }
    }
    let server_version = session.version_text();
    let script =
        cluster::globals(&cluster, &options.ddl, &mut |warning| progress.warning(&warning))?;
    let (excluded, databases) =
        in_order(&cluster).into_iter().partition(|name| excluded.contains(name));
    let with_passwords = passwords == RolePasswords::Read;
    Ok(Globals { script, databases, excluded, with_passwords, server_version })
}

/// Puts `template1` first: a script that drops `postgres` cannot be connected to it then.
fn in_order(cluster: &Cluster) -> Vec<String> {
    let mut names = cluster.databases.clone();
    names.sort_by_key(|name| name != "template1");
    names
}

async fn set_up(session: &Session, options: &GlobalsOptions) -> Result<()> {
    session.set_client_encoding(options.encoding.as_deref()).await?;
    let mut sql = String::from("select pg_catalog.set_config('search_path', '', false);\n");
    if let Some(role) = &options.role {
        sql.push_str(&format!("set role to {};\n", quote_identifier(role)));
    }
    if options.ddl.quoting == Quoting::Always {
        sql.push_str("set quote_all_identifiers to true;\n");
    }
    if options.fidelity == Fidelity::Corrected {
        // pg_dumpall takes the server's style, which another server may read as another day.
        sql.push_str("set datestyle to 'ISO';\n");
    }
    session.execute("set up the session", &sql).await?;
    session.execute("begin the reading", Transaction::RepeatableRead.begin()).await
}

/// Asks before reading: a refusal would end the transaction.
async fn passwords(session: &Session, choice: PasswordChoice) -> Result<RolePasswords> {
    Ok(match choice {
        PasswordChoice::Always => RolePasswords::Read,
        PasswordChoice::Never => RolePasswords::Omit,
        PasswordChoice::IfAllowed => {
            let query = "select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select') \
                         as allowed";
            let rows = session.query("ask whether passwords may be read", query).await?;
            match rows.single()?.boolean("allowed")? {
                true => RolePasswords::Read,
                false => RolePasswords::Omit,
            }
        }
    })
}
