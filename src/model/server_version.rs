//! What the PostgreSQL versions differ in, as named predicates; no other file compares version numbers.

use std::fmt;

/// The version of a server as `server_version_num` gives it, such as 180006.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion(pub u32);

impl ServerVersion {
    /// The oldest version that pgark is tested with.
    pub const OLDEST: ServerVersion = ServerVersion(120_000);
    /// The newest major version that pgark is tested with.
    pub const NEWEST_MAJOR: u32 = 18;

    /// Returns the major version, such as 18.
    pub fn major(self) -> u32 {
        self.0 / 10_000
    }

    /// Tells whether the server is older than anything pgark is tested with.
    pub fn is_too_old(self) -> bool {
        self < Self::OLDEST
    }

    /// Tells whether the server is newer than anything pgark is tested with.
    pub fn is_untested(self) -> bool {
        self.major() > Self::NEWEST_MAJOR
    }

    fn at_least(self, major: u32) -> bool {
        self.major() >= major
    }

    /// `pg_trigger.tgparentid` (13).
    pub fn has_trigger_parent(self) -> bool {
        self.at_least(13)
    }
    /// Partition clones of triggers are no longer marked internal (15).
    pub fn has_visible_trigger_clones(self) -> bool {
        self.at_least(15)
    }
    /// Extensions that the owner of a database may create (13).
    pub fn has_trusted_extensions(self) -> bool {
        self.at_least(13)
    }
    /// `pg_statistic_ext.stxstattarget` (13).
    pub fn has_statistics_target(self) -> bool {
        self.at_least(13)
    }
    /// `pg_publication.pubviaroot` (13).
    pub fn has_publication_via_root(self) -> bool {
        self.at_least(13)
    }
    /// `reltuples` of -1 where nothing was counted yet (14).
    pub fn has_unknown_tuple_count(self) -> bool {
        self.at_least(14)
    }
    /// Statistics of ranges in `pg_stats` (17).
    pub fn has_range_statistics(self) -> bool {
        self.at_least(17)
    }
    /// `pg_class.relallfrozen` (18).
    pub fn has_all_frozen_count(self) -> bool {
        self.at_least(18)
    }
    /// `pg_subscription.subbinary` and `substream` (14).
    pub fn has_subscription_streaming(self) -> bool {
        self.at_least(14)
    }
    /// Column lists, row filters and whole schemas in publications (15).
    pub fn has_publication_filters(self) -> bool {
        self.at_least(15)
    }
    /// UNLOGGED sequences (15); before, every sequence is logged.
    pub fn has_unlogged_sequences(self) -> bool {
        self.at_least(15)
    }
    /// `pg_subscription.subtwophasestate` and `subdisableonerr` (15).
    pub fn has_subscription_two_phase(self) -> bool {
        self.at_least(15)
    }
    /// `pg_subscription.subpasswordrequired`, `subrunasowner` and `suborigin` (16).
    pub fn has_subscription_origin(self) -> bool {
        self.at_least(16)
    }
    /// `pg_database.datcollversion` (15).
    pub fn has_database_collation_version(self) -> bool {
        self.at_least(15)
    }
    /// A new cluster can take over how far subscriptions have come (17).
    pub fn upgrades_subscriptions(self) -> bool {
        self.at_least(17)
    }
    /// `pg_subscription.subfailover` (17).
    pub fn has_subscription_failover(self) -> bool {
        self.at_least(17)
    }
    /// `pg_publication.pubgencols` (18).
    pub fn has_publication_generated_columns(self) -> bool {
        self.at_least(18)
    }
    /// `pg_attribute.attcompression` (14).
    pub fn has_column_compression(self) -> bool {
        self.at_least(14)
    }
    /// TID range scans: a `ctid` range reads only its own pages (14).
    pub fn has_tid_range_scan(self) -> bool {
        self.at_least(14)
    }
    /// SQL-standard function bodies, `pg_get_function_sqlbody` (14).
    pub fn has_sql_bodies(self) -> bool {
        self.at_least(14)
    }
    /// Multirange types, `pg_range.rngmultitypid` (14).
    pub fn has_multiranges(self) -> bool {
        self.at_least(14)
    }
    /// `pg_type.typsubscript` (14).
    pub fn has_type_subscript(self) -> bool {
        self.at_least(14)
    }
    /// `client_connection_check_interval`: a backend notices that its client is gone (14).
    pub fn has_connection_check(self) -> bool {
        self.at_least(14)
    }
    /// `CREATE DATABASE ... LOCALE` (13).
    pub fn has_database_locale_option(self) -> bool {
        self.at_least(13)
    }
    /// `pg_database.datlocprovider`, `pg_collation` with the ICU locale apart and nulls for what is unset (15).
    pub fn has_locale_provider(self) -> bool {
        self.at_least(15)
    }
    /// `pg_parameter_acl`: privileges on configuration parameters (15).
    pub fn has_parameter_privileges(self) -> bool {
        self.at_least(15)
    }
    /// Grants of roles have options and a grantor that can be relied on (16).
    pub fn has_membership_options(self) -> bool {
        self.at_least(16)
    }
    /// `pg_index.indnullsnotdistinct` (15).
    pub fn has_nulls_not_distinct(self) -> bool {
        self.at_least(15)
    }
    /// `pg_database.daticurules`, `pg_collation.collicurules` (16).
    pub fn has_icu_rules(self) -> bool {
        self.at_least(16)
    }
    /// `datlocale` and `colllocale`, before that `daticulocale` and `colliculocale` (17).
    pub fn has_unified_locale(self) -> bool {
        self.at_least(17)
    }
    /// Not-null constraints of domains have rows in `pg_constraint` (17).
    pub fn has_domain_not_null_constraints(self) -> bool {
        self.at_least(17)
    }
    /// The setting `idle_session_timeout` (14).
    pub fn has_idle_session_timeout(self) -> bool {
        self.at_least(14)
    }
    /// The setting `transaction_timeout` (17).
    pub fn has_transaction_timeout(self) -> bool {
        self.at_least(17)
    }
    /// Not-null constraints of tables have rows in `pg_constraint` (18).
    pub fn has_table_not_null_constraints(self) -> bool {
        self.at_least(18)
    }
    /// `pg_constraint.conperiod`: WITHOUT OVERLAPS and PERIOD (18).
    pub fn has_temporal_constraints(self) -> bool {
        self.at_least(18)
    }
    /// `ALTER TABLE ... SET ACCESS METHOD` for partitioned tables (17).
    pub fn has_partitioned_access_method(self) -> bool {
        self.at_least(17)
    }
    /// `pg_restore_relation_stats` (18).
    pub fn has_statistics_import(self) -> bool {
        self.at_least(18)
    }
    /// `ANALYZE ONLY`, which leaves out partitions and children (18).
    pub fn has_analyze_only(self) -> bool {
        self.at_least(18)
    }
    /// `pg_get_sequence_data` (18).
    pub fn has_sequence_data_function(self) -> bool {
        self.at_least(18)
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10_000, self.0 % 10_000)
    }
}
