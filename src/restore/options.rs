//! What a restore is asked to do.

use std::path::PathBuf;

use super::contents::ContentsRequest;
use crate::archive::selection::RestoreSelection;
use crate::connect::{ConnectParams, Session};
use crate::model::Section;
use crate::store::Location;

/// Whether the target may hold something already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The target must not hold user objects, unless another option says that it does.
    #[default]
    Fresh,
    /// The archive is added to whatever the target holds.
    Append,
}

/// Whose habits a restore has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// What cannot succeed is refused before anything happens, and what failed is not built upon.
    #[default]
    Checked,
    /// Everything is tried and what fails is counted, as `pg_restore` does: for those who replace it and
    /// rely on that. Manifests are ignored.
    PgRestore,
}

/// What the sessions of a restore set besides what the archive asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionSettings {
    /// `maintenance_work_mem`, the memory of an index that is built; by default what the server has set. More
    /// makes indexes of numbers and times faster and those of text slower.
    pub maintenance_work_mem: Option<String>,
    /// `max_parallel_maintenance_workers`, the processes that help to build an index. By default as many as the
    /// server has set, but none on this machine while there are as many connections at work as it has cores:
    /// sharing a sort costs a fifth more than doing it alone.
    pub max_parallel_maintenance_workers: Option<u32>,
    /// `synchronous_commit`; off by default, since a restore waits for the disk once, in its end.
    pub synchronous_commit: Option<String>,
}

/// The options of a restore; the names are those of `pg_restore` where it has the option.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The archive to restore.
    pub archive: Location,
    /// The target; with [`create`](Self::create) the database to connect to first.
    pub connection: ConnectParams,
    /// The number of connections.
    pub jobs: usize,
    /// Whose habits the restore has.
    pub manner: Manner,
    /// Whether somebody follows every entry as it is restored; they go to the server one by one then.
    pub narrated: bool,
    /// Whether the target may hold something already.
    pub mode: Mode,
    /// Drops the objects of the archive before they are made.
    pub clean: bool,
    /// Makes dropping what does not exist no error.
    pub if_exists: bool,
    /// Creates the database of the archive, and restores into it.
    pub create: bool,
    /// Leaves ownership to the connecting user.
    pub no_owner: bool,
    /// Makes objects as their owners instead of giving them to those afterwards.
    pub session_authorization: bool,
    /// Restores no GRANT and REVOKE.
    pub no_privileges: bool,
    /// Restores no COMMENT.
    pub no_comments: bool,
    /// Restores no row security policies.
    pub no_policies: bool,
    /// Restores no publications.
    pub no_publications: bool,
    /// Restores no subscriptions.
    pub no_subscriptions: bool,
    /// Takes subscriptions away from their replication slot in the transaction that makes them, so that neither
    /// they nor whoever drops them reaches for a slot that somebody else is using.
    pub detach_subscriptions: bool,
    /// Restores no security labels.
    pub no_security_labels: bool,
    /// Puts everything into the default tablespace.
    pub no_tablespaces: bool,
    /// Gives tables the server's default access method.
    pub no_table_access_method: bool,
    /// Restores no statistics that the archive may hold.
    pub no_statistics: bool,
    /// Restores definitions only.
    pub schema_only: bool,
    /// Restores data only.
    pub data_only: bool,
    /// Restores no definitions.
    pub no_schema: bool,
    /// Restores no data.
    pub no_data: bool,
    /// The sections to restore; empty for all.
    pub sections: Vec<Section>,
    /// The tables, views and sequences to restore, by exact name; empty for all.
    pub tables: Vec<String>,
    /// The schemas to restore from; empty for all.
    pub schemas: Vec<String>,
    /// The schemas to leave out.
    pub exclude_schemas: Vec<String>,
    /// The indexes to restore; empty for all.
    pub indexes: Vec<String>,
    /// The functions to restore, as the archive lists them: `name(type, type)`; empty for all.
    pub functions: Vec<String>,
    /// The triggers to restore, as the archive lists them: `table trigger`; empty for all.
    pub triggers: Vec<String>,
    /// The file that lists the only entries to restore, in the order to restore them in (`-L`).
    pub list: Option<PathBuf>,
    /// Whether every name above must be in the archive.
    pub strict_names: bool,
    /// Restores everything in one transaction, or nothing.
    pub single_transaction: bool,
    /// Commits after about this many entries and stops at the first error; rows of a table are always a
    /// transaction of their own.
    pub transaction_size: Option<usize>,
    /// Leaves row security on.
    pub row_security: bool,
    /// Turns triggers and foreign keys of existing tables off while their data is loaded.
    pub disable_triggers: bool,
    /// The superuser who turns triggers off.
    pub superuser: Option<String>,
    /// Stops at the first error.
    pub exit_on_error: bool,
    /// Does not load data into tables that could not be created.
    pub no_data_for_failed_tables: bool,
    /// Collects optimizer statistics of what was loaded.
    pub analyze: bool,
    /// Moves sequences that lie behind the column they belong to.
    pub fix_sequences: bool,
    /// Freezes the rows of tables that the restore makes, so that no vacuum has to do it later.
    pub freeze: bool,
    /// Loads a large table over all connections that have nothing else to do; its rows come in another order.
    pub split_load: bool,
    /// What sessions set besides what the archive asks for.
    pub settings: SessionSettings,
    /// The number of cores of this machine, if it is known; it matters where the server is on it, too.
    pub cores: Option<usize>,
    /// The role to work as (`SET ROLE`).
    pub role: Option<String>,
}

impl RestoreOptions {
    /// Makes the options of an ordinary restore of `archive` into the database of `connection`.
    pub fn new(archive: impl Into<Location>, connection: ConnectParams) -> Self {
        RestoreOptions {
            archive: archive.into(),
            connection,
            jobs: 1,
            manner: Manner::Checked,
            narrated: false,
            mode: Mode::Fresh,
            clean: false,
            if_exists: false,
            create: false,
            no_owner: false,
            session_authorization: false,
            no_privileges: false,
            no_comments: false,
            no_policies: false,
            no_publications: false,
            no_subscriptions: false,
            detach_subscriptions: false,
            no_security_labels: false,
            no_tablespaces: false,
            no_table_access_method: false,
            no_statistics: false,
            schema_only: false,
            data_only: false,
            no_schema: false,
            no_data: false,
            sections: Vec::new(),
            tables: Vec::new(),
            schemas: Vec::new(),
            exclude_schemas: Vec::new(),
            indexes: Vec::new(),
            functions: Vec::new(),
            triggers: Vec::new(),
            list: None,
            strict_names: true,
            single_transaction: false,
            transaction_size: None,
            row_security: false,
            disable_triggers: false,
            superuser: None,
            exit_on_error: false,
            no_data_for_failed_tables: false,
            analyze: true,
            fix_sequences: false,
            freeze: false,
            split_load: false,
            settings: SessionSettings::default(),
            cores: None,
            role: None,
        }
    }

    /// Returns what is wrong with the combination of options, in the words of `pg_restore`.
    pub(super) fn conflict(&self) -> Option<String> {
        let exclusive = |one: &str, other: &str| {
            Some(format!("options {one} and {other} cannot be used together"))
        };
        if self.data_only && self.schema_only {
            exclusive("-s/--schema-only", "-a/--data-only")
        } else if self.clean && self.data_only {
            exclusive("-c/--clean", "-a/--data-only")
        } else if self.single_transaction && self.transaction_size.is_some() {
            exclusive("-1/--single-transaction", "--transaction-size")
        } else if self.create && self.single_transaction {
            exclusive("-C/--create", "-1/--single-transaction")
        } else if self.single_transaction && self.jobs > 1 {
            Some("cannot specify both --single-transaction and multiple jobs".into())
        } else if self.if_exists && !self.clean {
            Some("option --if-exists requires option -c/--clean".into())
        } else if self.freeze && self.disable_triggers {
            exclusive("--freeze", "--disable-triggers")
        } else if self.split_load && self.freeze {
            exclusive("--split-load", "--freeze")
        } else if self.split_load && self.disable_triggers {
            exclusive("--split-load", "--disable-triggers")
        } else if self.split_load && self.single_transaction {
            exclusive("--split-load", "-1/--single-transaction")
        } else if self.jobs == 0 {
            Some("the number of jobs must be at least 1".into())
        } else {
            None
        }
    }

    /// Returns the archive and what of it is wanted.
    pub(super) fn contents(&self) -> ContentsRequest {
        let selection = RestoreSelection {
            sections: self.sections.clone(),
            schemas: self.schemas.clone(),
            exclude_schemas: self.exclude_schemas.clone(),
            tables: self.tables.clone(),
            indexes: self.indexes.clone(),
            functions: self.functions.clone(),
            triggers: self.triggers.clone(),
            no_privileges: self.no_privileges,
            no_comments: self.no_comments,
            no_policies: self.no_policies,
            no_publications: self.no_publications,
            no_subscriptions: self.no_subscriptions,
            no_security_labels: self.no_security_labels,
            create: self.create,
            schema: !(self.data_only || self.no_schema),
            data: !(self.schema_only || self.no_data),
            large_object_metadata: false,
            statistics: !(self.no_statistics || self.schema_only || self.data_only),
            listed: None,
        };
        ContentsRequest { archive: self.archive.clone(), list: self.list.clone(), selection }
    }

    /// Tells whether the first error ends the run.
    pub(super) fn stops_at_first_error(&self) -> bool {
        self.exit_on_error || self.single_transaction || self.transaction_size.is_some()
    }

    /// Tells whether everything is tried, as `pg_restore` does.
    pub(super) fn is_stock(&self) -> bool {
        self.manner == Manner::PgRestore
    }

    /// Returns how many cores the server has, where that is known and the connections have to share them.
    pub(super) fn cores_of_server(&self, session: &Session) -> Option<usize> {
        let decided = self.settings.max_parallel_maintenance_workers.is_some();
        self.cores.filter(|_| self.jobs > 1 && !decided && session.is_local())
    }

    /// Tells whether the rows of several tables may go in one transaction, where nobody sees a difference.
    pub(super) fn loads_tables_together(&self) -> bool {
        let by_entry = self.narrated || self.single_transaction || self.transaction_size.is_some();
        !(by_entry || self.disable_triggers)
    }

    /// Tells whether only objects named one by one are restored.
    pub(super) fn names_objects(&self) -> bool {
        !(self.tables.is_empty()
            && self.schemas.is_empty()
            && self.indexes.is_empty()
            && self.functions.is_empty()
            && self.triggers.is_empty()
            && self.list.is_none())
    }
}
