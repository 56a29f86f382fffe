//! A database into an archive: options, plan, report.
