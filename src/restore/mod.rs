//! An archive into a database: options, plan, report.

mod roles;
mod schedule;
