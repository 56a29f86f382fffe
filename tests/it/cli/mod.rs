//! The command line: what people and programs see of it, without a server unless a file says so.

mod demo;
mod dump_options;
mod errors;
mod help;
mod pipes;
mod restore_options;
mod results;
mod stand_in;
