//! What the restore of a script is asked to do.

use crate::connect::ConnectParams;
use crate::restore::Mode;

/// The options of a script's restore; what the script holds was decided when it was written.
#[derive(Debug, Clone)]
pub struct ScriptOptions {
    /// The target, or for a script with `\connect` the database to begin in.
    pub connection: ConnectParams,
    /// Whether a database that the script fills may hold something already.
    pub mode: Mode,
    /// Runs everything in one transaction, or nothing.
    pub single_transaction: bool,
    /// Stops at the first error.
    pub exit_on_error: bool,
    /// Collects optimizer statistics of what was loaded.
    pub analyze: bool,
    /// Moves sequences that lie behind the column they belong to.
    pub fix_sequences: bool,
    /// The role to work as (`SET ROLE`).
    pub role: Option<String>,
}

impl ScriptOptions {
    /// Makes the options of an ordinary restore into the database of `connection`.
    pub fn new(connection: ConnectParams) -> Self {
        ScriptOptions {
            connection,
            mode: Mode::Fresh,
            single_transaction: false,
            exit_on_error: false,
            analyze: true,
            fix_sequences: false,
            role: None,
        }
    }

    /// Tells whether the first error ends the run.
    pub(super) fn stops_at_first_error(&self) -> bool {
        self.exit_on_error || self.single_transaction
    }
}
