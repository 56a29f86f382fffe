//! Statements about objects that all databases share: settings and security labels.
//!
//! Their literals are written in the form that every server reads alike (`makeAlterConfigCommand` and
//! `emitShSecLabels` in `dumputils.c`), unlike those of the objects in a database.

use crate::sql::{Quoting, quote_literal_for_server, setting_value};

/// Returns an ALTER statement that makes a setting for `scope`, such as `ROLE r IN DATABASE d`.
pub(super) fn alter_setting(quoting: Quoting, scope: &str, setting: &str, value: &str) -> String {
    format!(
        "ALTER {scope} SET {} TO {};\n",
        quoting.identifier(setting),
        setting_value(setting, value, quote_literal_for_server)
    )
}

/// Returns the SECURITY LABEL statements for `object`, such as `ROLE r`.
pub(super) fn security_labels(
    quoting: Quoting,
    object: &str,
    labels: &[(String, String)],
) -> String {
    labels
        .iter()
        .map(|(provider, label)| {
            let provider = quoting.identifier(provider);
            let label = quote_literal_for_server(label);
            format!("SECURITY LABEL FOR {provider} ON {object} IS {label};\n")
        })
        .collect()
}
