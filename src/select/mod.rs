//! Which objects are wanted: patterns, filters, sections.
