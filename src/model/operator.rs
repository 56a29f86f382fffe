//! Operators.

/// What only an operator has.
#[derive(Debug, Clone, Default)]
pub struct Operator {
    /// `oprkind`: `b` infix, `l` prefix, `r` postfix (up to 13).
    pub oprkind: char,
    /// Whether it has a function; one that was only named as another's commutator or negator has none.
    pub complete: bool,
    /// `(schema, typname)` of the operands, for sorting; empty where there is none.
    pub operand_sort_keys: [(String, String); 2],
    /// What it is made of; empty when no definition is wanted.
    pub definition: OperatorDefinition,
}

/// What an operator is made of; functions are `regproc` texts.
#[derive(Debug, Clone, Default)]
pub struct OperatorDefinition {
    /// `oprcode`.
    pub function: String,
    /// The left operand's type.
    pub left: Option<String>,
    /// The right operand's type.
    pub right: Option<String>,
    /// `oprcom` as schema and symbol.
    pub commutator: Option<(String, String)>,
    /// `oprnegate` as schema and symbol.
    pub negator: Option<(String, String)>,
    /// `oprcanmerge`.
    pub merges: bool,
    /// `oprcanhash`.
    pub hashes: bool,
    /// `oprrest`.
    pub restrict: Option<String>,
    /// `oprjoin`.
    pub join: Option<String>,
}
