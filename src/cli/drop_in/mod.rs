//! What the stand-ins for PostgreSQL's own tools have in common: arguments and filter files as those read
//! them.

pub(super) mod filter_file;
pub(super) mod getopt;
pub(super) mod messages;
pub(super) mod pg_dumpall;
mod pg_dumpall_help;
pub(super) mod restrict_key;
