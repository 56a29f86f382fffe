//! `pgark dump --all`: one folder with everything, proved and looked at.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::database::psql;
use crate::support::installation::Installation;
use crate::support::oracle;
use crate::support::{World, damage, newest_server};

use super::cluster;

fn newest() -> Option<&'static Installation> {
    Installation::of(newest_server().major())
}

/// What a script does, without the key that changes from run to run.
fn statements(script: &str) -> String {
    let is_key = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    script.lines().filter(|line| !is_key(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_whole_server_is_dumped_into_one_folder_and_proved() {
    let Some(installation) = newest() else { return };
    let server = cluster(installation);
    let world = World::new();
    let uri = server.uri("postgres");
    let folder = world.path("all");
    let path = folder.to_str().expect("TMPDIR is UTF-8");
    let report = world.pgark(&["dump", "--all", "-d", &uri, "-f", path]).success().stdout;
    assert!(report.starts_with("dumped 4 databases to "), "{report}");

    let globals = folder.join("globals.sql");
    let mode = std::fs::metadata(&globals).expect("globals").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let script = std::fs::read_to_string(&globals).expect("globals");
    if let Some(stock) = oracle::record() {
        let expected = stock.pg_dumpall(&uri, &["-g"]);
        assert_eq!(statements(&script), statements(&expected));
    }
    let names = |folder: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("ASCII"))
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&folder), ["SHA256SUMS", "databases", "globals.sql", "manifest.json"]);
    assert_eq!(
        names(&folder.join("databases")),
        ["Odd%20%22base%22", "postgres", "shop", "template1"]
    );

    let shown = world.pgark(&["inspect", path]).success().stdout;
    assert!(shown.contains("Odd \"base\"") && shown.contains("50 rows"), "{shown}");
    let json = world.pgark(&["inspect", path, "--json"]).success().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["databases"][3]["rows"], 50);

    let quick = world.pgark(&["verify", path, "--quick"]).success().stdout;
    assert!(quick.starts_with("the archive is whole"), "{quick}");
    let whole = world.pgark(&["verify", path, "--against", &uri]).success().stdout;
    assert!(whole.contains("51 rows of the database"), "{whole}");
    psql(&server.uri("shop"), "update orders set note = 'x' where id = 1");
    let differs = world.pgark(&["verify", path, "--against", &uri]).fails_with(9).stdout;
    assert!(differs.contains("database shop: table public.orders"), "{differs}");
}

#[test]
fn a_database_that_lets_nobody_in_is_named() {
    let Some(installation) = newest() else { return };
    let server = cluster(installation);
    let uri = server.uri("postgres");
    psql(&uri, "alter database shop allow_connections false");
    let world = World::new();
    let said = world.pgark(&["dump", "--all", "-d", &uri, "-f", "all"]).success();
    let warning = "database \"shop\" is not dumped: it accepts no connections";
    assert!(said.stderr.contains(warning), "{}", said.stderr);
    assert!(said.stdout.starts_with("dumped 3 databases to "), "{}", said.stdout);
    assert!(!said.stderr.contains("template0"), "{}", said.stderr);
    let meant = ["dump", "--all", "-d", &uri, "-f", "rest", "--exclude-database", "shop"];
    let said = world.pgark(&meant).success();
    assert!(!said.stderr.contains("shop"), "{}", said.stderr);
}

#[test]
fn damage_anywhere_in_the_folder_is_found() {
    let Some(installation) = newest() else { return };
    let server = cluster(installation);
    let world = World::new();
    let folder = world.path("all");
    let path = folder.to_str().expect("TMPDIR is UTF-8");
    let uri = server.uri("postgres");
    let _ = world.pgark(&["dump", "--all", "-d", &uri, "-f", path]).success();
    let shop = folder.join("databases/shop");
    let data =
        damage::files(&shop).into_iter().find(|file| file.extension().is_some_and(|e| e == "zst"));
    let data = data.expect("rows");
    for (file, said) in [
        (folder.join("globals.sql"), "globals.sql: its checksum is wrong"),
        (shop.join("manifest.json"), "database shop"),
        (data, "(table public.orders): the SHA-256 differs"),
    ] {
        let content = std::fs::read(&file).expect("a file");
        damage::flip(&file, content.len() / 2);
        let found = world.pgark(&["verify", path]).fails_with(9).stdout;
        assert!(found.contains(said), "{}: {found}", file.display());
        std::fs::write(&file, content).expect("a file");
    }
    damage::flip(&folder.join("manifest.json"), 40);
    let found = world.pgark(&["verify", path]).fails_with(9).stderr;
    assert!(found.contains("manifest is damaged"), "{found}");
    damage::flip(&folder.join("manifest.json"), 40);
    std::fs::rename(&shop, folder.join("gone")).expect("a folder");
    let found = world.pgark(&["verify", path]).fails_with(9).stdout;
    assert!(found.contains("database shop: its archive is missing"), "{found}");
}

#[test]
fn without_the_right_to_read_passwords_they_are_left_out_and_that_is_said() {
    let Some(installation) = newest() else { return };
    let server = cluster(installation);
    psql(&server.uri("postgres"), "grant select on in_postgres to md5user");
    let world = World::new();
    let uri = server.uri("postgres").replace("postgres@", "md5user@");
    let path = world.path("all");
    let path = path.to_str().expect("TMPDIR is UTF-8");
    let arguments = ["dump", "--all", "-d", &uri, "-f", path, "--exclude-database", "shop"];
    let said = world.pgark(&arguments).success();
    assert!(said.stderr.contains("passwords of the roles are left out"), "{}", said.stderr);
    assert!(said.stdout.contains("not dumped"), "{}", said.stdout);
    let script = std::fs::read_to_string(world.path("all/globals.sql")).expect("globals");
    assert!(script.contains("ALTER ROLE md5user WITH") && !script.contains("PASSWORD"), "{script}");
    let refused = world.pgark(&["pg_dumpall", "-g", "-d", &uri]).fails_with(1).stderr;
    assert!(refused.contains("permission denied for table pg_authid"), "{refused}");
    // A table that may not be read ends everything, and nothing is left.
    let refused = world.path("refused");
    let name = refused.to_str().expect("TMPDIR is UTF-8");
    let said = world.pgark(&["dump", "--all", "-d", &uri, "-f", name]);
    assert_ne!(said.code, Some(0));
    assert!(said.stderr.contains("could not dump database \"shop\""), "{}", said.stderr);
    assert!(!refused.exists());
}
