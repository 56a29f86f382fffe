//! The stand-ins for PostgreSQL's own tools, and what they have in common: arguments, filter files and
//! messages as those tools have them.

pub(super) mod filter_file;
pub(super) mod getopt;
pub(super) mod integer;
pub(super) mod messages;
pub(super) mod pg_dump;
pub(super) mod pg_dumpall;
mod pg_dumpall_help;
pub(super) mod pg_restore;
pub(super) mod restrict_key;
mod server_message;
