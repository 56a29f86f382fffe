//! Every `sslmode` against right and wrong certificates, client certificates, channel binding, cancel.

use super::certificates::{Authority, made_by_openssl, self_signed};
use super::{SecureServer, authority, connect, fails, mode, rendered, value};
use pgark::ErrorKind;
use pgark::connect::server_error;

#[tokio::test]
async fn each_sslmode_does_what_libpq_does() {
    let server = SecureServer::shared();
    let right = server.file("right.crt", &authority().certificate);
    let wrong = server.file("wrong.crt", &Authority::new("somebody else").certificate);
    // (host, parameters, what happens: encrypted, plain, or a word of the refusal)
    let (right, wrong) = (right.display(), wrong.display());
    let cases = [
        ("localhost", "sslmode=disable".to_owned(), "plain"),
        ("localhost", "sslmode=allow".to_owned(), "plain"),
        ("localhost", String::new(), "encrypted"),
        ("localhost", "sslmode=prefer".to_owned(), "encrypted"),
        ("localhost", "sslmode=require".to_owned(), "encrypted"),
        ("localhost", format!("sslmode=require sslrootcert={right}"), "encrypted"),
        ("localhost", format!("sslmode=require sslrootcert={wrong}"), "certificate"),
        ("localhost", "sslmode=require sslrootcert=/nonexistent".to_owned(), "encrypted"),
        ("localhost", "sslmode=verify-ca sslrootcert=/nonexistent".to_owned(), "does not exist"),
        ("localhost", "sslmode=verify-ca".to_owned(), "no root certificate"),
        ("localhost", format!("sslmode=verify-ca sslrootcert={right}"), "encrypted"),
        ("localhost", format!("sslmode=verify-ca sslrootcert={wrong}"), "certificate"),
        ("db.example", format!("sslmode=verify-ca sslrootcert={right}"), "encrypted"),
        ("localhost", format!("sslmode=verify-full sslrootcert={right}"), "encrypted"),
        ("localhost", format!("sslmode=verify-full sslsni=0 sslrootcert={right}"), "encrypted"),
        ("db.example", format!("sslmode=verify-full sslrootcert={right}"), "not valid for name"),
        ("localhost", format!("sslmode=verify-full sslrootcert={wrong}"), "certificate"),
        ("localhost", "sslrootcert=system".to_owned(), "certificate"),
        // A certificate that is not trusted makes `prefer` go on without TLS, as in libpq.
        ("localhost", format!("sslmode=prefer sslrootcert={wrong}"), "plain"),
        ("localhost", "sslmode=require sslnegotiation=direct".to_owned(), "encrypted"),
        (
            "localhost",
            format!("sslmode=verify-full sslnegotiation=direct sslrootcert={right}"),
            "encrypted",
        ),
        ("localhost", "sslmode=require ssl_max_protocol_version=TLSv1.2".to_owned(), "encrypted"),
        ("localhost", "sslmode=require ssl_min_protocol_version=TLSv1.3".to_owned(), "encrypted"),
    ];
    for (host, parameters, expected) in cases {
        let conninfo = server.tcp("trusted", &format!("host={host} {parameters}"));
        let got = match connect(&conninfo).await {
            Ok(session) => {
                let encrypted =
                    value(&session, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
                        .await;
                assert_eq!(encrypted == "true", session.is_encrypted(), "{host} {parameters}");
                if session.is_encrypted() { "encrypted".to_owned() } else { "plain".to_owned() }
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Connection);
                rendered(&error)
            }
        };
        assert!(got.contains(expected), "{host} {parameters}: {got}");
    }
}

#[tokio::test]
async fn allow_and_prefer_try_the_other_way() {
    let server = SecureServer::shared();
    assert!(
        connect(&server.tcp("scram", "password=scram sslmode=allow"))
            .await
            .expect("session")
            .is_encrypted()
    );
    assert!(
        !connect(&server.tcp("unencrypted", "sslmode=prefer"))
            .await
            .expect("session")
            .is_encrypted()
    );
    let error = rendered(&fails(&server.tcp("unencrypted", "sslmode=require")).await);
    assert!(error.contains("no pg_hba.conf entry") && error.contains("with TLS"), "{error}");
    let error = rendered(&fails(&server.tcp("nobody", "")).await);
    assert!(error.contains("before that:"), "both attempts are told: {error}");
}

#[tokio::test]
async fn scram_is_bound_to_the_channel() {
    let server = SecureServer::shared();
    let session =
        connect(&server.tcp("scram", "password=scram channel_binding=require sslmode=require"))
            .await;
    assert_eq!(value(&session.expect("session"), "current_user").await, "scram");
    connect(&server.tcp("scram", "password=scram channel_binding=disable")).await.expect("session");
    let error = rendered(&fails(&server.tcp("md5", "password=md5 channel_binding=require")).await);
    assert!(error.contains("channel binding"), "{error}");
}

#[tokio::test]
async fn channel_binding_follows_the_certificates_signature() {
    // Ed25519 has no hash of its own, so there is nothing to bind to.
    for (arguments, is_bound) in [
        ("rsa:2048 -sha256", true),
        ("rsa:2048 -sha512", true),
        ("rsa:2048 -sha384 -sigopt rsa_padding_mode:pss", true),
        ("ec -pkeyopt ec_paramgen_curve:P-384 -sha384", true),
        ("ed25519", false),
    ] {
        let Some(identity) = made_by_openssl(arguments) else { return };
        let server = SecureServer::start(&identity, authority(), "");
        let conninfo = server.tcp("scram", "password=scram sslmode=require");
        let session = connect(&conninfo)
            .await
            .unwrap_or_else(|error| panic!("{arguments}: {}", rendered(&error)));
        assert!(session.is_encrypted());
        let bound = connect(&format!("{conninfo} channel_binding=require")).await;
        assert_eq!(bound.is_ok(), is_bound, "{arguments}");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_its_own_root() {
    let identity = self_signed("localhost");
    let server = SecureServer::start(&identity, authority(), "");
    let root = server.file("root.crt", &identity.certificate);
    for mode in ["require", "verify-ca", "verify-full"] {
        let conninfo =
            server.tcp("trusted", &format!("sslmode={mode} sslrootcert={}", root.display()));
        assert!(connect(&conninfo).await.expect(mode).is_encrypted());
    }
    let other = self_signed("localhost");
    let root = server.file("other.crt", &other.certificate);
    let error =
        fails(&server.tcp("trusted", &format!("sslmode=verify-ca sslrootcert={}", root.display())))
            .await;
    assert!(rendered(&error).contains("certificate"), "{}", rendered(&error));
}

#[tokio::test]
async fn a_certificate_without_alternative_names_is_known_by_its_common_name() {
    let server =
        SecureServer::start(&authority().issue_common_name("*.db.example"), authority(), "");
    let root = server.file("root.crt", &authority().certificate);
    let conninfo = |host: &str| {
        server.tcp(
            "trusted",
            &format!("host={host} sslmode=verify-full sslrootcert={}", root.display()),
        )
    };
    connect(&conninfo("one.db.example")).await.expect("session");
    let error = rendered(&fails(&conninfo("localhost")).await);
    assert!(error.contains("not valid for") && error.contains("verify-ca"), "{error}");
}

#[tokio::test]
async fn revoked_certificates_are_refused() {
    let identity =
        authority().issue_with(&["localhost"], "revoked", 77, &rcgen::PKCS_ECDSA_P256_SHA256);
    let server = SecureServer::start(&identity, authority(), "");
    let root = server.file("root.crt", &authority().certificate);
    for (serial, is_good) in [(76, true), (77, false)] {
        let list = server.file("root.crl", &authority().revoke(&[serial]));
        let conninfo = server.tcp(
            "trusted",
            &format!("sslmode=verify-ca sslrootcert={} sslcrl={}", root.display(), list.display()),
        );
        match connect(&conninfo).await {
            Ok(_) => assert!(is_good),
            Err(error) => {
                assert!(!is_good && rendered(&error).contains("evoked"), "{}", rendered(&error))
            }
        }
    }
}

#[tokio::test]
async fn a_client_certificate_logs_in() {
    let server = SecureServer::shared();
    let client = authority().issue_common_name("certified");
    let certificate = server.file("client.crt", &client.certificate);
    let key = server.file("client.key", &client.key);
    let files =
        format!("sslmode=require sslcert={} sslkey={}", certificate.display(), key.display());
    connect(&server.tcp("certified", &format!("{files} sslcertmode=require")))
        .await
        .expect("session");
    let error = rendered(&fails(&server.tcp("certified", "sslmode=require")).await);
    assert!(error.contains("certificate"), "{error}");
    let error =
        rendered(&fails(&server.tcp("certified", &format!("{files} sslcertmode=disable"))).await);
    assert!(error.contains("certificate"), "{error}");

    mode(&key, 0o644);
    let error = rendered(&fails(&server.tcp("certified", &files)).await);
    assert!(error.contains("can be read by others") && error.contains("0600"), "{error}");
    let other = server.file("other.key", &authority().issue_common_name("x").key);
    let error = rendered(
        &fails(&server.tcp("certified", &format!("{files} sslkey={}", other.display()))).await,
    );
    assert!(error.contains("does not belong"), "{error}");
    let missing =
        rendered(&fails(&server.tcp("certified", &format!("{files} sslkey=/nonexistent"))).await);
    assert!(missing.contains("/nonexistent"), "{missing}");
}

#[tokio::test]
async fn a_server_without_tls_is_said_to_have_none() {
    let cluster = crate::support::cluster::Cluster::start(super::newest(), "");
    let conninfo = format!("host=127.0.0.1 port={} user=postgres sslmode=require", cluster.port());
    let error = rendered(&fails(&conninfo).await);
    assert!(error.contains("does not offer TLS") && error.contains("ssl = on"), "{error}");
}

#[tokio::test]
async fn cancel_goes_over_tls_too() {
    let server = SecureServer::shared();
    for negotiation in ["postgres", "direct"] {
        let conninfo =
            server.tcp("trusted", &format!("sslmode=require sslnegotiation={negotiation}"));
        let session = connect(&conninfo).await.expect("session");
        assert!(session.is_encrypted());
        let canceller = session.canceller();
        let (slept, cancelled) = futures::join!(
            session.execute("sleep", "select pg_sleep(600)"),
            async {
                // The statement has to be running: the request is repeated until it hits.
                loop {
                    canceller.cancel().await?;
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    let other = connect(&conninfo).await?;
                    let running = value(&other, &format!("select count(*) from pg_stat_activity where pid = {} and state = 'active'", session.backend_pid())).await;
                    if running == "0" {
                        return Ok::<(), pgark::Error>(());
                    }
                }
            }
        );
        cancelled.expect("cancel requests");
        let error = slept.expect_err("cancelled");
        assert_eq!(server_error(&error).expect("server error").sqlstate, "57014");
        session.execute("go on", "select 1").await.expect("still usable");
    }
}
