//! Constraints of tables and domains.

use super::{DumpId, Oid};

/// A primary key, unique, exclusion, check or separate not-null constraint.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// The table or domain.
    pub owner: ConstraintOwner,
    /// `contype`: `p`, `u`, `x`, `c` or `n`.
    pub contype: char,
    /// `pg_get_constraintdef`; unused for primary keys and unique constraints.
    pub definition: String,
    /// The index behind `p`, `u` and `x`.
    pub index: Option<DumpId>,
    /// `condeferrable`.
    pub deferrable: bool,
    /// `condeferred`.
    pub deferred: bool,
    /// `conperiod`: WITHOUT OVERLAPS (18+).
    pub period: bool,
    /// `conislocal`.
    pub local: bool,
    /// `convalidated`.
    pub validated: bool,
    /// Whether it is printed after its table or domain rather than inside it.
    pub separate: bool,
}

/// What a constraint belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintOwner {
    /// A table.
    Table(DumpId),
    /// A domain.
    Domain(DumpId),
}

/// A foreign key, always printed after the data.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    /// The referencing table.
    pub table: DumpId,
    /// `pg_get_constraintdef`.
    pub definition: String,
    /// The referenced table's oid.
    pub referenced: Oid,
    /// `conindid`: the index that makes the referenced columns unique.
    pub referenced_index: Oid,
}
