//! The folder that holds a whole server: the globals as a script, an archive for each database, and a
//! manifest over all of them.
//!
//! ```text
//! FOLDER/manifest.json            what there must be; sealed like the manifest of an archive
//!        SHA256SUMS               of the two scripts and manifests below, for sha256sum -c
//!        globals.sql              roles, memberships, tablespaces: with passwords, so mode 0600
//!        databases/NAME/          a directory archive with a manifest of its own
//! ```
//!
//! Stock tools take it back as well: `psql -f globals.sql`, then `pg_restore -C` for each database.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::file_name_of;
use super::manifest::{MANIFEST_FILE, MANIFEST_VERSION, read_sealed, write_list};
use crate::codec::{HashingWriter, Sha256Digest, sha256, write_seal};
use crate::error::{Context, Error, ErrorKind, Result};

/// The script with what the databases share.
pub const GLOBALS_FILE: &str = "globals.sql";

/// The folder with the archives.
pub const DATABASES_FOLDER: &str = "databases";

/// What the manifest of a cluster calls its format.
const FORMAT: &str = "cluster";

/// Globals and manifests of thousands of roles and databases are smaller; what is larger is none.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// What the manifest over a cluster says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterManifest {
    /// [`MANIFEST_VERSION`].
    pub manifest_version: u32,
    /// Tells it from the manifest of an archive.
    format: String,
    /// `pgark`.
    pub tool: String,
    /// pgark's version.
    pub tool_version: String,
    /// The server's version as it prints it.
    pub server_version: String,
    /// When the dump began.
    pub started: DateTime<Utc>,
    /// When the last database was done.
    pub finished: DateTime<Utc>,
    /// Whether the globals hold the passwords of roles.
    pub passwords: bool,
    /// The script with the globals.
    pub globals: ClusterFile,
    /// The databases in the order in which they are restored.
    pub databases: Vec<ClusterDatabase>,
}

/// A file of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFile {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Sha256Digest,
}

/// A database of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDatabase {
    /// The database.
    pub database: String,
    /// Its archive, as a path in the folder.
    pub path: String,
    /// The SHA-256 of the archive's own manifest.
    pub manifest_sha256: Sha256Digest,
    /// Tables with rows in the archive.
    pub tables: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes of all tables as COPY text.
    pub raw_bytes: u64,
    /// Bytes of all tables in the archive.
    pub stored_bytes: u64,
}

impl ClusterManifest {
    /// Makes the manifest of what was dumped by this program.
    pub fn new(
        server_version: &str,
        (started, finished): (DateTime<Utc>, DateTime<Utc>),
        passwords: bool,
        globals: &[u8],
        databases: Vec<ClusterDatabase>,
    ) -> Self {
        ClusterManifest {
            manifest_version: MANIFEST_VERSION,
            format: FORMAT.to_owned(),
            tool: "pgark".to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            server_version: server_version.to_owned(),
            started,
            finished,
            passwords,
            globals: ClusterFile { bytes: globals.len() as u64, sha256: sha256(globals) },
            databases,
        }
    }

    /// Tells whether a path looks like the folder of a cluster.
    pub fn is_at(folder: &Path) -> bool {
        // A kept backup has globals too, and one archive.
        folder.join(GLOBALS_FILE).is_file()
            && ["toc.dat", "backup.json"].iter().all(|other| !folder.join(other).exists())
    }

    /// Writes the manifest.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut body = HashingWriter::new(&mut *out);
        let head = [
            ("manifest_version", serde_json::json!(self.manifest_version)),
            ("format", serde_json::json!(self.format)),
            ("tool", serde_json::json!(self.tool)),
            ("tool_version", serde_json::json!(self.tool_version)),
            ("server_version", serde_json::json!(self.server_version)),
            ("started", serde_json::json!(self.started)),
            ("finished", serde_json::json!(self.finished)),
            ("passwords", serde_json::json!(self.passwords)),
            ("globals", serde_json::json!(self.globals)),
        ];
        body.write_all(b"{")?;
        for (position, (key, value)) in head.iter().enumerate() {
            let separator = if position == 0 { "" } else { "," };
            write!(body, "{separator}\n\"{key}\": {value}")?;
        }
        write_list(&mut body, "databases", &self.databases)?;
        write_seal(body).map(drop)
    }

    /// Reads the manifest of a folder and checks its seal.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Integrity`] when it is not there or not what was written, [`ErrorKind::Archive`] when a newer
    /// pgark has written it or a path in it leads elsewhere.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST_FILE);
        if !path.exists() {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("the folder \"{}\" has no {MANIFEST_FILE}", folder.display()),
            ));
        }
        let manifest: ClusterManifest = read_sealed(&read_file(&path)?)
            .map_err(|error| error.context(format!("could not read \"{}\"", path.display())))?;
        let wrong = manifest.databases.iter().find(|database| !is_inside(&database.path));
        if manifest.format != FORMAT || wrong.is_some() {
            return Err(Error::new(
                ErrorKind::Archive,
                format!("\"{}\" is no manifest of a whole server", path.display()),
            ));
        }
        Ok(manifest)
    }

    /// Reads the globals of a folder.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Integrity`] when they are not what was written.
    pub fn read_globals(&self, folder: &Path) -> Result<Vec<u8>> {
        let path = folder.join(GLOBALS_FILE);
        let content = read_file(&path)?;
        if sha256(&content) != self.globals.sha256 {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("\"{}\" is damaged: its checksum is wrong", path.display()),
            ));
        }
        Ok(content)
    }
}

impl ClusterDatabase {
    /// Returns the path of the archive.
    pub fn archive(&self, folder: &Path) -> PathBuf {
        folder.join(&self.path)
    }

    /// Returns the SHA-256 of the manifest that the archive has now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when it cannot be read.
    pub fn present_manifest(&self, folder: &Path) -> Result<Sha256Digest> {
        manifest_sha256(&self.archive(folder))
    }
}

/// Returns the SHA-256 of the manifest of a directory archive.
///
/// # Errors
///
/// [`ErrorKind::Storage`] when it cannot be read.
pub fn manifest_sha256(archive: &Path) -> Result<Sha256Digest> {
    Ok(sha256(&read_file(&archive.join(MANIFEST_FILE))?))
}

/// Returns a path in the folder for every database, none twice, also where letters have no case.
pub fn paths<'a>(databases: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken = HashSet::new();
    databases
        .into_iter()
        .map(|database| {
            let mut name = file_name_of(database);
            let stem = name.clone();
            let mut number = 1;
            while !taken.insert(name.to_ascii_lowercase()) {
                number += 1;
                name = format!("{stem}.{number}");
            }
            format!("{DATABASES_FOLDER}/{name}")
        })
        .collect()
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let what = || format!("could not read \"{}\"", path.display());
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut content))
        .context(ErrorKind::Storage, what)?;
    if content.len() as u64 == FILE_BYTES_MAX {
        return Err(Error::new(ErrorKind::Integrity, what() + ": it is too large"));
    }
    Ok(content)
}

/// Tells whether a path of a manifest names something in the folder of the archives.
fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    parts.next() == Some(Component::Normal(DATABASES_FOLDER.as_ref()))
        && matches!(parts.next(), Some(Component::Normal(_)))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn database(path: &str) -> ClusterDatabase {
        ClusterDatabase {
            database: "a/b".to_owned(),
            path: path.to_owned(),
            manifest_sha256: sha256(b""),
            tables: 1,
            rows: 2,
            raw_bytes: 3,
            stored_bytes: 4,
        }
    }

    fn written(databases: Vec<ClusterDatabase>) -> Vec<u8> {
        let time = DateTime::UNIX_EPOCH;
        let manifest = ClusterManifest::new("18.6", (time, time), true, b"-- globals", databases);
        let mut bytes = Vec::new();
        manifest.write(&mut bytes).expect("a vector takes everything");
        bytes
    }

    fn opened(manifest: &[u8]) -> Result<ClusterManifest> {
        let folder = tempfile::tempdir().expect("a directory");
        std::fs::write(folder.path().join(MANIFEST_FILE), manifest).expect("a file");
        std::fs::write(folder.path().join(GLOBALS_FILE), b"-- globals").expect("a file");
        let manifest = ClusterManifest::open(folder.path())?;
        assert_eq!(manifest.read_globals(folder.path())?, b"-- globals");
        std::fs::write(folder.path().join(GLOBALS_FILE), b"-- Globals").expect("a file");
        let error = manifest.read_globals(folder.path()).expect_err("another file");
        assert_eq!(error.kind(), ErrorKind::Integrity);
        Ok(manifest)
    }

    #[test]
    fn what_is_written_is_read() {
        let manifest = opened(&written(vec![database("databases/a%2Fb")])).expect("a manifest");
        assert_eq!(manifest.databases, [database("databases/a%2Fb")]);
        let mut text = String::from_utf8(written(Vec::new())).expect("JSON is UTF-8");
        assert!(opened(text.as_bytes()).is_ok());
        text = text.replace("18.6", "18.7");
        assert_eq!(opened(text.as_bytes()).expect_err("flipped").kind(), ErrorKind::Integrity);
    }

    #[test]
    fn paths_lead_nowhere_else() {
        for path in ["../x", "/x", "databases", "databases/..", "databases/a/b", "x/a", ""] {
            let error = opened(&written(vec![database(path)])).expect_err(path);
            assert_eq!(error.kind(), ErrorKind::Archive, "{path}");
        }
        assert_eq!(
            paths(["shop", "Shop", "a/b", "..", "größe", "a b"]),
            [
                "databases/shop",
                "databases/Shop.2",
                "databases/a%2Fb",
                "databases/%2E%2E",
                "databases/gr%C3%B6%C3%9Fe",
                "databases/a%20b"
            ]
        );
    }

    proptest! {
        #[test]
        fn every_path_is_inside(names in prop::collection::vec(".{0,8}", 0..6)) {
            for path in paths(names.iter().map(String::as_str).filter(|name| !name.is_empty())) {
                prop_assert!(is_inside(&path), "{}", path);
            }
        }
    }
}
