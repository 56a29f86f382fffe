//! Conversions between encodings.

/// What only a conversion has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversion {
    /// The name of the encoding it reads.
    pub from: String,
    /// The name of the encoding it writes.
    pub to: String,
    /// `conproc` (`regproc` text).
    pub function: String,
    /// `condefault`.
    pub is_default: bool,
}
