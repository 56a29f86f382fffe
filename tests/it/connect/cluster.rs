//! A throw-away server of our own for the tests of connecting, because they change how it authenticates.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A running server that is stopped when the test process ends.
pub(crate) struct Cluster {
    directory: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Cluster {
    /// Starts a server that trusts everybody on its socket.
    pub(crate) fn shared() -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| Cluster::start(""))
    }

    pub(crate) fn start(settings: &str) -> Cluster {
        let directory = tempfile::Builder::new()
            .prefix("pgark-connect-")
            .tempdir_in("/tmp")
            .expect("directory");
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("port")
            .port();
        let cluster = Cluster { directory, port };
        run(Command::new("chown").arg("postgres").arg(cluster.directory.path()));
        run(as_postgres("initdb")
            .arg("-D")
            .arg(cluster.data())
            .args(["-A", "trust", "-U", "postgres", "-N"]));
        let settings = format!(
            "port={port}\nunix_socket_directories='{}'\nlisten_addresses='127.0.0.1'\nfsync=off\n{settings}\n",
            cluster.directory.path().display()
        );
        std::fs::write(cluster.data().join("postgresql.auto.conf"), settings).expect("settings");
        run(as_postgres("pg_ctl")
            .arg("-D")
            .arg(cluster.data())
            .args(["-w", "-l"])
            .arg(cluster.directory.path().join("log"))
            .arg("start"));
        cluster
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn conninfo(&self) -> String {
        format!(
            "host={} port={} user=postgres dbname=postgres",
            self.directory.path().display(),
            self.port
        )
    }
}

fn as_postgres(tool: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    command.arg(Path::new("/usr/lib/postgresql/15/bin").join(tool));
    command
}

fn run(command: &mut Command) {
    let output = command.output().expect("command runs");
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
