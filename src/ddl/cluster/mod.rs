//! What the databases of a server share as a script: roles, memberships, privileges on parameters and
//! tablespaces.
//!
//! Authority: `pg_dumpall.c` of PostgreSQL 18, whose text this is, byte for byte. The databases themselves
//! follow the globals as complete scripts of their own; who writes those calls [`header`], [`globals`],
//! [`databases_heading`], [`database_heading`] and [`trailer`] around them.

mod membership;
mod role;
mod tablespace;

use super::acl;
use super::shared;
use crate::error::{Context, ErrorKind, Result};
use crate::model::acl::Acl;
use crate::model::cluster::Cluster;
use crate::sql::Quoting;

/// Which of the globals are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GlobalParts {
    /// All of them.
    #[default]
    All,
    /// Roles and what hangs on them.
    Roles,
    /// Tablespaces.
    Tablespaces,
    /// None: what is dumped has no definitions.
    None,
}

/// What the script drops before it creates anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drops {
    /// Nothing.
    #[default]
    Nothing,
    /// Roles and tablespaces, as far as they are written.
    Globals,
    /// The databases as well.
    Databases,
}

/// What the text of the globals depends on besides the cluster.
#[derive(Debug, Clone)]
pub struct ClusterDdlOptions {
    /// When identifiers are quoted.
    pub quoting: Quoting,
    /// Which of them are written.
    pub parts: GlobalParts,
    /// What is dropped first.
    pub drops: Drops,
    /// Drops do not fail when there is nothing to drop.
    pub if_exists: bool,
    /// Comments are written.
    pub comments: bool,
    /// Security labels are written.
    pub security_labels: bool,
    /// Privileges are written.
    pub privileges: bool,
    /// Tablespaces are written.
    pub tablespaces: bool,
    /// The script is for pg_upgrade: oids are kept.
    pub binary_upgrade: bool,
    /// The key of `\restrict`, letters and digits only.
    pub restrict_key: String,
}

impl Default for ClusterDdlOptions {
    fn default() -> Self {
        ClusterDdlOptions {
            quoting: Quoting::WhenNeeded,
            parts: GlobalParts::All,
            drops: Drops::Nothing,
            if_exists: false,
            comments: true,
            security_labels: true,
            privileges: true,
            tablespaces: true,
            binary_upgrade: false,
            restrict_key: String::new(),
        }
    }
}

impl ClusterDdlOptions {
    fn has_roles(&self) -> bool {
        matches!(self.parts, GlobalParts::All | GlobalParts::Roles)
    }

    fn has_tablespaces(&self) -> bool {
        matches!(self.parts, GlobalParts::All | GlobalParts::Tablespaces) && self.tablespaces
    }
}

/// Returns the first line of the script.
pub fn header() -> &'static str {
    "--\n-- PostgreSQL database cluster dump\n--\n\n"
}

/// Returns the last line of the script.
pub fn trailer() -> &'static str {
    "--\n-- PostgreSQL database cluster dump complete\n--\n\n"
}

/// Returns what stands before the first database.
pub fn databases_heading() -> &'static str {
    "--\n-- Databases\n--\n\n"
}

/// Returns what stands before the script of a database.
pub fn database_heading(name: &str) -> String {
    format!("--\n-- Database \"{}\" dump\n--\n\n", one_line(name))
}

/// Returns the globals, between entering and leaving psql's restricted mode.
///
/// # Errors
///
/// When the catalogs hold privileges that cannot be understood, or memberships in no possible order.
pub fn globals(
    cluster: &Cluster,
    options: &ClusterDdlOptions,
    warn: &mut dyn FnMut(String),
) -> Result<String> {
    let key = &options.restrict_key;
    let strings = if cluster.standard_conforming_strings { "on" } else { "off" };
    let mut text = format!(
        "\\restrict {key}\n\nSET default_transaction_read_only = off;\n\n\
         SET client_encoding = '{}';\nSET standard_conforming_strings = {strings};\n",
        cluster.encoding
    );
    if !cluster.standard_conforming_strings {
        text.push_str("SET escape_string_warning = off;\n");
    }
    text.push('\n');
    if options.parts != GlobalParts::None {
        text.push_str(&drops(cluster, options));
        if options.has_roles() {
            text.push_str(&role::create_roles(cluster, options));
            text.push_str(&membership::grant_roles(cluster, options.quoting, warn)?);
            if cluster.version.has_parameter_privileges() && options.privileges {
                text.push_str(&parameter_privileges(cluster, options)?);
            }
        }
        if options.has_tablespaces() {
            text.push_str(&tablespace::create_tablespaces(cluster, options)?);
        }
    }
    text.push_str(&format!("\\unrestrict {key}\n\n"));
    Ok(text)
}

/// Databases never depend on each other, nor do tablespaces, and dropping a role ends its memberships.
fn drops(cluster: &Cluster, options: &ClusterDdlOptions) -> String {
    let drop = |word: &str, name: &str| {
        let if_exists = if options.if_exists { "IF EXISTS " } else { "" };
        format!("DROP {word} {if_exists}{};\n", options.quoting.identifier(name))
    };
    let mut text = String::new();
    if options.drops == Drops::Databases && options.parts == GlobalParts::All {
        // Whoever runs the script may be connected to one of these two; their own scripts drop them.
        let dropped = cluster.databases.iter().filter(|name| !exists_everywhere(name));
        let statements: String = dropped.map(|name| drop("DATABASE", name)).collect();
        let heading = "Drop databases (except postgres and template1)";
        text.push_str(&section(heading, cluster.databases.is_empty(), &statements));
    }
    if options.drops != Drops::Nothing {
        if options.has_tablespaces() {
            let tablespaces = &cluster.tablespaces;
            // By name, although they are created by age.
            let mut names: Vec<&str> =
                tablespaces.iter().map(|space| space.name.as_str()).collect();
            names.sort_unstable();
            let statements: String = names.iter().map(|name| drop("TABLESPACE", name)).collect();
            text.push_str(&section("Drop tablespaces", tablespaces.is_empty(), &statements));
        }
        if options.has_roles() {
            let statements: String =
                cluster.roles.iter().map(|role| drop("ROLE", &role.name)).collect();
            text.push_str(&section("Drop roles", cluster.roles.is_empty(), &statements));
        }
    }
    text
}

/// Tells whether every server has a database of this name from the start.
pub fn exists_everywhere(database: &str) -> bool {
    matches!(database, "postgres" | "template1")
}

fn parameter_privileges(cluster: &Cluster, options: &ClusterDdlOptions) -> Result<String> {
    let mut text = String::new();
    for parameter in &cluster.parameters {
        let name = options.quoting.identifier(&parameter.name);
        text.push_str(&privileges(
            options.quoting,
            "PARAMETER",
            &name,
            &parameter.owner,
            &parameter.acl,
        )?);
    }
    let heading = "Role privileges on configuration parameters";
    Ok(section(heading, cluster.parameters.is_empty(), &text))
}

fn privileges(quoting: Quoting, word: &str, name: &str, owner: &str, acl: &Acl) -> Result<String> {
    let target = acl::Target { quoting, word, schema: None, name, column: None, owner, prefix: "" };
    acl::statements(&target, acl).context(ErrorKind::Server, || {
        format!("could not understand the privileges on {word} {name}")
    })
}

/// Returns a part of the globals; the blank lines stand also where nothing else does.
fn section(heading: &str, is_empty: bool, body: &str) -> String {
    if is_empty { "\n\n".to_owned() } else { format!("--\n-- {heading}\n--\n\n{body}\n\n") }
}

fn one_line(name: &str) -> String {
    name.replace(['\n', '\r'], " ")
}
