//! Is the archive whole, and is the database equal to it: options, plan, report.
