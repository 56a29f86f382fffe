//! Subscriptions.

/// What only a subscription has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// `subconninfo`.
    pub connection: String,
    /// `subslotname`.
    pub slot_name: Option<String>,
    /// `subpublications`.
    pub publications: Vec<String>,
    /// `subbinary` (14+).
    pub binary: bool,
    /// `substream`: `f` off, `t` on, `p` parallel (14+).
    pub streaming: char,
    /// `subtwophasestate`: `d` disabled (15+).
    pub two_phase: char,
    /// `subdisableonerr` (15+).
    pub disable_on_error: bool,
    /// `subpasswordrequired` (16+).
    pub password_required: bool,
    /// `subrunasowner` (16+).
    pub run_as_owner: bool,
    /// `subfailover` (17+).
    pub failover: bool,
    /// `subsynccommit`.
    pub synchronous_commit: String,
    /// `suborigin` (16+).
    pub origin: String,
}
