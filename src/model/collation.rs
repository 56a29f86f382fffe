//! Collations.

/// What only a collation has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collation {
    /// `collprovider`: `b` builtin, `c` libc, `i` icu, `d` the database's default.
    pub provider: char,
    /// `collisdeterministic`.
    pub deterministic: bool,
    /// `collcollate`; `None` also for the empty text of servers before 15.
    pub collate: Option<String>,
    /// `collctype`; `None` also for the empty text of servers before 15.
    pub ctype: Option<String>,
    /// `colllocale` or `colliculocale` (15+).
    pub locale: Option<String>,
    /// `collicurules` (16+).
    pub rules: Option<String>,
    /// `collencoding`, which decides between collations of one name.
    pub encoding: i32,
}
