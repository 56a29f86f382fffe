//! Whole servers: `pg_dumpall`, `dump --all`, and what other verbs do with its folder.
//!
//! Roles and tablespaces belong to the whole server, so every test has servers of its own.

mod drop_in;
mod folder;

use crate::support::cluster::Cluster;
use crate::support::database::psql;
use crate::support::installation::Installation;

/// Starts a server with `fixtures/globals`, as far as its version has such things.
fn cluster(installation: &Installation) -> Cluster {
    let cluster = Cluster::start(installation, "");
    let directory = cluster.directory().display();
    let variables = format!(
        "\\set first '{directory}/first'\n\\set second '{directory}/sec ond'\n\
         \\set make_directories 'cat >/dev/null; mkdir \"{directory}/first\" \"{directory}/sec ond\"'\n"
    );
    let since = [(12, "globals"), (15, "globals_15"), (16, "globals_16")];
    for (_, file) in since.iter().filter(|(major, _)| installation.major >= *major) {
        let path = format!("{}/fixtures/globals/{file}.sql", env!("CARGO_MANIFEST_DIR"));
        let script = std::fs::read_to_string(&path).expect("a fixture");
        psql(&cluster.uri("postgres"), &format!("{variables}{script}"));
    }
    cluster
}
