//! Access methods.

/// What only an access method has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessMethod {
    /// `amtype`: `i` for indexes, `t` for tables.
    pub amtype: char,
    /// `amhandler` (`regproc` text).
    pub handler: String,
}
