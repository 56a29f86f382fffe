//! What an archive holds, looked at without a server: one object's SQL, one table's rows, and how two
//! schemas differ.
//!
//! Nothing is restored and nothing written but what the caller asked for; the archive may be of any
//! format and maker. Rows are compared with the manifest while they pass, so that damage does not go out
//! as data unnoticed.

mod csv;
mod difference;
mod object;
mod rows;

pub use difference::{SchemaChange, SchemaSource, schema_changes};
pub use object::{ObjectName, find_object, object_sql, table_data};
pub use rows::{RowsForm, write_rows};
