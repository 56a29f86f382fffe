//! The words of SQL: identifiers, literals, keywords, arrays in text form.
//!
//! Everything that quotes lives here and nowhere else. The rules are those of PostgreSQL's
//! `fe_utils/string_utils.c` and `common/keywords.c` of version 18: a dump is quoted by the keyword
//! list of the newest server whatever the source is.

mod acl_role;
mod array;
mod identifier;
mod keyword;
mod literal;
mod name;
mod setting;
pub mod text;

pub use acl_role::{quote_acl_role, split_acl_role};
pub use array::{build_array, parse_array, parse_options};
pub use identifier::{Quoting, qualified, quote_identifier};
pub use keyword::needs_quotes;
pub use literal::{dollar_quote, quote_literal, quote_literal_for_server};
pub use name::split_name;
pub use setting::setting_value;
