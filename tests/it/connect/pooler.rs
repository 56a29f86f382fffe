//! A real PgBouncer in front, in each of its modes.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{connect, rendered, value};
use crate::support::cluster::answers;
use crate::support::installation::unprivileged;
use crate::support::{missing, newest_server, servers};
use pgark::ErrorKind;

struct Bouncer {
    child: Child,
    directory: tempfile::TempDir,
    port: u16,
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bouncer {
    fn start(mode: &str, pool_size: u32) -> Option<Bouncer> {
        let program = Path::new("/usr/sbin/pgbouncer");
        if !program.exists() {
            missing("a connection pooler in front: pgbouncer is not installed");
            return None;
        }
        let cluster = newest_server().cluster()?;
        let directory = tempfile::tempdir().expect("directory");
        super::mode(directory.path(), 0o755);
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("port")
            .port();
        let settings = format!(
            "[databases]\npostgres = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\nauth_file = /dev/null\npool_mode = {mode}\ndefault_pool_size = {pool_size}\n",
            cluster.directory().display(),
            cluster.port()
        );
        // With auth_type=any everybody is the user of the database line.
        let settings = settings.replace("\n[pgbouncer]", " user=postgres\n[pgbouncer]");
        let path = super::own_file(&directory, "pgbouncer.ini", &settings, 0o644);
        let child = unprivileged(program)
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer");
        let bouncer = Bouncer { child, directory, port };
        while !answers(bouncer.port) {
            assert!(bouncer.directory.path().exists());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Some(bouncer)
    }

    fn conninfo(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=disable", self.port)
    }
}

#[tokio::test]
async fn no_pooler_is_found_where_there_is_none() {
    for server in servers() {
        let session = connect(&server.uri("postgres")).await.expect("session");
        session.check_no_pooler().await.expect("no pooler");
    }
}

#[tokio::test]
async fn a_pooler_that_changes_backends_is_refused() {
    for (mode, size) in [("transaction", 5), ("transaction", 1), ("statement", 5)] {
        let Some(bouncer) = Bouncer::start(mode, size) else { return };
        let session = connect(&bouncer.conninfo()).await.expect("session");
        let error = session.check_no_pooler().await.expect_err("a pooler");
        assert_eq!(error.kind(), ErrorKind::Refused, "{}", rendered(&error));
        assert!(
            rendered(&error).contains("hint: use the address of the PostgreSQL server itself"),
            "{}",
            rendered(&error)
        );
    }
}

#[tokio::test]
async fn a_pooler_that_keeps_backends_is_accepted() {
    let Some(bouncer) = Bouncer::start("session", 5) else { return };
    let session = connect(&bouncer.conninfo()).await.expect("session");
    session.check_no_pooler().await.expect("one backend per session");
    let canceller = session.canceller();
    let (slept, cancelled) =
        futures::join!(session.execute("sleep", "select pg_sleep(60)"), async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            canceller.cancel().await
        });
    cancelled.expect("cancel request");
    slept.expect_err("cancelled through the pooler");
    assert_eq!(value(&session, "1").await, "1");
}

#[tokio::test]
async fn a_pooler_that_refuses_startup_options_is_guessed() {
    let Some(bouncer) = Bouncer::start("session", 5) else { return };
    let text =
        rendered(&super::fails(&format!("{} options=-cwork_mem=5MB", bouncer.conninfo())).await);
    assert!(text.contains("looks like a connection pooler"), "{text}");
    let _ = Command::new("true");
}
