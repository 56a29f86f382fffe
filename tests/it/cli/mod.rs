//! The command line: what people and programs see of it, without a server unless a file says so.

mod demo;
mod errors;
mod help;
mod results;
mod stand_in;
