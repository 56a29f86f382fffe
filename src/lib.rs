//! pgark dumps, restores and proves PostgreSQL databases without any client tool.
//!
//! A module imports lower layers, its own children and nothing else:
//!
//! ```text
//! layer 6   cli
//! layer 4   clone
//! layer 3   dump   restore   verify   inspect
//! layer 2   catalog
//! layer 1   connect   select   ddl   order   archive
//! layer 0   sql   model   codec   store        (error and progress serve everybody)
//! ```

pub mod archive;
pub mod catalog;
pub mod cli;
pub mod clone;
pub mod codec;
pub mod connect;
pub mod ddl;
pub mod dump;
pub mod error;
pub mod inspect;
pub mod model;
pub mod order;
pub mod progress;
pub mod restore;
pub mod select;
pub mod sql;
pub mod store;
pub mod verify;

pub use error::{Error, ErrorKind, Result};
