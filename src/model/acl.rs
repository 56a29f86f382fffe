//! Privileges as the catalogs hold them; `ddl::acl` turns them into GRANT and REVOKE.

/// The three texts that a GRANT script is made of (`pg_dump`'s `DumpableAcl`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acl {
    /// The ACL column, `None` when null (everything is at its default).
    pub current: Option<String>,
    /// `acldefault(kind, owner)`.
    pub default: Option<String>,
    /// `pg_init_privs.initprivs`: the privileges that `initdb` or an extension script left.
    pub initial: Option<String>,
    /// `pg_init_privs.privtype`: `i` or `e`.
    pub initial_kind: Option<char>,
}
