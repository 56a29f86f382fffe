//! The world around a connection request, as values: environment variables, home directory, user name.
//!
//! The library reads none of them itself; the command line fills this in from the real process and
//! tests fill it in from nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What libpq would look up in the process around it.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// The environment variables, as [`crate::sql::text`] carries bytes that are not UTF-8.
    pub variables: BTreeMap<String, String>,
    /// The home directory, where `.pgpass`, `.pg_service.conf` and `.postgresql/` are looked for.
    pub home: Option<PathBuf>,
    /// The name of the operating system user, the default for the role to log in as.
    pub user: Option<String>,
}

impl Environment {
    /// Returns a variable unless it is unset.
    ///
    /// An empty value counts as set, as it does for libpq's `getenv`.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}
