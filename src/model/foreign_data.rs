//! Foreign-data wrappers, foreign servers and user mappings.
//!
//! Options are SQL text already (`name 'value'`), quoted by the server and ordered by name.

/// What only a foreign-data wrapper has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignDataWrapper {
    /// `fdwhandler` (`regproc` text).
    pub handler: Option<String>,
    /// `fdwvalidator` (`regproc` text).
    pub validator: Option<String>,
    /// `fdwoptions`.
    pub options: Vec<String>,
}

/// What only a foreign server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignServer {
    /// The raw name of the wrapper.
    pub wrapper: String,
    /// `srvtype`.
    pub server_type: Option<String>,
    /// `srvversion`.
    pub version: Option<String>,
    /// `srvoptions`.
    pub options: Vec<String>,
    /// Its user mappings, by role name.
    pub user_mappings: Vec<UserMapping>,
}

/// A user mapping, which is no object of its own but a part of its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserMapping {
    /// The raw name of the role, or `public`.
    pub role: String,
    /// `umoptions`, none when the reading role may not see them.
    pub options: Vec<String>,
}
