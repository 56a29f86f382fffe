//! Procedural languages.

use super::DumpId;

/// What only a language has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language {
    /// `lanpltrusted`; only a trusted language has privileges.
    pub trusted: bool,
    /// `lanplcallfoid`.
    pub handler: LanguageFunction,
    /// `laninline`.
    pub inline: LanguageFunction,
    /// `lanvalidator`.
    pub validator: LanguageFunction,
}

/// One of the functions behind a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LanguageFunction {
    /// The language has none.
    None,
    /// A function that was not read, as those in `pg_catalog`.
    Unknown,
    /// A function of the dump.
    Known(DumpId),
}
