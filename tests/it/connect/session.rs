//! What a session can do on every supported server: questions, COPY both ways, notices, text of any encoding.

use bytes::Bytes;
use futures::TryStreamExt;
use pgark::connect::{TransactionStatus, is_connection_lost, server_error};
use pgark::sql::text;

use super::{connect, rendered, value};
use crate::support::{newest_server, servers};

#[tokio::test]
async fn questions_are_pipelined_and_answered_in_order() {
    for server in servers() {
        let session = connect(&server.uri("postgres")).await.expect("session");
        assert_eq!(session.version().major(), server.major());
        let (first, second, third) = futures::join!(
            session.query("ask", "select 1 as one, null as nothing, 'ä' as text"),
            session.query("fail", "select 1/0"),
            session.query("count", "select g as g from generate_series(1, 10000) g"),
        );
        let first = first.expect("first");
        let row = first.single().expect("row");
        assert_eq!(row.integer::<i32>("one").expect("one"), 1);
        assert_eq!((row.text("text").expect("text"), row.optional("nothing")), ("ä", None));
        let error = second.expect_err("division by zero");
        assert_eq!(server_error(&error).expect("server error").sqlstate, "22012");
        assert_eq!(error.message(), "could not fail");
        let third = third.expect("third");
        assert_eq!(
            third.iter().map(|row| row.integer::<i64>("g").expect("g")).sum::<i64>(),
            50_005_000
        );
        assert_eq!(value(&session, "pg_backend_pid()").await, session.backend_pid().to_string());
        session.close().await;
    }
}

#[tokio::test]
async fn several_statements_give_the_last_result() {
    let session = connect(&newest_server().uri("postgres")).await.expect("session");
    let rows = session
        .query("ask", "select 1 as a; select 2 as b; set work_mem = '5MB'")
        .await
        .expect("rows");
    assert_eq!(rows.single().expect("row").text("b").expect("b"), "2");
    assert!(session.query("ask", "").await.expect("nothing").is_empty());
    session.execute("begin", "begin").await.expect("begin");
    assert_eq!(session.transaction_status(), TransactionStatus::Open);
    session.execute("fail", "select 1; select 1/0; select 2").await.expect_err("fails");
    assert_eq!(session.transaction_status(), TransactionStatus::Failed);
    session.execute("end", "rollback").await.expect("rollback");
    assert_eq!(session.transaction_status(), TransactionStatus::Idle);
}

#[tokio::test]
async fn a_dropped_question_does_not_disturb_the_next() {
    let session = connect(&newest_server().uri("postgres")).await.expect("session");
    for number in 0..50 {
        let _ = futures::poll!(Box::pin(session.query("ask", "select generate_series(1, 20000)")));
        assert_eq!(value(&session, &number.to_string()).await, number.to_string());
    }
}

#[tokio::test]
async fn copy_equals_that_of_tokio_postgres() {
    let sql = "copy (select g, repeat(chr(64 + g % 50), g % 3000), case when g % 7 = 0 then null else g end, E'\\\\ \\t \\n'
               from generate_series(1, 20000) g) to stdout";
    for server in servers() {
        let (client, connection) =
            tokio_postgres::connect(&server.uri("postgres"), tokio_postgres::NoTls)
                .await
                .expect("oracle");
        tokio::spawn(connection);
        let expected: Vec<Bytes> =
            client.copy_out(sql).await.expect("copy").try_collect().await.expect("data");
        let expected = expected.concat();
        let mut session = connect(&server.uri("postgres")).await.expect("session");
        let mut got = Vec::new();
        let mut copy = session.copy_out("read", sql).await.expect("copy");
        while let Some(chunk) = copy.next().await.expect("chunk") {
            got.extend_from_slice(&chunk);
        }
        assert_eq!(copy.rows(), Some(20_000));
        assert!(copy.next().await.expect("still the end").is_none());
        assert!(got == expected, "the bytes differ on {server}");

        session
            .execute("create", "create temp table t (a int, b text, c int, d text)")
            .await
            .expect("table");
        let mut copy = session.copy_in("load", "copy t from stdin").await.expect("copy in");
        for piece in expected.chunks(777_777) {
            copy.send(Bytes::copy_from_slice(piece)).await.expect("send");
        }
        assert_eq!(copy.finish().await.expect("finish"), 20_000);
        let sum = "select sum(hashtext(t::text)::bigint) from t";
        let again = "select sum(hashtext(t::text)::bigint) from (select g a, repeat(chr(64 + g % 50), g % 3000) b, case when g % 7 = 0 then null else g end c, E'\\\\ \\t \\n' d from generate_series(1, 20000) g) t";
        assert_eq!(value(&session, sum).await, value(&session, again).await);
    }
}

#[tokio::test]
async fn the_error_of_a_copy_arrives_before_all_data_is_sent() {
    let mut session = connect(&newest_server().uri("postgres")).await.expect("session");
    session.execute("create", "create temp table t (g int primary key)").await.expect("table");
    let mut copy = session.copy_in("load", "copy t from stdin").await.expect("copy in");
    let rows = Bytes::from("7\n".repeat(100_000));
    let mut sent = 0;
    let error = loop {
        if let Err(error) = copy.send(rows.clone()).await {
            break error;
        }
        sent += 1;
        assert!(sent < 1000, "200 MB were sent in vain");
    };
    drop(copy);
    assert_eq!(server_error(&error).expect("server error").sqlstate, "23505");
    session.execute("go on", "select 1").await.expect("still usable");

    // An error that comes after the last byte was taken is told by `finish`.
    let mut copy = session.copy_in("load", "copy t from stdin").await.expect("copy in");
    copy.send(Bytes::from_static(b"x\n")).await.expect("taken");
    let error = copy.finish().await.expect_err("not a number");
    let server = server_error(&error).expect("server error");
    assert_eq!(server.sqlstate, "22P02");
    assert_eq!(server.context.as_deref(), Some("COPY t, line 1, column g: \"x\""));
}

#[tokio::test]
async fn copies_that_were_sent_ahead_are_answered_one_by_one() {
    let session = connect(&newest_server().uri("postgres")).await.expect("session");
    session.execute("create", "create temp table t (g int)").await.expect("table");
    let send = |text: &'static str| {
        session
            .submit_copy_in("load", "copy t from stdin", Bytes::from_static(text.as_bytes()))
            .expect("sent")
    };
    // The first two do not belong together: one that fails takes nothing from the next.
    let sent = ["1\n2\n", "x\n", "", "3\n"].map(send);
    let mut outcomes = Vec::new();
    for copy in sent {
        outcomes.push(session.settle_copy(copy).await.ok());
    }
    assert_eq!(outcomes, [Some(2), None, Some(0), Some(1)]);
    assert_eq!(value(&session, "select count(*) from t").await, "3");

    // In a transaction everything behind the failure is skipped, its data too.
    let begin = session.submit("begin", b"begin").expect("sent");
    let sent = ["4\n", "x\n", "5\n"].map(send);
    session.settle(begin).await.expect("begun");
    let mut states = Vec::new();
    for copy in sent {
        let error = session.settle_copy(copy).await.err();
        states.push(error.map(|error| server_error(&error).expect("server").sqlstate.clone()));
    }
    assert_eq!(states, [None, Some("22P02".to_owned()), Some("25P02".to_owned())]);
    session.execute("roll back", "rollback").await.expect("rolled back");

    let none =
        session.submit_copy_in("load", "select 1", Bytes::from_static(b"6\n")).expect("sent");
    session.settle_copy(none).await.expect_err("no copy");
    let large = Bytes::from("7\n".repeat(2_000_000));
    let sent = session.submit_copy_in("load", "copy t from stdin", large).expect("sent");
    assert_eq!(session.settle_copy(sent).await.expect("loaded"), 2_000_000);
}

#[tokio::test]
async fn a_copy_in_can_be_aborted_and_dropped() {
    let mut session = connect(&newest_server().uri("postgres")).await.expect("session");
    session.execute("create", "create temp table t (g int)").await.expect("table");
    let mut copy = session.copy_in("load", "copy t from stdin").await.expect("copy in");
    copy.send(Bytes::from_static(b"1\n")).await.expect("send");
    copy.abort("changed my mind").await.expect("abort");
    let mut copy = session.copy_in("load", "copy t from stdin").await.expect("copy in");
    copy.send(Bytes::from_static(b"2\n")).await.expect("send");
    drop(copy);
    assert_eq!(value(&session, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn a_copy_that_does_not_begin_says_why() {
    let mut session = connect(&newest_server().uri("postgres")).await.expect("session");
    let error =
        session.copy_out("read", "copy missing to stdout").await.expect_err("no such table");
    assert_eq!(server_error(&error).expect("server error").sqlstate, "42P01");
    session.copy_out("read", "select 1").await.expect_err("no copy");
    session.copy_in("load", "copy (select 1) to stdout").await.expect_err("the other direction");
    session.copy_out("read", "copy pg_class from stdin").await.expect_err("the other direction");
    session.execute("run", "copy (select 1) to stdout").await.expect_err("a copy is no query");
    session.execute("create", "create temp table t (a int)").await.expect("table");
    session.execute("run", "copy t from stdin").await.expect_err("a copy is no query");
    assert_eq!(value(&session, "1").await, "1");
}

#[tokio::test]
async fn a_copy_out_that_is_dropped_closes_the_session() {
    let mut session = connect(&newest_server().uri("postgres")).await.expect("session");
    let mut copy = session
        .copy_out(
            "read",
            "copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout",
        )
        .await
        .expect("copy");
    copy.next().await.expect("chunk").expect("data");
    drop(copy);
    let error = session.execute("go on", "select 1").await.expect_err("closed");
    assert!(is_connection_lost(&error), "{}", rendered(&error));
}

#[tokio::test]
async fn a_copy_out_error_in_the_middle_is_told_after_the_data() {
    let mut session = connect(&newest_server().uri("postgres")).await.expect("session");
    let mut copy = session
        .copy_out(
            "read",
            "copy (select 1 / (100000 - g) from generate_series(1, 200000) g) to stdout",
        )
        .await
        .expect("copy");
    let error = loop {
        match copy.next().await {
            Ok(chunk) => assert!(chunk.is_some(), "an incomplete copy looked complete"),
            Err(error) => break error,
        }
    };
    assert_eq!(server_error(&error).expect("server error").sqlstate, "22012");
    drop(copy);
    assert_eq!(value(&session, "1").await, "1");
}

#[tokio::test]
async fn notices_are_collected() {
    let session = connect(&newest_server().uri("postgres")).await.expect("session");
    session
        .execute("warn", "do $$ begin raise warning 'careful' using detail = 'very'; end $$")
        .await
        .expect("statement");
    let notices = session.take_notices();
    assert_eq!(notices.len(), 1);
    assert_eq!(
        (notices[0].severity.as_str(), notices[0].message.as_str(), notices[0].detail.as_deref()),
        ("WARNING", "careful", Some("very"))
    );
    assert!(session.take_notices().is_empty());
}

#[tokio::test]
async fn bytes_of_a_database_without_encoding_come_back_as_they_are() {
    for server in servers() {
        let database = server.database_with(
            "connect_bytes",
            "encoding 'SQL_ASCII' template template0 lc_collate 'C' lc_ctype 'C'",
        );
        let session = connect(database.uri()).await.expect("session");
        session.execute("set", "set client_encoding = 'SQL_ASCII'").await.expect("set");
        assert_eq!(session.parameter("client_encoding").as_deref(), Some("SQL_ASCII"));
        let name = text::decode(b"b\xe4r");
        session
            .execute("create", &format!("create table \"{name}\" (a int)"))
            .await
            .expect("create");
        let rows = session.query("ask", "select relname as name, encode(relname::text::bytea, 'hex') as hex from pg_class where relname like 'b%r'").await;
        let rows = rows.expect("rows");
        let row = rows.single().expect("row");
        assert_eq!(
            (row.text("name").expect("name"), row.text("hex").expect("hex")),
            (name.as_str(), "62e472")
        );
        let error = session
            .execute("fail", &format!("select \"{name}\""))
            .await
            .expect_err("no such column");
        assert_eq!(server_error(&error).expect("server error").sqlstate, "42703");
        session.close().await;
    }
}

#[tokio::test]
async fn a_huge_row_passes_in_pieces() {
    let mut session = connect(&newest_server().uri("postgres")).await.expect("session");
    let mut copy = session
        .copy_out("read", "copy (select repeat('x', 60000000)) to stdout")
        .await
        .expect("copy");
    let (mut bytes, mut largest) = (0, 0);
    while let Some(chunk) = copy.next().await.expect("chunk") {
        bytes += chunk.len();
        largest = largest.max(chunk.len());
    }
    assert_eq!(bytes, 60_000_001);
    assert!(largest <= 1024 * 1024, "{largest}");
}
