//! What an archive says about itself before its rows are read.

use std::path::{Path, PathBuf};

use super::plan::Backup;
use super::server;
use crate::archive::{self, Manifest};
use crate::catalog::ServerIdentity;
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::model::ServerVersion;
use crate::restore;
use crate::sql::quote_identifier;

/// What is known of the archive without reading its rows.
pub(in crate::vault) struct OpenedArchive {
    path: PathBuf,
    manifest: Option<Manifest>,
    /// The database it was made of.
    pub(in crate::vault) database: String,
    server_version: String,
    definition: Option<String>,
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
            let entry = archive.entries().iter().find(|entry| entry.desc == "DATABASE");
            Ok(OpenedArchive {
                manifest: archive.manifest().cloned(),
                database: header.database.clone(),
                server_version: header.server_version.clone(),
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
    pub(super) fn backup(&self, rows: u64) -> Backup {
        let manifest = self.manifest.as_ref();
        Backup {
            path: self.path.display().to_string(),
            database: self.database.clone(),
            server_version: self.server_version.clone(),
            taken: manifest.map(|manifest| manifest.started),
            lsn: manifest.and_then(|manifest| manifest.snapshot_lsn.clone()),
            written_since: None,
            rows,
            bytes: manifest.map(|manifest| manifest.data.iter().map(|data| data.raw_bytes).sum()),
            provable: manifest.is_some(),
        }
    }

    /// Asks what the server has written since the backup was made on it; none when it was made elsewhere.
    pub(super) async fn written_since(&self, session: &Session) -> Result<Option<u64>> {
        let Some(manifest) = &self.manifest else { return Ok(None) };
        let Some(lsn) = &manifest.snapshot_lsn else { return Ok(None) };
        let identity = ServerIdentity::ask(session).await?.system_identifier;
        if identity.is_none() || identity != manifest.system_identifier {
            return Ok(None);
        }
        Ok(Some(server::written_since(session, lsn).await?))
    }

    /// Returns what is to be said about the backup.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.manifest.is_none() {
            notes.push(
                "the archive has no manifest: the proof is that every statement succeeds"
                    .to_owned(),
            );
        }
        notes
    }
}
