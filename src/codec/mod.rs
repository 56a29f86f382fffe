//! Bytes to bytes: compression, checksums, fingerprints.
