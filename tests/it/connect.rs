//! Connecting to real servers: logging in, TLS, COPY, cancel, and what is said when it fails.

mod cluster;

use bytes::Bytes;
use cluster::Cluster;
use pgark::connect::{ConnectParams, ConnectRequest, Environment, Session};

fn params(dbname: &str) -> ConnectParams {
    let request = ConnectRequest { dbname: Some(dbname.to_owned()), ..ConnectRequest::default() };
    ConnectParams::resolve(&request, &Environment::default()).expect("parameters")
}

#[tokio::test]
async fn questions_are_pipelined_and_answered_in_order() {
    let cluster = Cluster::shared();
    let session = Session::connect(&params(&cluster.conninfo())).await.expect("session");
    let (first, second) = futures::join!(
        session.query("count", "select 1 as one, null as nothing, 'ä' as text"),
        session.query("count", "select g as g from generate_series(1, 10000) g"),
    );
    let first = first.expect("first");
    assert_eq!(first.single().expect("row").integer::<i32>("one").expect("one"), 1);
    assert_eq!(first.single().expect("row").text("text").expect("text"), "ä");
    let second = second.expect("second");
    assert_eq!(second.len(), 10_000);
    assert_eq!(
        second.iter().map(|row| row.integer::<i64>("g").expect("g")).sum::<i64>(),
        50_005_000
    );
    assert!(session.execute("do harm", "select 1/0").await.is_err());
    session.execute("go on", "select 1; select 2").await.expect("still usable");
    session.close().await;
}

#[tokio::test]
async fn copy_goes_out_and_in() {
    let cluster = Cluster::shared();
    let mut session = Session::connect(&params(&cluster.conninfo())).await.expect("session");
    let mut data = Vec::new();
    {
        let mut copy = session
            .copy_out(
                "read",
                "copy (select g, repeat('x', 1000) from generate_series(1, 5000) g) to stdout",
            )
            .await
            .expect("copy out");
        while let Some(chunk) = copy.next().await.expect("chunk") {
            data.extend_from_slice(&chunk);
        }
        assert_eq!(copy.rows(), Some(5000));
    }
    assert_eq!(data.iter().filter(|byte| **byte == b'\n').count(), 5000);
    session
        .execute("create", "create temp table t (g int primary key, x text)")
        .await
        .expect("table");
    let mut copy = session.copy_in("load", "copy t from stdin").await.expect("copy in");
    copy.send(Bytes::from(data)).await.expect("send");
    assert_eq!(copy.finish().await.expect("finish"), 5000);
    let mut copy = session.copy_in("load", "copy t from stdin").await.expect("copy in");
    let row = Bytes::from_static(b"1\tdouble\n");
    let mut sent = 0;
    let error = loop {
        if let Err(error) = copy.send(row.clone()).await {
            break error;
        }
        sent += 1;
        assert!(sent < 1_000_000, "the error was not noticed");
    };
    drop(copy);
    assert_eq!(pgark::connect::server_error(&error).expect("server error").sqlstate, "23505");
    session.execute("go on", "select 1").await.expect("still usable");
}
