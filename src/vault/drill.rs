//! The drill: a backup is restored into a database of its own, proved, timed, and removed again.
//!
//! ```text
//!   shop_drill_20261121t201500_1f3a     the scratch database; its comment says whose it is
//! ```
//!
//! Nothing else on the server is touched. The scratch database is one that the drill has just created; those that a
//! killed drill has left are recognised by name and comment together, and dropped when nobody holds their lock.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::side::{
    self, Claim, Custody, FoundDatabase, OpenedArchive, Proof, RestoreId, databases, drop_database,
    fitting, id_behind, is_bare, prove, subscriptions,
};
use crate::connect::{ConnectParams, Session};
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::progress::{Interrupt, ProgressHandle};
use crate::restore::{self, RestoreOptions};
use crate::sql::{quote_identifier, quote_literal_for_server};

/// The options of a drill.
#[derive(Debug, Clone)]
pub struct DrillOptions {
    /// The backup's archive.
    pub archive: PathBuf,
    /// The server; the database of the parameters is not used.
    pub server: ConnectParams,
    /// The run: new, and unique on the server.
    pub id: RestoreId,
    /// The number of connections.
    pub jobs: usize,
    /// Queries of the owner's own that must return true.
    pub checks: Vec<String>,
    /// Leaves ownership of objects to the connecting user, for a server without the roles.
    pub no_owner: bool,
    /// Restores no GRANT and REVOKE.
    pub no_privileges: bool,
    /// Collects statistics for the planner, which is part of the time until a database is of use.
    pub analyze: bool,
}

impl DrillOptions {
    /// Makes the options of an ordinary drill.
    pub fn new(archive: impl Into<PathBuf>, server: ConnectParams, id: RestoreId) -> Self {
        DrillOptions {
            archive: archive.into(),
            server,
            id,
            jobs: 1,
            checks: Vec::new(),
            no_owner: false,
            no_privileges: false,
            analyze: true,
        }
    }
}

/// What a drill has found.
#[derive(Debug, Clone, Serialize)]
pub struct DrillReport {
    /// The run.
    pub id: String,
    /// The backup.
    pub backup: String,
    /// The database it was made of.
    pub database: String,
    /// Where the drill was: host, port, user.
    pub server: String,
    /// Its server's version.
    pub server_version: String,
    /// Rows that were restored.
    pub rows: u64,
    /// Tables that were loaded.
    pub tables: u64,
    /// What was compared.
    pub proof: Proof,
    /// Foreign keys that the server has checked for all rows.
    pub foreign_keys: u64,
    /// Own checks that returned true.
    pub checks: u64,
    /// What a person should know although nothing is wrong.
    pub notes: Vec<String>,
    /// Databases of earlier drills that were removed.
    pub swept: Vec<String>,
    /// How long it takes until the database is there: the measured recovery time.
    #[serde(rename = "recovery_seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub recovery: Duration,
    /// How long all of it took.
    #[serde(rename = "seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub time: Duration,
}

/// What the comment of a scratch database says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// `drill`; the first field, so that people see whose comment it is.
    pgark: String,
    id: RestoreId,
    source: String,
}

impl Mark {
    const WORD: &str = "drill";

    /// Reads the comment of a database; none when it is somebody else's, or on a database of another name.
    fn read(found: &FoundDatabase) -> Option<Mark> {
        let mark: Mark = serde_json::from_str(found.comment.as_deref()?).ok()?;
        (mark.pgark == Mark::WORD && scratch_name(&mark.source, &mark.id) == found.name)
            .then_some(mark)
    }
}

/// Returns the name of the scratch database.
fn scratch_name(source: &str, id: &RestoreId) -> String {
    fitting(source, &format!("_drill_{id}"))
}

/// Restores a backup into a database of its own, proves it and removes it.
///
/// The scratch database is removed however the drill ends, also when it is interrupted.
///
/// # Errors
///
/// [`ErrorKind::Integrity`] when what was restored is not what was backed up, or a check is not true;
/// [`ErrorKind::Refused`] when the server cannot take the backup; and what logging in and opening an archive can fail with.
pub async fn drill(
    options: DrillOptions,
    progress: ProgressHandle,
    interrupt: Interrupt,
) -> Result<DrillReport> {
    let began = Instant::now();
    let opened = OpenedArchive::open(&options.archive).await?;
    let scratch = scratch_name(&opened.database, &options.id);
    let mut custody = Custody::take(&options.server, &scratch).await?;
    let swept = sweep(&custody, &progress).await?;
    let create = opened.create_statement(&scratch, custody.session().version());
    let params = custody.params(&scratch);
    let mut work = Work { options, progress, interrupt, params, scratch, created: false };
    let outcome = match work.create(&custody, &opened, &create).await {
        Ok(()) => work.restore_and_check(&opened).await,
        Err(error) => Err(error),
    };
    let removed = work.remove(&mut custody).await;
    let server_version = custody.session().version_text();
    custody.release().await;
    let mut report = match (outcome, removed) {
        (Ok(report), Ok(())) => report,
        (Err(error), Ok(())) => return Err(error),
        (Ok(_), Err(error)) => return Err(error),
        (Err(error), Err(removing)) => return Err(error.with_hint(with_causes(&removing))),
    };
    report.server_version = server_version;
    report.swept = swept;
    report.time = began.elapsed();
    Ok(report)
}

/// Drops the scratch databases of drills that are dead.
async fn sweep(custody: &Custody, progress: &ProgressHandle) -> Result<Vec<String>> {
    let session = custody.session();
    let mut swept = Vec::new();
    for found in databases(session).await? {
        let params = custody.params(&found.name);
        let is_ours = match Mark::read(&found) {
            Some(_) => custody.try_lock(&found.name).await?,
            None if found.comment.is_none() && id_behind(&found.name, "_drill_").is_some() => {
                custody.try_lock(&found.name).await?
                    // One that nobody can look into stays.
                    && is_bare(&params, &found).await.unwrap_or(false)
            }
            None => false,
        };
        if !is_ours {
            continue;
        }
        match drop_database(session, &params, &found.name).await {
            Ok(_) => swept.push(found.name),
            // It may be another role's, and it keeps nobody from a drill.
            Err(error) => progress.warning(&with_causes(&error)),
        }
    }
    Ok(swept)
}

struct Work {
    options: DrillOptions,
    progress: ProgressHandle,
    interrupt: Interrupt,
    params: ConnectParams,
    scratch: String,
    /// Whether the scratch database is there, and ours.
    created: bool,
}

impl Work {
    async fn create(
        &mut self,
        custody: &Custody,
        opened: &OpenedArchive,
        create: &str,
    ) -> Result<()> {
        self.interrupt.check()?;
        let session = custody.session();
        let purpose = format!("create the database {:?}", self.scratch);
        session.execute(&purpose, create).await.map_err(|error| {
            error.with_hint(
                "the role needs the right to create databases, and the server the locale of the backup",
            )
        })?;
        self.created = true;
        let mark = Mark {
            pgark: Mark::WORD.to_owned(),
            id: self.options.id.clone(),
            source: opened.database.clone(),
        };
        let text = serde_json::to_string(&mark).map_err(|error| {
            Error::new(ErrorKind::Internal, "could not write the comment").with_source(error)
        })?;
        let comment = format!(
            "COMMENT ON DATABASE {} IS {}",
            quote_identifier(&self.scratch),
            quote_literal_for_server(&text)
        );
        session.execute(&purpose, &comment).await
    }

    async fn restore_and_check(&mut self, opened: &OpenedArchive) -> Result<DrillReport> {
        let began = Instant::now();
        let options = RestoreOptions {
            jobs: self.options.jobs,
            no_owner: self.options.no_owner,
            no_privileges: self.options.no_privileges,
            analyze: self.options.analyze,
            ..side::restore_options(&self.options.archive, self.params.clone())
        };
        let plan = restore::plan(options, Arc::clone(&self.progress)).await?;
        let restored = plan.run(self.interrupt.clone()).await.map_err(|error| {
            Error::new(error.kind(), "the backup could not be restored").with_source(error)
        })?;
        let recovery = began.elapsed();
        let claim = Claim {
            archive: self.options.archive.clone(),
            restored: self.params.clone(),
            jobs: self.options.jobs,
            no_owner: self.options.no_owner,
            no_privileges: self.options.no_privileges,
        };
        let proof = prove(&claim, &self.progress, &self.interrupt).await?;
        let session = Session::connect(&self.params).await?;
        let (foreign_keys, mut notes) = foreign_keys(&session).await?;
        let checks = self.check(&session).await?;
        for name in subscriptions(&session, &self.scratch).await? {
            notes.push(format!("subscription {name} was restored disabled and without its slot"));
        }
        session.close().await;
        Ok(DrillReport {
            id: self.options.id.to_string(),
            backup: self.options.archive.display().to_string(),
            database: opened.database.clone(),
            server: self.options.server.describe_server(),
            server_version: String::new(),
            rows: restored.rows,
            tables: restored.tables.len() as u64,
            proof,
            foreign_keys,
            checks,
            notes,
            swept: Vec::new(),
            recovery,
            time: began.elapsed(),
        })
    }

    /// Asks the owner's own questions.
    async fn check(&self, session: &Session) -> Result<u64> {
        // They are to look, and not to change anything; a check may well call functions that could.
        session.execute("begin the checks", "begin read only").await?;
        for check in &self.options.checks {
            self.interrupt.check()?;
            let rows = session.query(&format!("run the check \"{check}\""), check).await?;
            let answer = rows.first().and_then(|row| row.at(0));
            if answer != Some("t") {
                let answer =
                    answer.map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}"));
                let what = format!("the check \"{check}\" returned {answer} instead of true");
                return Err(Error::new(ErrorKind::Integrity, what));
            }
        }
        session.execute("end the checks", "rollback").await?;
        Ok(self.options.checks.len() as u64)
    }

    async fn remove(&mut self, custody: &mut Custody) -> Result<()> {
        if !self.created {
            return Ok(());
        }
        let drop = async |custody: &mut Custody| -> Result<()> {
            custody.renew().await?;
            drop_database(custody.session(), &self.params, &self.scratch).await.map(drop)
        };
        drop(custody).await.map_err(|error| {
            error
                .context(format!("the scratch database {:?} could not be removed", self.scratch))
                .with_hint("the next drill on this server removes it")
        })
    }
}

/// Counts the foreign keys that hold for all rows: rows came first, so the server has looked at each of them.
///
/// Those that were NOT VALID in the source are so again, and are told.
async fn foreign_keys(session: &Session) -> Result<(u64, Vec<String>)> {
    let sql = "select pg_catalog.quote_ident(c.conname) || ' of ' || c.conrelid::pg_catalog.regclass as name,
            c.convalidated as valid
        from pg_catalog.pg_constraint c where c.contype = 'f' order by 1";
    let rows = session.query("look at the foreign keys", sql).await?;
    let (mut valid, mut notes) = (0, Vec::new());
    for row in &rows {
        if row.boolean("valid")? {
            valid += 1;
        } else {
            notes.push(format!(
                "foreign key {} is not valid, as it was not in the source",
                row.text("name")?
            ));
        }
    }
    Ok((valid, notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, comment: &str) -> FoundDatabase {
        FoundDatabase {
            name: name.to_owned(),
            oid: 1,
            allow_connections: true,
            comment: Some(comment.to_owned()),
        }
    }

    #[test]
    fn a_scratch_database_is_known_by_its_name_and_its_comment_together() {
        let id: RestoreId = "20261121t201500_1f3a".parse().expect("an id");
        let mark = Mark { pgark: "drill".into(), id: id.clone(), source: "shop".into() };
        let text = serde_json::to_string(&mark).expect("text");
        assert!(text.starts_with("{\"pgark\":\"drill\""), "{text}");
        assert_eq!(Mark::read(&found("shop_drill_20261121t201500_1f3a", &text)), Some(mark));
        assert_eq!(Mark::read(&found("shop", &text)), None);
        assert_eq!(Mark::read(&found("shop_drill_20261121t201500_1f3b", &text)), None);
        assert_eq!(Mark::read(&found("shop_drill_20261121t201500_1f3a", "a drill")), None);
    }
}
