//! Event triggers.

/// What only an event trigger has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTrigger {
    /// `evtevent`.
    pub event: String,
    /// `evttags`.
    pub tags: Vec<String>,
    /// `evtfoid` (`regproc` text).
    pub function: String,
    /// `evtenabled`: `O`, `D`, `R` or `A`.
    pub enabled: char,
}
