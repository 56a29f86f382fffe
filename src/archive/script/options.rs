//! What a script looks like, apart from its entries.

use crate::sql::Quoting;

/// What whoever asks for a script may choose about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptChoices {
    /// The key of `\restrict`, letters and digits only; empty for a script without restricted mode.
    pub restrict_key: String,
    /// What exists is dropped first.
    pub clean: bool,
    /// Drops do not fail when there is nothing to drop.
    pub if_exists: bool,
    /// The database itself is created.
    pub create: bool,
    /// Triggers are off while the rows of a table are loaded, when no definitions are in the script.
    pub disable_triggers: bool,
    /// Who turns triggers off and on; `None` is whoever runs the script.
    pub superuser: Option<String>,
    /// Objects are made by their owners instead of given to them.
    pub session_authorization: bool,
    /// Comments tell the ids of the entries and what they depend on.
    pub verbose: bool,
    /// The role that whoever runs the script becomes first.
    pub role: Option<String>,
    /// The transactions of the script.
    pub transactions: Transactions,
}

/// How the statements of a script are put into transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transactions {
    /// Each on its own.
    #[default]
    None,
    /// All in one.
    Single,
    /// In one after another, each of about so many statements; never 0.
    Every(usize),
}

/// What a script looks like, apart from its entries.
#[derive(Debug, Clone, Default)]
pub struct ScriptOptions {
    /// What was chosen.
    pub choices: ScriptChoices,
    /// The version text of the server the data came from.
    pub server_version: String,
    /// The version text of what made the dump.
    pub dumper_version: String,
    /// When the dump was made, for a verbose script.
    pub started: Option<String>,
    /// Owners are not set.
    pub no_owner: bool,
    /// There are no definitions among the entries, so that triggers may be in the way of the rows.
    pub without_schema: bool,
    /// `row_security` is left on.
    pub row_security: bool,
    /// No `SET transaction_timeout`, which servers before 17 do not know.
    pub no_transaction_timeout: bool,
    /// The settings that are not switched between entries.
    pub no_tablespaces: bool,
    /// No `SET default_table_access_method`.
    pub no_table_access_method: bool,
    /// Large objects are made where they are filled, as in archives before version 1.12.
    pub creates_large_objects: bool,
    /// How identifiers are quoted in what is not part of an entry's own text.
    pub quoting: Quoting,
}
