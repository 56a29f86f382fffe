//! Rewrite rules.

use super::DumpId;

/// What only a rule has.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The table or view.
    pub table: DumpId,
    /// `ev_type`: `1` is SELECT.
    pub event: char,
    /// `is_instead`.
    pub instead: bool,
    /// `ev_enabled`.
    pub enabled: char,
    /// `pg_get_ruledef`, for rules other than a view's own.
    pub definition: String,
    /// Whether it is printed on its own rather than folded into its view.
    pub separate: bool,
}
