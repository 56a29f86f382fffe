//! What the databases of a server share: roles, tablespaces and what is granted on them, as plain data.

use std::fmt;

use super::acl::Acl;
use super::{Oid, ServerVersion};

/// Everything outside of the databases, and their names.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The server's version number.
    pub version: ServerVersion,
    /// `client_encoding` of the reading session.
    pub encoding: String,
    /// `standard_conforming_strings`.
    pub standard_conforming_strings: bool,
    /// The roles that `initdb` did not make, by name.
    pub roles: Vec<Role>,
    /// Who is a member of which role, by role, member and grantor.
    pub memberships: Vec<Membership>,
    /// The privileges on configuration parameters (15+), by name.
    pub parameters: Vec<ParameterPrivileges>,
    /// The tablespaces that `initdb` did not make, by oid.
    pub tablespaces: Vec<Tablespace>,
    /// The databases that accept connections and are valid, by name; `template0` is not one of them.
    pub databases: Vec<String>,
    /// The others apart from `template0`, into which nobody can log in.
    pub closed_databases: Vec<String>,
}

/// A role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its row in `pg_authid`.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// `SUPERUSER`.
    pub superuser: bool,
    /// `INHERIT`.
    pub inherit: bool,
    /// `CREATEROLE`.
    pub create_role: bool,
    /// `CREATEDB`.
    pub create_database: bool,
    /// `LOGIN`.
    pub login: bool,
    /// `REPLICATION`.
    pub replication: bool,
    /// `BYPASSRLS`.
    pub bypass_row_security: bool,
    /// `CONNECTION LIMIT`, -1 for none.
    pub connection_limit: i32,
    /// The stored form of the password, when it has one that was read.
    pub password: Option<PasswordHash>,
    /// Until when the password counts, as the session's `DateStyle` writes it.
    pub valid_until: Option<String>,
    /// The comment.
    pub comment: Option<String>,
    /// The security labels: provider and label.
    pub security_labels: Vec<(String, String)>,
    /// The settings for all databases: name and value.
    pub settings: Vec<(String, String)>,
    /// Whether the reading session acts as this role.
    pub is_current_user: bool,
}

/// The stored form of a password: worth as much to an attacker as many passwords are.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A role as a membership names it; old servers keep oids of roles that are gone.
#[derive(Debug, Clone)]
pub struct RoleReference {
    /// The oid in the catalog.
    pub oid: Oid,
    /// The name, when the role exists.
    pub name: Option<String>,
}

/// A grant of one role to another.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The role that was granted.
    pub role: RoleReference,
    /// Who received it.
    pub member: RoleReference,
    /// Who granted it.
    pub grantor: RoleReference,
    /// `ADMIN OPTION`.
    pub admin: bool,
    /// `INHERIT` of the grant itself (16+).
    pub inherit: Option<bool>,
    /// `SET` of the grant (16+).
    pub set: Option<bool>,
}

/// The privileges on one configuration parameter.
#[derive(Debug, Clone)]
pub struct ParameterPrivileges {
    /// The parameter.
    pub name: String,
    /// The role that stands for the owner: the one that `initdb` made.
    pub owner: String,
    /// The privileges.
    pub acl: Acl,
}

/// A tablespace.
#[derive(Debug, Clone)]
pub struct Tablespace {
    /// Its row in `pg_tablespace`.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Its directory; relative when the server keeps it inside its own.
    pub location: String,
    /// The privileges.
    pub acl: Acl,
    /// The options as they stand in `SET (...)`, empty for none.
    pub options: String,
    /// The comment.
    pub comment: Option<String>,
    /// The security labels: provider and label.
    pub security_labels: Vec<(String, String)>,
}
