//! Which objects are wanted: patterns, filters, sections.
//!
//! [`SelectionRequest`] is what the user wrote, [`Selection`] the same with every pattern resolved to
//! oids by a server. The decisions are those of `selectDumpable*` in `pg_dump.c`.

mod filter;
mod pattern;
mod request;
mod selection;

pub use filter::{FilterCommand, FilterError, FilterItem, FilterObject, FilterReader};
pub use pattern::{Pattern, PatternError, PatternShape};
pub use request::{LargeObjectChoice, SelectionRequest, TablePattern};
pub use selection::{SchemaDecision, Selection};
