//! Row security.

use super::DumpId;

/// A policy, or that row security is enabled.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The table.
    pub table: DumpId,
    /// The policy; `None` stands for `ENABLE ROW LEVEL SECURITY`.
    pub definition: Option<PolicyDefinition>,
}

/// What a policy says.
#[derive(Debug, Clone)]
pub struct PolicyDefinition {
    /// `polcmd`.
    pub command: char,
    /// `polpermissive`.
    pub permissive: bool,
    /// Quoted role names joined with `, `; `None` for PUBLIC.
    pub roles: Option<String>,
    /// The USING expression.
    pub using: Option<String>,
    /// The WITH CHECK expression.
    pub with_check: Option<String>,
}
