//! Tablespaces with their options, privileges, comments and labels (`dumpTablespaces`).

use super::{ClusterDdlOptions, privileges, section, shared};
use crate::error::Result;
use crate::model::cluster::{Cluster, Tablespace};
use crate::sql::quote_literal_for_server;

pub(super) fn create_tablespaces(cluster: &Cluster, options: &ClusterDdlOptions) -> Result<String> {
    let mut text = String::new();
    for tablespace in &cluster.tablespaces {
        text.push_str(&create_tablespace(tablespace, options)?);
    }
    Ok(section("Tablespaces", cluster.tablespaces.is_empty(), &text))
}

fn create_tablespace(tablespace: &Tablespace, options: &ClusterDdlOptions) -> Result<String> {
    let quoting = options.quoting;
    let name = quoting.identifier(&tablespace.name);
    let mut text = String::new();
    if options.binary_upgrade {
        text.push_str(&format!(
            "\n-- For binary upgrade, must preserve pg_tablespace oid\n\
             SELECT pg_catalog.binary_upgrade_set_next_pg_tablespace_oid('{}'::pg_catalog.oid);\n",
            tablespace.oid
        ));
    }
    // A tablespace inside the server's own directory is made with an empty location.
    let location =
        if tablespace.location.starts_with('/') { tablespace.location.as_str() } else { "" };
    text.push_str(&format!(
        "CREATE TABLESPACE {name} OWNER {} LOCATION {};\n",
        quoting.identifier(&tablespace.owner),
        quote_literal_for_server(location)
    ));
    if !tablespace.options.is_empty() {
        text.push_str(&format!("ALTER TABLESPACE {name} SET ({});\n", tablespace.options));
    }
    if options.privileges {
        let Tablespace { owner, acl, .. } = tablespace;
        text.push_str(&privileges(quoting, "TABLESPACE", &name, owner, acl)?);
    }
    if let Some(comment) = tablespace.comment.as_ref().filter(|_| options.comments) {
        let comment = quote_literal_for_server(comment);
        text.push_str(&format!("COMMENT ON TABLESPACE {name} IS {comment};\n"));
    }
    if options.security_labels {
        let object = format!("TABLESPACE {name}");
        text.push_str(&shared::security_labels(quoting, &object, &tablespace.security_labels));
    }
    Ok(text)
}
