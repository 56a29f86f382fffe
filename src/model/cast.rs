//! Casts.

use super::DumpId;

/// What only a cast has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cast {
    /// `format_type` of `castsource`.
    pub source: String,
    /// `format_type` of `casttarget`.
    pub target: String,
    /// `castcontext`: `e` explicit, `a` assignment, `i` implicit.
    pub context: char,
    /// `castmethod`: `f` function, `b` binary coercible, `i` through the types' text.
    pub method: char,
    /// `castfunc`.
    pub function: Option<DumpId>,
}
