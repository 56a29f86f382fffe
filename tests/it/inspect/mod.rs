//! `pgark inspect`: objects, rows and differences straight from archives.

mod difference;
mod extract;
