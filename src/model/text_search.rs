//! Text search: parsers, templates, dictionaries and configurations. Functions are `regproc` texts.

/// What only a text search parser has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSearchParser {
    /// `prsstart`.
    pub start: String,
    /// `prstoken`.
    pub token: String,
    /// `prsend`.
    pub end: String,
    /// `prsheadline`.
    pub headline: Option<String>,
    /// `prslextype`.
    pub lexical_types: String,
}

/// What only a text search template has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSearchTemplate {
    /// `tmplinit`.
    pub init: Option<String>,
    /// `tmpllexize`.
    pub lexize: String,
}

/// What only a text search dictionary has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSearchDictionary {
    /// The template as schema and name.
    pub template: (String, String),
    /// `dictinitoption`, SQL text already.
    pub options: Option<String>,
}

/// What only a text search configuration has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSearchConfiguration {
    /// The parser as schema and name.
    pub parser: (String, String),
    /// Token types with their dictionaries (`regdictionary` text), in order of type and sequence.
    pub mappings: Vec<(String, Vec<String>)>,
}
