//! Where server binaries lie on this machine, and as whom they run.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The majors that nearly every test runs on: the oldest, the second oracle, the newest.
pub(crate) const REQUIRED: [u32; 3] = [12, 15, 18];

/// The majors that pgark supports; tests of what the catalogs hold run on each.
pub(crate) const SUPPORTED: [u32; 7] = [12, 13, 14, 15, 16, 17, 18];

/// The binaries of one PostgreSQL major.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    pub(crate) major: u32,
    /// The directory with initdb, pg_ctl and postgres; client tools are there in some.
    pub(crate) bin: PathBuf,
}

impl Installation {
    /// Returns the binaries for each major on this machine, the oldest first.
    pub(crate) fn all() -> &'static [Installation] {
        static ALL: OnceLock<Vec<Installation>> = OnceLock::new();
        ALL.get_or_init(|| {
            let mut found = BTreeMap::new();
            let candidates = conformance_directories()
                .into_iter()
                .map(|directory| directory.join("pg18/bin"))
                .chain(subdirectories(Path::new("/usr/lib/postgresql")))
                .chain(
                    cache_directories()
                        .into_iter()
                        .flat_map(|c| subdirectories(&c.join("postgres"))),
                );
            for bin in candidates {
                if let Some(major) = major_of(&bin) {
                    found.entry(major).or_insert(Installation { major, bin });
                }
            }
            found.into_values().collect()
        })
    }

    /// Returns the binaries for one major.
    pub(crate) fn of(major: u32) -> Option<&'static Installation> {
        Installation::all().iter().find(|installation| installation.major == major)
    }

    /// Copies the extension of `fixtures/extension` to the others of this installation.
    pub(crate) fn install_extension(&self) -> Result<(), String> {
        let said =
            |error: &dyn std::fmt::Display, path: &Path| format!("{}: {error}", path.display());
        // Debian keeps the shared files elsewhere than the programs, the other builds beside them.
        let beside = self.bin.parent().unwrap_or(&self.bin).join("share");
        let candidates = [
            beside.join("postgresql/extension"),
            beside.join("extension"),
            PathBuf::from(format!("/usr/share/postgresql/{}/extension", self.major)),
        ];
        let Some(folder) = candidates.iter().find(|folder| folder.join("plpgsql.control").exists())
        else {
            return Err(format!("no folder of extensions beside {}", self.bin.display()));
        };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/extension");
        for entry in std::fs::read_dir(&source).map_err(|error| said(&error, &source))? {
            let file = entry.map_err(|error| said(&error, &source))?.path();
            let target = folder.join(file.file_name().unwrap_or_default());
            let content = std::fs::read(&file).map_err(|error| said(&error, &file))?;
            if std::fs::read(&target).is_ok_and(|there| there == content) {
                continue;
            }
            std::fs::write(&target, &content).map_err(|error| said(&error, &target))?;
        }
        Ok(())
    }

    /// Prepares a program that must not run as root, with nothing of our environment.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = unprivileged(&self.bin.join(program));
        // A library path of the developer's must not replace the server's own libraries.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        command
    }
}

/// Makes a command that runs as `postgres` when the tests run as root, because PostgreSQL refuses root.
pub(crate) fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = server_user() {
        command.uid(user).gid(group);
    }
    command
}

/// Returns user and group for servers when the tests run as root.
pub(crate) fn server_user() -> Option<(u32, u32)> {
    static USER: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *USER.get_or_init(|| {
        let id = |arguments: &[&str]| -> Option<u32> {
            let output = Command::new("id").args(arguments).output().ok()?;
            String::from_utf8_lossy(&output.stdout).trim().parse().ok()
        };
        if id(&["-u"]) != Some(0) {
            return None;
        }
        let user = id(&["-u", "postgres"]).zip(id(&["-g", "postgres"]));
        Some(user.expect("tests as root need a user named postgres; scripts/test makes one"))
    })
}

/// Returns where `scripts/conformance` may have put the stock 18.
pub(crate) fn conformance_directories() -> Vec<PathBuf> {
    let chosen = std::env::var_os("PGARK_CONFORMANCE").map(PathBuf::from);
    let cached = cache_directories().into_iter().map(|cache| cache.join("conformance"));
    chosen.into_iter().chain(["/var/cache/pgark-conformance".into()]).chain(cached).collect()
}

/// Returns the programs that `scripts/client-tools` fetched for one major.
pub(crate) fn client_tools(major: u32) -> Option<PathBuf> {
    let places = cache_directories().into_iter().map(|cache| cache.join("client"));
    let mut bins = places.map(|place| place.join(major.to_string()).join("bin"));
    bins.find(|bin| bin.join("pg_restore").exists())
}

/// Returns the caches of the scripts: root's and the user's.
fn cache_directories() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let own = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or(home);
    [Some("/var/cache".into()), own].into_iter().flatten().map(|c| c.join("pgark")).collect()
}

fn subdirectories(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join("bin")).collect()
}

fn major_of(bin: &Path) -> Option<u32> {
    let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(2)?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
