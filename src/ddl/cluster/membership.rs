//! Memberships of roles in an order in which they can be granted (`dumpRoleMembership`).
//!
//! Since 16 a grantor must hold ADMIN OPTION on the role when the grant is made, except for the role
//! that `initdb` made. So the grants of each role are gone over again and again, and every pass
//! writes those whose grantor has become able to make them.

use std::collections::HashSet;

use super::section;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Oid;
use crate::model::cluster::{Cluster, Membership};
use crate::sql::Quoting;

/// The oid of the role that `initdb` made, which may always be named as grantor.
const BOOTSTRAP_ROLE: Oid = Oid(10);

pub(super) fn grant_roles(
    cluster: &Cluster,
    quoting: Quoting,
    warn: &mut dyn FnMut(String),
) -> Result<String> {
    // Before 16 nobody looked after the grantor: it may be a role that is gone or was never allowed to.
    let with_grantors = cluster.version.has_membership_options();
    let mut text = String::new();
    let all = &cluster.memberships;
    for grants in all.chunk_by(|a, b| a.role.name == b.role.name) {
        let Some(role) = grants.first().and_then(|grant| grant.role.name.as_deref()) else {
            for grant in grants.iter().take(1) {
                let oid = grant.role.oid;
                warn(format!("ignoring role grant for missing role with OID {oid}"));
            }
            continue;
        };
        let mut left: Vec<Grant<'_>> = Vec::new();
        for grant in grants {
            let Some(member) = grant.member.name.as_deref() else {
                let oid = grant.member.oid;
                warn(format!("ignoring role grant to missing role with OID {oid}"));
                continue;
            };
            let grantor = grant.grantor.name.as_deref().filter(|_| with_grantors);
            if with_grantors && grantor.is_none() {
                let oid = grant.grantor.oid;
                warn(format!(
                    "grant of role \"{role}\" to \"{member}\" has invalid grantor OID {oid}: it is \
                     dumped without GRANTED BY"
                ));
            }
            left.push(Grant { grant, role, member, grantor });
        }
        for grant in in_order(role, left)? {
            text.push_str(&grant.statement(quoting));
        }
    }
    Ok(section("Role memberships", all.is_empty(), &text))
}

struct Grant<'a> {
    grant: &'a Membership,
    role: &'a str,
    member: &'a str,
    /// Who is named as grantor, if anybody is.
    grantor: Option<&'a str>,
}

/// Returns the grants of one role so that each grantor is able to make its own.
fn in_order<'a>(role: &str, mut left: Vec<Grant<'a>>) -> Result<Vec<Grant<'a>>> {
    let mut ordered: Vec<Grant<'a>> = Vec::with_capacity(left.len());
    let mut able: HashSet<&str> = HashSet::new();
    while !left.is_empty() {
        let before = left.len();
        let mut later = Vec::new();
        for grant in left {
            let by_bootstrap = grant.grant.grantor.oid == BOOTSTRAP_ROLE;
            if grant.grantor.is_none_or(|grantor| by_bootstrap || able.contains(grantor)) {
                if grant.grant.admin {
                    able.insert(grant.member);
                }
                ordered.push(grant);
            } else {
                later.push(grant);
            }
        }
        if later.len() == before {
            return Err(Error::new(
                ErrorKind::Server,
                format!("could not find a legal dump ordering for memberships in role \"{role}\""),
            ));
        }
        left = later;
    }
    Ok(ordered)
}

impl Grant<'_> {
    fn statement(&self, quoting: Quoting) -> String {
        let mut options = Vec::new();
        if self.grant.admin {
            options.push("ADMIN OPTION");
        }
        if let Some(inherit) = self.grant.inherit {
            options.push(if inherit { "INHERIT TRUE" } else { "INHERIT FALSE" });
        }
        if self.grant.set == Some(false) {
            options.push("SET FALSE");
        }
        let (role, member) = (quoting.identifier(self.role), quoting.identifier(self.member));
        let mut text = format!("GRANT {role} TO {member}");
        if !options.is_empty() {
            text.push_str(&format!(" WITH {}", options.join(", ")));
        }
        if let Some(grantor) = self.grantor {
            text.push_str(&format!(" GRANTED BY {}", quoting.identifier(grantor)));
        }
        text.push_str(";\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ServerVersion;
    use crate::model::cluster::RoleReference;

    fn cluster(version: u32, memberships: Vec<Membership>) -> Cluster {
        Cluster {
            version: ServerVersion(version),
            encoding: "UTF8".to_owned(),
            standard_conforming_strings: true,
            roles: Vec::new(),
            memberships,
            parameters: Vec::new(),
            tablespaces: Vec::new(),
            databases: Vec::new(),
            closed_databases: Vec::new(),
        }
    }

    /// A grant of `team`; `boss` is the role that `initdb` made, an empty name a role that is gone.
    fn grant(member: &str, grantor: &str, admin: bool) -> Membership {
        let role = |name: &str| RoleReference {
            oid: if name == "boss" { BOOTSTRAP_ROLE } else { Oid(999) },
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        };
        let (role, member, grantor) = (role("team"), role(member), role(grantor));
        Membership { role, member, grantor, admin, inherit: Some(true), set: Some(!admin) }
    }

    fn granted(cluster: &Cluster) -> (Result<String>, Vec<String>) {
        let mut warnings = Vec::new();
        let text = grant_roles(cluster, Quoting::WhenNeeded, &mut |warning| warnings.push(warning));
        (text, warnings)
    }

    #[test]
    fn a_grantor_gets_its_admin_option_first() {
        let grants = vec![grant("a", "b", false), grant("b", "c", true), grant("c", "boss", true)];
        let (text, warnings) = granted(&cluster(180_000, grants));
        assert_eq!(
            text.expect("an order"),
            "--\n-- Role memberships\n--\n\n\
             GRANT team TO c WITH ADMIN OPTION, INHERIT TRUE, SET FALSE GRANTED BY boss;\n\
             GRANT team TO b WITH ADMIN OPTION, INHERIT TRUE, SET FALSE GRANTED BY c;\n\
             GRANT team TO a WITH INHERIT TRUE GRANTED BY b;\n\n\n"
        );
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn grants_in_a_circle_end_the_dump() {
        let grants = vec![grant("a", "b", true), grant("b", "a", true)];
        let (text, _) = granted(&cluster(180_000, grants));
        let error = text.expect_err("no order").to_string();
        assert!(error.contains("legal dump ordering for memberships in role \"team\""), "{error}");
    }

    #[test]
    fn roles_that_are_gone_are_told_and_left_out() {
        let mut grants = vec![grant("", "boss", false), grant("a", "", false)];
        let (text, warnings) = granted(&cluster(180_000, grants.clone()));
        assert!(text.expect("an order").ends_with("\n\nGRANT team TO a WITH INHERIT TRUE;\n\n\n"));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        // Before 16 no grantor is written, so none is missed.
        for grant in &mut grants {
            (grant.inherit, grant.set) = (None, None);
        }
        let (text, warnings) = granted(&cluster(150_000, grants));
        assert!(text.expect("an order").ends_with("\n\nGRANT team TO a;\n\n\n"));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }
}
