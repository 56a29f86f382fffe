//! What a verification is asked to do.

use crate::connect::ConnectParams;
use crate::store::Location;

/// How closely the archive's bytes are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Every byte is decoded and every checksum, size, row count and fingerprint compared.
    #[default]
    Full,
    /// The checksums of the stored bytes are compared; nothing is decoded.
    Quick,
}

/// What a verification is asked to do, complete and validated.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// The archive.
    pub archive: Location,
    /// How closely its bytes are looked at.
    pub depth: Depth,
    /// A live database to compare the archive with.
    pub against: Option<ConnectParams>,
    /// How many connections read the live database at the same time.
    pub jobs: usize,
    /// How long to wait for the live tables' locks.
    pub lock_wait_timeout: Option<String>,
    /// Whether owners are compared.
    pub owners: bool,
    /// Whether privileges are compared.
    pub privileges: bool,
    /// Whether definitions of subscriptions are compared; a restore may have taken them away from their slots.
    pub subscriptions: bool,
}

impl VerifyOptions {
    /// Makes the options of a full check of an archive alone.
    pub fn new(archive: impl Into<Location>) -> Self {
        VerifyOptions {
            archive: archive.into(),
            depth: Depth::Full,
            against: None,
            jobs: 1,
            lock_wait_timeout: None,
            owners: true,
            privileges: true,
            subscriptions: true,
        }
    }
}
