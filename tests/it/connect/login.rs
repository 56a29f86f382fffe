//! Ways of logging in and ways of failing to, with what is said about each.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{SecureServer, authority, connect, fails, mode, params, rendered, value};
use crate::support::World;
use crate::support::cluster::Cluster;
use crate::support::command::Run;
use pgark::ErrorKind;
use pgark::connect::{
    ConnectParams, ConnectRequest, Environment, Secret, Session, is_connection_lost,
    needs_password, server_error,
};
use pgark::sql::text;

#[tokio::test]
async fn every_password_method_works_and_can_be_required() {
    let server = SecureServer::shared();
    for (user, method) in
        [("scram", "scram-sha-256"), ("md5", "md5"), ("plain", "password"), ("trusted", "none")]
    {
        let conninfo = server.tcp(user, &format!("password={user} require_auth={method}"));
        let session = connect(&conninfo).await.expect(user);
        assert_eq!(value(&session, "current_user").await, user);
        let error = rendered(
            &fails(&server.tcp(user, &format!("password={user} require_auth=!{method}"))).await,
        );
        assert!(error.contains(&format!("require_auth=!{method}")), "{error}");
    }
}

#[tokio::test]
async fn names_and_passwords_that_are_not_utf8_log_in() {
    let server = SecureServer::shared();
    let admin = server.cluster.uri("postgres");
    let session = connect(&admin).await.expect("session");
    let make = "create database raw encoding 'SQL_ASCII' template template0 locale 'C'";
    session.execute("make a database without encoding", make).await.expect("database");
    let session = connect(&server.cluster.uri("raw")).await.expect("session");
    session.execute("take bytes", "set client_encoding to sql_ascii").await.expect("setting");
    let (database, password) = (text::decode(b"d\xe9"), text::decode(b"p\xff"));
    let make = format!("create database \"{database}\" template raw");
    let roles = [("md5", text::decode(b"caf\xe9")), ("scram-sha-256", text::decode(b"\xfcber"))];
    for (method, role) in &roles {
        let make = format!(
            "set password_encryption to '{method}';
            create role \"{role}\" login password '{password}' in role raw"
        );
        session.execute("make a role", &make).await.expect("role");
    }
    session.execute("make the database", &make).await.expect("database");
    for (_, role) in &roles {
        let conninfo = format!(
            "host=localhost hostaddr=127.0.0.1 port={} user={role} password={password} dbname={database}",
            server.cluster.port()
        );
        let session = connect(&conninfo).await.expect(role);
        session.execute("take bytes", "set client_encoding to sql_ascii").await.expect("setting");
        assert_eq!(value(&session, "current_user").await, *role);
        assert_eq!(value(&session, "current_database()").await, database);
    }
    // So do arguments, variables and paths of the command.
    let bytes = OsStr::from_bytes;
    let world = World::new();
    for (tool, file) in [(&[][..], &b"own\xfe"[..]), (&["pg_dump", "-Fd"], b"stand-in\xfe")] {
        let verb = if tool.is_empty() { &["dump", "-Fd"] } else { tool };
        let mut command = world.command();
        command.args(verb).arg("-f").arg(bytes(file)).arg("-U").arg(bytes(b"caf\xe9"));
        command.args(["-h", "127.0.0.1", "-p", &server.cluster.port().to_string()]);
        command.env("PGDATABASE", bytes(b"d\xe9")).env("PGPASSWORD", bytes(b"p\xff"));
        let _ = Run::of(&mut command).success();
        assert!(world.path("").join(bytes(file)).join("toc.dat").exists(), "{verb:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_says_where_it_came_from_and_not_what_it_was() {
    let server = SecureServer::shared();
    let error = fails(&server.tcp("scram", "password=hunter2")).await;
    assert_eq!(error.kind(), ErrorKind::Connection);
    let text = rendered(&error);
    assert!(
        text.contains("password authentication failed") && text.contains("connection string"),
        "{text}"
    );
    for part in ["localhost", &server.cluster.port().to_string(), "\"scram\"", "\"postgres\""] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    assert!(!text.contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    assert!(!format!("{:?}", params(&server.tcp("scram", "password=hunter2"))).contains("hunter2"));

    let passfile =
        server.file("pgpass", &format!("localhost:{}:*:scram:hunter2\n", server.cluster.port()));
    let text =
        rendered(&fails(&server.tcp("scram", &format!("passfile={}", passfile.display()))).await);
    assert!(
        text.contains(&format!("came from the password file {}", passfile.display())),
        "{text}"
    );
}

#[tokio::test]
async fn the_passfile_is_used_and_a_readable_one_is_not() {
    let server = SecureServer::shared();
    let path = server.file("good.pgpass", "# comment\n*:*:postgres:scram:scram\n");
    let conninfo = server.tcp("scram", &format!("passfile={}", path.display()));
    connect(&conninfo).await.expect("session");
    mode(&path, 0o644);
    assert!(params(&conninfo).warnings()[0].contains("0600"));
    let error = fails(&conninfo).await;
    assert!(needs_password(&error), "{}", rendered(&error));
    let session = Session::connect(&params(&conninfo).with_password(Secret::new("scram"))).await;
    session.expect("a typed password");
    assert!(!needs_password(&fails(&server.tcp("scram", "password=wrong")).await));
}

#[tokio::test]
async fn variables_and_service_file_reach_the_server() {
    let server = SecureServer::shared();
    let service = server.file(
        "services.conf",
        &format!("[mine]\nhost=127.0.0.1\nport={}\nuser=plain\n", server.cluster.port()),
    );
    let variables: BTreeMap<String, String> = [
        ("PGSERVICE", "mine"),
        ("PGSERVICEFILE", &service.display().to_string()),
        ("PGPASSWORD", "plain"),
        ("PGDATABASE", "postgres"),
        ("PGUSER", "overridden by the service"),
        ("PGAPPNAME", "ark of tests"),
        ("PGOPTIONS", "-c work_mem=5MB"),
        ("PGTZ", "Asia/Ho Chi Minh\\"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let mut environment = Environment { variables, ..Environment::default() };
    let resolve = |environment: &Environment| {
        ConnectParams::resolve(&ConnectRequest::default(), environment).expect("parameters")
    };
    let error = Session::connect(&resolve(&environment)).await.expect_err("that is no time zone");
    assert!(rendered(&error).contains("Asia/Ho Chi Minh\\"), "{}", rendered(&error));
    environment.variables.insert("PGTZ".to_owned(), "Asia/Tokyo".to_owned());
    let session = Session::connect(&resolve(&environment)).await.expect("session");
    for (setting, expected) in [
        ("application_name", "ark of tests"),
        ("work_mem", "5MB"),
        ("timezone", "Asia/Tokyo"),
        ("client_encoding", "UTF8"),
    ] {
        assert_eq!(value(&session, &format!("current_setting('{setting}')")).await, expected);
    }
    assert_eq!(value(&session, "current_user").await, "plain");
}

#[tokio::test]
async fn failures_name_the_step_and_a_way_out() {
    let server = SecureServer::shared();
    let cases = [
        (
            "host=/nonexistent user=me".to_owned(),
            "could not connect to socket /nonexistent/.s.PGSQL.5432",
            "hint: is a server running",
        ),
        ("host=127.0.0.1 port=1 user=me".to_owned(), "Connection refused", "listen_addresses"),
        (
            "host=no-such-host.invalid user=me".to_owned(),
            "could not find the address of host no-such-host.invalid",
            "spelling",
        ),
        ("host=10.255.255.1 connect_timeout=1 user=me".to_owned(), "10.255.255.1", "hint"),
        (server.tcp("trusted", "dbname=none"), "database \"none\" does not exist", "PGDATABASE"),
        (
            server.tcp("nobody", "sslmode=require"),
            "no pg_hba.conf entry",
            "\"nobody\" in database \"postgres\"",
        ),
        (
            format!(
                "host={} port={} user=missing",
                server.cluster.directory().display(),
                server.cluster.port()
            ),
            "role \"missing\" does not exist",
            "PGUSER",
        ),
        (server.tcp("scram", "sslmode=require"), "none was given", "PGPASSWORD"),
        (server.tcp("trusted", "options=-cwork_mem=none"), "work_mem", ""),
    ];
    for (conninfo, message, hint) in cases {
        let error = fails(&conninfo).await;
        let text = rendered(&error);
        assert!(text.contains(message) && text.contains(hint), "{conninfo}: {text}");
        assert_eq!(error.kind(), ErrorKind::Connection, "{conninfo}");
        assert!(text.contains("user \""), "{text}");
    }
}

#[tokio::test]
async fn something_that_is_no_server_is_recognised() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listener");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for (mode, message) in
        [("require", "not that of a PostgreSQL server"), ("disable", "not PostgreSQL's protocol")]
    {
        let text =
            rendered(&fails(&format!("host=127.0.0.1 port={port} user=me sslmode={mode}")).await);
        assert!(text.contains(message), "{text}");
    }
}

#[tokio::test]
async fn the_next_host_is_tried_unless_the_password_is_wrong() {
    let server = SecureServer::shared();
    let port = server.cluster.port();
    let session = connect(&format!(
        "host=127.0.0.1,no-such-host.invalid,127.0.0.1 port=1,2,{port} user=trusted dbname=postgres"
    ))
    .await;
    assert_eq!(session.expect("session").address(), format!("127.0.0.1:{port}"));
    let error = fails(&format!(
        "host=127.0.0.1,{} port={port} user=scram password=x dbname=postgres sslmode=require",
        server.cluster.directory().display()
    ))
    .await;
    assert_eq!(server_error(&error).expect("server error").sqlstate, "28P01");
    let session = connect(&format!("hostaddr=127.0.0.1,127.0.0.1 port={port} load_balance_hosts=random user=trusted dbname=postgres")).await;
    let session = session.expect("session");
    let again = Session::connect(session.same_server()).await.expect("the same server");
    assert_eq!(again.address(), session.address());
}

#[tokio::test]
async fn the_wanted_kind_of_server_is_found() {
    let server = SecureServer::shared();
    let read_only = Cluster::start(super::newest(), "default_transaction_read_only = on");
    let ports = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user=postgres dbname=postgres",
        read_only.port(),
        server.cluster.port()
    );
    let uri = |attributes: &str| {
        format!(
            "{} target_session_attrs={attributes}",
            ports.replace("user=postgres", "user=trusted")
        )
    };
    crate::support::database::psql(
        &read_only.uri("postgres"),
        "set default_transaction_read_only = off; create role trusted login",
    );
    let chosen = async |attributes: &str| {
        connect(&uri(attributes)).await.map(|session| session.address().to_owned())
    };
    let first = format!("127.0.0.1:{}", read_only.port());
    let second = format!("127.0.0.1:{}", server.cluster.port());
    for (attributes, expected) in [
        ("any", &first),
        ("read-write", &second),
        ("read-only", &first),
        ("primary", &first),
        ("prefer-standby", &first),
    ] {
        assert_eq!(&chosen(attributes).await.expect(attributes), expected, "{attributes}");
    }
    let text = rendered(&fails(&uri("standby")).await);
    assert!(text.contains("the server is none"), "{text}");
}

#[tokio::test]
async fn the_kind_of_an_old_server_is_asked_for() {
    // Before 14 servers do not report by themselves whether they are read-only or a standby.
    let oldest =
        crate::support::installation::Installation::all().first().expect("server binaries");
    let cluster = Cluster::start(oldest, "default_transaction_read_only = on");
    for (attributes, is_taken) in
        [("read-only", true), ("primary", true), ("read-write", false), ("standby", false)]
    {
        let uri = format!("{}&target_session_attrs={attributes}", cluster.uri("postgres"));
        assert_eq!(connect(&uri).await.is_ok(), is_taken, "{attributes}");
    }
}

#[tokio::test]
async fn a_server_that_is_starting_says_so() {
    // A standby without a primary never gets consistent when hot_standby is off.
    let cluster = Cluster::start(super::newest(), "");
    let data = cluster.directory().join("data");
    let pg_ctl = |arguments: &[&str]| {
        let mut command = super::newest().command("pg_ctl");
        let output = command.arg("-D").arg(&data).args(arguments).output().expect("pg_ctl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(data.join("standby.signal"), "").expect("signal file");
    pg_ctl(&["-m", "fast", "-w", "stop"]);
    pg_ctl(&["-o", "-c hot_standby=off", "-l", "/dev/null", "-W", "start"]);
    let error = loop {
        let error = fails(&cluster.uri("postgres")).await;
        if server_error(&error).is_some() {
            break error;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(server_error(&error).expect("server error").sqlstate, "57P03");
    assert!(rendered(&error).contains("starting or stopping"), "{}", rendered(&error));
    // The next host is tried then.
    let other = SecureServer::shared();
    let directory = other.cluster.directory().display();
    let both = format!(
        "host={},{directory} port={},{} user=postgres dbname=postgres",
        cluster.directory().display(),
        cluster.port(),
        other.cluster.port()
    );
    connect(&both).await.expect("the second host");
    pg_ctl(&["-m", "immediate", "-w", "stop"]);
    pg_ctl(&["-o", "-c hot_standby=on", "-l", "/dev/null", "-w", "start"]);
    let standby = format!(
        "host={directory},{} port={},{} user=postgres dbname=postgres target_session_attrs=",
        cluster.directory().display(),
        other.cluster.port(),
        cluster.port()
    );
    for attributes in ["standby", "prefer-standby", "read-only"] {
        let session = connect(&format!("{standby}{attributes}")).await.expect(attributes);
        assert_eq!(value(&session, "pg_is_in_recovery()").await, "true", "{attributes}");
    }
    let primary = connect(&format!("{standby}primary")).await.expect("the primary");
    assert_eq!(value(&primary, "pg_is_in_recovery()").await, "false");
}

#[tokio::test]
async fn a_lost_connection_is_recognised() {
    let server = SecureServer::shared();
    let session = connect(&server.cluster.uri("postgres")).await.expect("session");
    let other = connect(&server.cluster.uri("postgres")).await.expect("session");
    let victim = session.backend_pid();
    let (slept, _) = futures::join!(session.execute("sleep", "select pg_sleep(600)"), async {
        other.execute("terminate", &format!("select pg_terminate_backend({victim}, 10000)")).await
    });
    let error = slept.expect_err("terminated");
    assert!(is_connection_lost(&error), "{}", rendered(&error));
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert_eq!(server_error(&error).expect("its last words").sqlstate, "57P01");
    let error = session.execute("go on", "select 1").await.expect_err("closed");
    assert!(is_connection_lost(&error) && session.is_closed(), "{}", rendered(&error));
    assert!(!is_connection_lost(
        &other.execute("err", "select 1/0").await.expect_err("an ordinary error")
    ));
}

#[tokio::test]
async fn a_server_that_shuts_down_takes_its_sessions_along() {
    let cluster = Cluster::start(super::newest(), "");
    let session = connect(&cluster.uri("postgres")).await.expect("session");
    drop(cluster);
    let error = session.execute("go on", "select 1").await.expect_err("gone");
    assert!(is_connection_lost(&error), "{}", rendered(&error));
    let _ = authority();
}

#[tokio::test]
async fn requirepeer_looks_at_the_servers_user() {
    let server = SecureServer::shared();
    let socket = |peer: &str| {
        format!(
            "host={} port={} user=postgres requirepeer={peer}",
            server.cluster.directory().display(),
            server.cluster.port()
        )
    };
    let text = rendered(&fails(&socket("nobody-of-that-name")).await);
    assert!(text.contains("requirepeer=nobody-of-that-name"), "{text}");
    if crate::support::installation::server_user().is_some() {
        connect(&socket("postgres")).await.expect("session");
    }
}
