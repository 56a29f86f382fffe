//! Storage parameters: the WITH lists of tables, views and indexes (`appendReloptionsArray` in `dumputils.c`).

use super::Writer;

/// Returns `name=value, ...`; every name gets the prefix, such as `toast.`.
///
/// A value that could stand as an identifier stays bare, everything else becomes a literal. That is
/// pg_dump's rule: `off` is bare, while `on`, `true` and numbers are quoted.
pub(super) fn storage_parameters(
    writer: &Writer<'_>,
    options: &[(String, String)],
    prefix: &str,
) -> String {
    let parameters: Vec<String> = options
        .iter()
        .map(|(name, value)| {
            let bare = writer.identifier(value) == *value;
            let value = if bare { value.clone() } else { writer.literal(value) };
            format!("{prefix}{}={value}", writer.identifier(name))
        })
        .collect();
    parameters.join(", ")
}
