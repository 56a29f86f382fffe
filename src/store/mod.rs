//! Where the bytes of an archive live, and how nothing half-done ever looks done.
