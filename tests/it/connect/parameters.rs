//! Connection strings, URIs, service files and variables, with psql as the judge.

use std::collections::BTreeMap;

use pgark::connect::{ConnectParams, ConnectRequest, Environment};

use crate::support::oracle;

/// What psql tried to reach, in order, or `None` if it did not understand the parameters.
fn places_of_psql(
    stock: &oracle::Oracle,
    dbname: &str,
    variables: &BTreeMap<String, String>,
) -> Option<Vec<String>> {
    let mut command = stock.command("psql");
    command
        .env_clear()
        .envs(variables)
        .env("LC_ALL", "C")
        .args(["-X", "-w", "-c", "", "-d", dbname]);
    let stderr = String::from_utf8_lossy(&command.output().expect("psql").stderr).into_owned();
    let mut places = Vec::new();
    for line in stderr.lines() {
        let Some((_, rest)) = line.split_once("connection to server ") else { continue };
        if let Some(rest) = rest.strip_prefix("on socket \"") {
            places.push(rest.split('"').next().expect("a path").to_owned());
        } else if let Some(rest) = rest.strip_prefix("at \"") {
            let name = rest.split('"').next().expect("a name");
            let port =
                rest.split("port ").nth(1).expect("a port").split(' ').next().expect("a port");
            places.push(format!("{name}:{port}"));
        }
    }
    (!places.is_empty()).then_some(places)
}

fn our_places(dbname: &str, variables: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let request = ConnectRequest { dbname: Some(dbname.to_owned()), ..ConnectRequest::default() };
    let environment =
        Environment { variables: variables.clone(), user: Some("root".to_owned()), home: None };
    let params = ConnectParams::resolve(&request, &environment).ok()?;
    let description = params.describe();
    let mut words = description.split(", ").peekable();
    let mut places = Vec::new();
    while let Some(word) = words.next() {
        if let Some(path) = word.strip_prefix("socket ") {
            places.push(path.to_owned());
        } else if let Some(name) = word.strip_prefix("host ") {
            let port = words.next().and_then(|word| word.strip_prefix("port ")).expect("a port");
            // psql shows the address where there is one.
            let name =
                name.split_once(" (").map_or(name, |(_, address)| address.trim_end_matches(')'));
            places.push(format!("{name}:{port}"));
        }
    }
    Some(places)
}

/// Nothing listens on any of these; what matters is where each tries to go, or that both refuse.
const CASES: &[&str] = &[
    "host=127.0.0.1 port=1",
    "host = 127.0.0.1 port = 1",
    "host='127.0.0.1' port='1'",
    r"host='/none\'s' port=7",
    r"host=/no\ ne port=7",
    "host=/none port=7 port=8",
    "host=/none port=7 dbname='it''s'",
    "host=/none port=7 dbname=",
    "host=/none port=",
    "host=/a,/b port=1,2",
    "host=/a,/b port=9",
    "host=/a,/b port=,2",
    "host=/a,/b port=1,2,3",
    "host=/a,/b hostaddr=127.0.0.1 port=1",
    "host=x,y hostaddr=127.0.0.1,127.0.0.2 port=1,2",
    "hostaddr=127.0.0.1 port=1",
    "host=/none port=0",
    "host=/none port=65536",
    "host=/none port=12x",
    "host=/none port=' 12 '",
    "host=/none colour=red",
    "host=/none port",
    "host=/none port 7",
    "host='/none",
    "=x",
    "host=/none sslmode=maybe",
    "host=/none sslmode=verify-full",
    "host=127.0.0.1 port=1 sslrootcert=system sslmode=require",
    "host=127.0.0.1 port=1 sslnegotiation=direct sslmode=prefer",
    "host=127.0.0.1 port=1 sslnegotiation=direct sslmode=require",
    "host=/none target_session_attrs=master",
    "host=/none load_balance_hosts=maybe",
    "host=/none channel_binding=maybe",
    "host=/none require_auth=md5,!password",
    "host=/none require_auth=md5,md5",
    "host=/none require_auth=!none",
    "host=/none require_auth=sasl",
    "host=/none gssencmode=maybe",
    "host=/none gssencmode=prefer",
    "host=/none connect_timeout=-1",
    "host=/none sslcertmode=perhaps",
    "host=/none ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
    "host=/none ssl_min_protocol_version=SSLv3",
    "host=/none ssl_min_protocol_version=tlsv1.2",
    "host=/none min_protocol_version=3.1",
    "host=/none max_protocol_version=latest",
    "postgresql://127.0.0.1:1/db",
    "postgres://127.0.0.1:1",
    "postgresql://u:p@127.0.0.1:1/db",
    "postgresql://u@127.0.0.1:1?dbname=x",
    "postgresql://[::1]:1/db",
    "postgresql://[::1/db",
    "postgresql://[]:1/db",
    "postgresql://[::1]x/db",
    "postgresql://%2Fnone:7/db",
    "postgresql://%2fnone,%2Fother:8/db",
    "postgresql:///db?host=/none&port=7",
    "postgresql://127.0.0.1:1,127.0.0.2:2/db",
    "postgresql://127.0.0.1,127.0.0.1:2/db?port=5,6",
    "postgresql://?host=/none&port=7",
    "postgresql:///?host=/none&port=7&",
    "postgresql:///?host=/none&port=7&&",
    "postgresql:///?host=/none&port",
    "postgresql:///?host=/none&port=7=8",
    "postgresql:///?host=/none&colour=red",
    "postgresql:///?host=/none&ssl=true&port=3",
    "postgresql:///?host=/none&ssl=false",
    "postgresql:///?host=%2Fno%6Ee&port=7",
    "postgresql:///?host=/none%",
    "postgresql:///?host=/none%4",
    "postgresql:///?host=/none%zz",
    "postgresql:///?host=/none%00",
    "postgresql:///?host=/no ne",
    "postgresql:///?host= /none &port= 7",
    "postgresql:///a=b?host=/none",
    "postgresql://user:pa/ss@127.0.0.1:1/db",
    "postgresql://:@127.0.0.1:1/",
    "postgresql://127.0.0.1:port/db",
    "postgresql://127.0.0.1:1/db?service=none",
    "service=none host=/none",
    "Postgresql://127.0.0.1:1/db",
];

#[test]
fn psql_goes_to_the_same_places() {
    let Some(stock) = oracle::record() else { return };
    // The directory that a libpq was compiled with is not ours.
    let nothing = [("PGHOST".to_owned(), "/fallback".to_owned())].into();
    let mut different = Vec::new();
    for case in CASES {
        let theirs = places_of_psql(&stock, case, &nothing);
        let ours = our_places(case, &nothing);
        if theirs != ours {
            different.push(format!("{case:?}: psql {theirs:?}, pgark {ours:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn psql_reads_variables_and_service_files_alike() {
    let Some(stock) = oracle::record() else { return };
    let directory = tempfile::tempdir().expect("directory");
    let service = directory.path().join("pg_service.conf");
    let text = "[one]\nhost=/one\nport=11\n# comment\n[two]\n  host=/two  \n[bad]\nhost=/x\ncolour=red\n[again]\nservice=one\n[spaces]\nport = 5\n";
    // What other sections hold, in any encoding, does not matter.
    let text = [text.as_bytes(), b"[odd]\nuser=\xe9\n"].concat();
    std::fs::write(&service, text).expect("service file");
    let service = service.display().to_string();
    let system = directory.path().display().to_string();
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("dbname=x", &[("PGHOST", "/h"), ("PGPORT", "12")]),
        ("dbname=x host=/own", &[("PGHOST", "/h"), ("PGPORT", "12")]),
        ("x", &[("PGHOSTADDR", "127.0.0.1"), ("PGPORT", "1")]),
        ("x", &[("PGHOST", "/h"), ("PGPORT", "")]),
        ("x", &[("PGHOST", "/h"), ("PGSSLMODE", "maybe")]),
        ("service=one", &[("PGSERVICEFILE", &service), ("PGHOST", "/h"), ("PGPORT", "12")]),
        ("service=two", &[("PGSERVICEFILE", &service), ("PGHOST", "/h"), ("PGPORT", "12")]),
        ("service=two host=/own", &[("PGSERVICEFILE", &service)]),
        ("service=bad", &[("PGSERVICEFILE", &service)]),
        ("service=again", &[("PGSERVICEFILE", &service)]),
        ("service=spaces", &[("PGSERVICEFILE", &service)]),
        ("service=none", &[("PGSERVICEFILE", &service)]),
        ("service=one", &[("PGSERVICEFILE", "/nonexistent")]),
        ("service=one", &[("PGSYSCONFDIR", &system)]),
        ("x", &[("PGSERVICE", "one"), ("PGSYSCONFDIR", &system)]),
        ("x", &[("PGREQUIRESSL", "1"), ("PGHOST", "/h")]),
    ];
    for (dbname, variables) in cases {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(
            our_places(dbname, &variables),
            places_of_psql(&stock, dbname, &variables),
            "{dbname} {variables:?}"
        );
    }
}

#[test]
fn what_pgark_cannot_do_is_refused_by_name() {
    let nothing = BTreeMap::new();
    for (dbname, name) in [
        ("gssencmode=require", "GSSAPI"),
        ("replication=database", "replication"),
        ("scram_client_key=abc", "scram_client_key"),
        ("min_protocol_version=3.2", "min_protocol_version"),
        ("ssl_min_protocol_version=TLSv1 ssl_max_protocol_version=TLSv1.1", "TLS 1.2"),
        ("connect_timeout=abc", "connect_timeout"),
        ("keepalives_idle=x", "keepalives_idle"),
    ] {
        let request = ConnectRequest {
            dbname: Some(dbname.to_owned()),
            user: Some("me".to_owned()),
            ..ConnectRequest::default()
        };
        let error = ConnectParams::resolve(&request, &Environment::default()).expect_err(dbname);
        assert_eq!(error.kind(), pgark::ErrorKind::Usage);
        assert!(error.message().contains(name), "{dbname}: {error}");
        assert!(!error.message().contains("abc") || name != "scram_client_key", "{error}");
    }
    for dbname in [
        "sslcompression=1",
        "gssencmode=prefer",
        "krbsrvname=x",
        "oauth_issuer=x",
        "gsslib=gssapi",
        "replication=off",
    ] {
        assert!(our_places(&format!("host=/none {dbname}"), &nothing).is_some(), "{dbname}");
    }
}
