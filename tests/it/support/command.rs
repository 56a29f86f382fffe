//! The pgark command in a made-up world.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Far above what any test needs: it turns a hang into a failure, and times nothing.
const LIMIT: Duration = Duration::from_secs(1800);

/// A home, a temporary directory and a working directory of the test's own, and nothing else.
#[derive(Debug)]
pub(crate) struct World {
    root: tempfile::TempDir,
}

impl World {
    /// Makes the directories.
    pub(crate) fn new() -> World {
        let root = tempfile::Builder::new().prefix("pgark-world-").tempdir();
        let world = World { root: root.expect("a temporary directory") };
        for name in ["home", "tmp", "work"] {
            std::fs::create_dir(world.root.path().join(name)).expect("a directory");
        }
        world
    }

    /// Returns a path in the working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("work").join(name)
    }

    /// Returns the home directory, for passfiles and service files.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Returns what lies in the temporary directory, which a command leaves as it found it.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.root.path().join("tmp")).expect("TMPDIR");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    /// Runs pgark to its end.
    pub(crate) fn pgark(&self, arguments: &[&str]) -> Run {
        Run::of(self.command().args(arguments))
    }

    /// Runs pgark to its end with variables in the otherwise empty environment.
    pub(crate) fn pgark_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
        Run::of(self.command().envs(variables.iter().copied()).args(arguments))
    }

    /// Runs pgark through a link of that name, as the drop-in commands are called.
    pub(crate) fn called_as(&self, name: &str, arguments: &[&str]) -> Run {
        let link = self.root.path().join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pgark"), &link).expect("a link");
        }
        Run::of(self.program(&link).args(arguments))
    }

    /// Prepares pgark, for tests that send signals or look at it while it runs.
    pub(crate) fn command(&self) -> Command {
        self.program(Path::new(env!("CARGO_BIN_EXE_pgark")))
    }

    /// Returns insta filters that hide where this world lies and what changes from run to run.
    pub(crate) fn filters(&self) -> Vec<(&str, &str)> {
        let own = self.root.path().to_str().expect("TMPDIR is UTF-8");
        std::iter::once((own, "[WORLD]")).chain(super::filters::ALL.iter().copied()).collect()
    }

    fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.root.path().join("home"))
            .env("TMPDIR", self.root.path().join("tmp"))
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.root.path().join("work"));
        command
    }
}

/// What a command did: to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) struct Run {
    /// The exit code; none when a signal ended the process.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Runs a prepared command to its end, with a limit for hangs.
    pub(crate) fn of(command: &mut Command) -> Run {
        let mut owned = Command::new(command.get_program());
        owned.args(command.get_args()).env_clear();
        owned.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(directory) = command.get_current_dir() {
            owned.current_dir(directory);
        }
        let output = assert_cmd::Command::from_std(owned).timeout(LIMIT).output();
        let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Run {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails the test unless the command succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> Run {
        self.fails_with(0)
    }

    /// Fails the test unless the command ended with this exit code.
    #[track_caller]
    pub(crate) fn fails_with(self, code: i32) -> Run {
        let Run { stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "exit code\nstderr:\n{stderr}\nstdout:\n{stdout}");
        self
    }
}
