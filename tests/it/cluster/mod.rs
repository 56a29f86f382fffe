//! Whole servers: `pg_dumpall`, `dump --all`, and what other verbs do with its folder.
//!
//! Roles and tablespaces belong to the whole server, so every test has servers of its own.

mod drop_in;
mod folder;
mod restore;
mod security_labels;

use crate::support::cluster::Cluster;
use crate::support::database::psql;
use crate::support::installation::Installation;

/// Starts a server with `fixtures/globals`, as far as its version has such things.
fn cluster(installation: &Installation) -> Cluster {
    let cluster = Cluster::start(installation, "");
    let directory = cluster.directory().display().to_string();
    let variables = format!(
        "\\set first '{directory}/first'\n\\set second '{directory}/sec ond'\n\\set make_directories \
         'cat >/dev/null; mkdir \"{directory}/first\" \"{directory}/sec ond\"'\n"
    );
    fill(installation, &cluster, &variables);
    cluster
}

/// The same with tablespaces that the server keeps inside its own directory, so that another server on this
/// machine can have the same.
fn cluster_with_tablespaces_inside(installation: &Installation) -> Cluster {
    let cluster = Cluster::start(installation, "allow_in_place_tablespaces = on");
    let variables = "\\set first ''\n\\set second ''\n\\set make_directories 'cat >/dev/null'\n";
    fill(installation, &cluster, variables);
    cluster
}

fn fill(installation: &Installation, cluster: &Cluster, variables: &str) {
    let since = [(12, "globals"), (15, "globals_15"), (16, "globals_16")];
    for (_, file) in since.iter().filter(|(major, _)| installation.major >= *major) {
        let path = format!("{}/fixtures/globals/{file}.sql", env!("CARGO_MANIFEST_DIR"));
        let script = std::fs::read_to_string(&path).expect("a fixture");
        psql(&cluster.uri("postgres"), &format!("{variables}{script}"));
    }
}
