//! What an archive holds, looked at without a server: one object's SQL, one table's rows, and how two
//! schemas differ.
//!
//! Nothing is restored and nothing written but what the caller asked for; the archive may be of any
//! format and maker. Rows are compared with the manifest while they pass, so that damage does not go out
//! as data unnoticed.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use pgark::archive;
//! use pgark::inspect::{self, ObjectName, RowsForm};
//!
//! # fn example() -> pgark::Result<()> {
//! let shop = archive::open(Path::new("/backups/shop.dump"))?;
//! for entry in shop.entries() {
//!     println!("{:>7} {}", entry.dump_id, entry.describe());
//! }
//! let orders = ObjectName::parse("sales.orders")?;
//! let objects = inspect::find_object(shop.as_ref(), &orders)?;
//! println!("{}", inspect::object_sql(shop.as_ref(), &objects)?);
//! let rows = inspect::table_data(shop.as_ref(), &orders)?;
//! inspect::write_rows(shop.as_ref(), rows, RowsForm::Csv, &mut std::io::stdout())?;
//! # Ok(())
//! # }
//! ```

mod csv;
mod difference;
mod object;
mod rows;

pub use difference::{SchemaChange, SchemaSource, schema_changes};
pub use object::{ObjectName, find_object, object_sql, table_data};
pub use rows::{RowsForm, write_rows};
