//! Default privileges.

/// What only a default ACL has; its privileges are the object's.
#[derive(Debug, Clone, Copy)]
pub struct DefaultAcl {
    /// `defaclobjtype`: `r`, `S`, `f`, `T`, `n` or `L`.
    pub object_type: char,
}
