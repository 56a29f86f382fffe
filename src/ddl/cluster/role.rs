//! Roles with their attributes, comments, labels and settings (`dumpRoles`, `dumpUserConfig`).

use super::{ClusterDdlOptions, one_line, section, shared};
use crate::model::cluster::{Cluster, Role};
use crate::sql::quote_literal_for_server;

/// Settings come after all roles, because they may name roles.
pub(super) fn create_roles(cluster: &Cluster, options: &ClusterDdlOptions) -> String {
    let mut text: String = cluster.roles.iter().map(|role| create_role(role, options)).collect();
    text.push_str("\n--\n-- User Configurations\n--\n");
    text.extend(cluster.roles.iter().map(|role| settings(role, options)));
    section("Roles", cluster.roles.is_empty(), &text)
}

/// A role that exists already gets its attributes as well: the creation alone fails then.
fn create_role(role: &Role, options: &ClusterDdlOptions) -> String {
    let name = options.quoting.identifier(&role.name);
    let mut text = String::new();
    if options.binary_upgrade {
        text.push_str(&format!(
            "\n-- For binary upgrade, must preserve pg_authid.oid\n\
             SELECT pg_catalog.binary_upgrade_set_next_pg_authid_oid('{}'::pg_catalog.oid);\n\n",
            role.oid
        ));
    }
    if !(options.binary_upgrade && role.is_current_user) {
        text.push_str(&format!("CREATE ROLE {name};\n"));
    }
    text.push_str(&format!("ALTER ROLE {name} WITH"));
    for (has, attribute) in [
        (role.superuser, "SUPERUSER"),
        (role.inherit, "INHERIT"),
        (role.create_role, "CREATEROLE"),
        (role.create_database, "CREATEDB"),
        (role.login, "LOGIN"),
        (role.replication, "REPLICATION"),
        (role.bypass_row_security, "BYPASSRLS"),
    ] {
        text.push_str(if has { " " } else { " NO" });
        text.push_str(attribute);
    }
    if role.connection_limit != -1 {
        text.push_str(&format!(" CONNECTION LIMIT {}", role.connection_limit));
    }
    if let Some(password) = &role.password {
        text.push_str(&format!(" PASSWORD {}", quote_literal_for_server(&password.0)));
    }
    if let Some(until) = &role.valid_until {
        text.push_str(&format!(" VALID UNTIL '{until}'"));
    }
    text.push_str(";\n");
    if let Some(comment) = role.comment.as_ref().filter(|_| options.comments) {
        let comment = quote_literal_for_server(comment);
        text.push_str(&format!("COMMENT ON ROLE {name} IS {comment};\n"));
    }
    if options.security_labels {
        let object = format!("ROLE {name}");
        text.push_str(&shared::security_labels(options.quoting, &object, &role.security_labels));
    }
    text
}

fn settings(role: &Role, options: &ClusterDdlOptions) -> String {
    if role.settings.is_empty() {
        return String::new();
    }
    let scope = format!("ROLE {}", options.quoting.identifier(&role.name));
    let mut text = format!("\n--\n-- User Config \"{}\"\n--\n\n", one_line(&role.name));
    text.extend(
        role.settings
            .iter()
            .map(|(name, value)| shared::alter_setting(options.quoting, &scope, name, value)),
    );
    text
}
