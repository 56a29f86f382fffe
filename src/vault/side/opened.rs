//! What an archive says about itself before its rows are read.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::gaps::Gaps;
use crate::archive::statements::owner_statement;
use crate::archive::{self, Manifest};
use crate::catalog::ServerIdentity;
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ServerVersion, TocEntry};
use crate::restore;
use crate::sql::{quote_identifier, quote_literal_for_server};

/// What is known about the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Its path.
    pub path: String,
    /// The database it was made of.
    pub database: String,
    /// The server version it was made of.
    pub server_version: String,
    /// The server it was made on: host, port, user; known by a repository only.
    pub server: Option<String>,
    /// When its dump began; known by a manifest only.
    pub taken: Option<chrono::DateTime<chrono::Utc>>,
    /// The position of the log up to which everything is in it.
    pub lsn: Option<String>,
    /// Bytes of log that the server has written since then, for all its databases together; known only on the
    /// server that the backup was made on.
    pub written_since: Option<u64>,
    /// Its rows.
    pub rows: u64,
    /// Its rows as text, which is about what the tables will take on disk.
    pub bytes: Option<u64>,
    /// Whether rows, fingerprints and sequences of the restored database can be compared with it.
    pub provable: bool,
}

/// What is known of the archive without reading its rows.
pub(in crate::vault) struct OpenedArchive {
    path: PathBuf,
    manifest: Option<Manifest>,
    /// The database it was made of.
    pub(in crate::vault) database: String,
    server_version: String,
    definition: Option<String>,
    gaps: Gaps,
    /// What it says about the database itself: owner, privileges, settings, by the kind of the entry.
    properties: Vec<(String, String)>,
}

impl OpenedArchive {
    /// Opens an archive.
    ///
    /// # Errors
    ///
    /// Those of an archive that is not there or cannot be read, and [`ErrorKind::Integrity`] when its manifest is gone.
    pub(in crate::vault) async fn open(path: &Path) -> Result<OpenedArchive> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let archive = archive::open(&path)?;
            archive.require_manifest()?;
            let header = archive.header();
            let gaps = Gaps::of(archive.manifest(), archive.entries())?;
            let entry = archive.entries().iter().find(|entry| entry.desc == "DATABASE");
            Ok(OpenedArchive {
                manifest: archive.manifest().cloned(),
                database: header.database.clone(),
                server_version: header.server_version.clone(),
                gaps,
                properties: properties(archive.entries(), &header.database)?,
                definition: entry.and_then(|entry| {
                    let intended = format!("CREATE DATABASE {} ", quote_identifier(&entry.tag));
                    entry.definition.strip_prefix(&intended).map(str::to_owned)
                }),
                path,
            })
        });
        opened.await.map_err(|panic| {
            Error::new(ErrorKind::Internal, "could not open the archive").with_source(panic)
        })?
    }

    /// Returns the statement that creates an empty database like the one in the archive.
    pub(in crate::vault) fn create_statement(&self, name: &str, version: ServerVersion) -> String {
        let name = quote_identifier(name);
        match &self.definition {
            Some(definition) => {
                let statement = format!("CREATE DATABASE {name} {definition}");
                restore::definition_for_target(&statement, version)
            }
            None => format!("CREATE DATABASE {name} TEMPLATE template0"),
        }
    }

    /// Tells whether there is a manifest to compare a restored database with.
    pub(in crate::vault) fn is_provable(&self) -> bool {
        self.manifest.is_some()
    }

    /// Returns what a plan says about it.
    pub(in crate::vault) fn backup(&self, rows: u64) -> Backup {
        let manifest = self.manifest.as_ref();
        Backup {
            path: self.path.display().to_string(),
            database: self.database.clone(),
            server_version: self.server_version.clone(),
            taken: manifest.map(|manifest| manifest.started),
            lsn: manifest.and_then(|manifest| manifest.snapshot_lsn.clone()),
            server: None,
            written_since: None,
            rows,
            bytes: manifest.map(|manifest| manifest.data.iter().map(|data| data.raw_bytes).sum()),
            provable: manifest.is_some(),
        }
    }

    /// Asks what the server has written since the backup was made on it; none when it was made elsewhere.
    pub(in crate::vault) async fn written_since(&self, session: &Session) -> Result<Option<u64>> {
        let Some(manifest) = &self.manifest else { return Ok(None) };
        let Some(lsn) = &manifest.snapshot_lsn else { return Ok(None) };
        let identity = ServerIdentity::ask(session).await?.system_identifier;
        if identity.is_none() || identity != manifest.system_identifier {
            return Ok(None);
        }
        Ok(Some(written_since(session, lsn).await?))
    }

    /// Refuses an archive that holds a part of a database only.
    pub(in crate::vault) fn refuse_parts(&self) -> Result<()> {
        self.gaps.refuse_parts()
    }

    /// Returns what only this backup has.
    pub(in crate::vault) fn mark(&self) -> Option<String> {
        let manifest = self.manifest.as_ref()?;
        Some(format!("{} {}", manifest.toc.sha256, manifest.started.timestamp_micros()))
    }

    /// Returns the statements that give a database of the same name what the archive says about it.
    pub(in crate::vault) fn property_statements(
        &self,
        no_owner: bool,
        no_privileges: bool,
    ) -> Vec<String> {
        let wanted = |desc: &str| match desc {
            "DATABASE" => !no_owner,
            "ACL" => !no_privileges,
            _ => true,
        };
        let wanted = self.properties.iter().filter(|(desc, _)| wanted(desc));
        wanted.map(|(_, statement)| statement.clone()).collect()
    }

    /// Returns what is to be said about the backup.
    pub(in crate::vault) fn notes(&self) -> Vec<String> {
        let mut notes = [&self.gaps.parts[..], &self.gaps.notes].concat();
        if self.manifest.is_none() {
            notes.push(
                "the archive has no manifest: the proof is that every statement succeeds"
                    .to_owned(),
            );
        }
        notes
    }
}

/// Collects what the entries say about the database itself, in the order in which it is to be said again.
fn properties(entries: &[TocEntry], database: &str) -> Result<Vec<(String, String)>> {
    let of_database = format!("DATABASE {}", quote_identifier(database));
    let mut found = Vec::new();
    for entry in entries {
        let statement = match entry.desc.as_str() {
            "DATABASE" => owner_statement(entry)
                .map_err(|error| Error::new(ErrorKind::Archive, error.to_string()))?,
            "DATABASE PROPERTIES" => Some(entry.definition.clone()),
            "ACL" | "COMMENT" | "SECURITY LABEL"
                if entry.tag == of_database || entry.tag == format!("DATABASE {database}") =>
            {
                Some(entry.definition.clone())
            }
            _ => None,
        };
        found.extend(statement.map(|statement| (entry.desc.clone(), statement)));
    }
    Ok(found)
}

/// Asks how many bytes of log the server has written since a position.
async fn written_since(session: &Session, lsn: &str) -> Result<u64> {
    let sql = format!(
        "select greatest(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), {}), 0) as bytes",
        quote_literal_for_server(lsn)
    );
    let rows = session.query("ask how much was written", &sql).await?;
    rows.single()?.integer("bytes")
}
