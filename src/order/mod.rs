//! The order of a dump: priorities, dependencies, loops and their repair, pure.
