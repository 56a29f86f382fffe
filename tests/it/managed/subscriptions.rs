//! The slot of a subscription that is in use outlives every database that was restored from its backup.

use std::sync::Arc;
use std::time::Duration;

use pgark::progress::{Interrupt, silent};
use pgark::vault::managed::{ManagedOptions, Moment, RestoreId, Step, Watch, plan};
use pgark::{Error, ErrorKind};

use crate::support::World;
use crate::support::cluster::Cluster;
use crate::support::database::psql;
use crate::support::installation::Installation;

const SLOTS: &str = "select slot_name || ' ' || active from pg_replication_slots order by 1";

fn wait_for(uri: &str, sql: &str, wanted: &str) {
    let began = std::time::Instant::now();
    while psql(uri, sql).trim() != wanted {
        assert!(began.elapsed() < Duration::from_secs(60), "{sql}: {}", psql(uri, sql));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slot_of_production_survives_restores_and_clean_ups() {
    for major in [12, 18] {
        let Some(installation) = Installation::of(major) else { continue };
        let cluster =
            Cluster::start(installation, "wal_level = logical\nmax_replication_slots = 4");
        let (source, shop, copy) =
            (cluster.uri("source"), cluster.uri("shop"), cluster.uri("copy"));
        let maintenance = cluster.uri("postgres");
        for name in ["source", "shop", "copy"] {
            psql(&maintenance, &format!("create database {name}"));
        }
        psql(
            &source,
            "create table t(a int primary key); create publication p for table t;
             select pg_create_logical_replication_slot('production', 'pgoutput')",
        );
        let conninfo = format!(
            "host={} port={} user=postgres dbname=source",
            cluster.directory().display(),
            cluster.port()
        );
        psql(
            &shop,
            &format!(
                "create table t(a int primary key);
                 create subscription s connection '{conninfo}' publication p
                 with (create_slot = false, slot_name = 'production', copy_data = false)"
            ),
        );
        psql(&source, "insert into t values (1)");
        wait_for(&shop, "select count(*) from t", "1");
        let world = World::new();
        let archive = world.path("archive");
        let path = archive.to_str().expect("UTF-8");
        let _ = world.pgark(&["dump", "-d", &shop, "-f", path]).success();

        // The database that is subscribed cannot be swapped: its subscription would go on with the old one.
        let run = world.pgark(&["restore", "--target", &shop, "--yes", path]).fails_with(4);
        assert!(run.stderr.contains("subscriptions write into it"), "{}", run.stderr);

        // A copy of it is made, taken back, and made again; each leaves something to be dropped.
        let mut number = 0;
        let mut options = || {
            number += 1;
            let moment = chrono::DateTime::from_timestamp(2_000_000_000, 0).expect("a moment");
            ManagedOptions {
                keep_old: Duration::ZERO,
                ..ManagedOptions::new(
                    &archive,
                    super::params(&copy),
                    RestoreId::new(moment, number),
                )
            }
        };
        let interrupt = Interrupt::default();
        let watch: Watch = Arc::new(|step, moment| match (step, moment) {
            (Step::Restore, Moment::After) => Err(Error::new(ErrorKind::Server, "injected")),
            _ => Ok(()),
        });
        let failing = plan(options(), silent(), &interrupt).await.expect("a plan");
        let error = failing.run(Some(watch), interrupt.clone()).await.expect_err("it fails");
        assert_eq!(error.kind(), ErrorKind::RolledBack, "{error:?}");
        for _ in 0..3 {
            let plan = plan(options(), silent(), &interrupt).await.expect("a plan");
            let report = plan.run(None, interrupt.clone()).await.expect("a restore");
            assert_eq!(report.detached_subscriptions, ["s"]);
            let state = "select subenabled, subslotname is null from pg_subscription s
                join pg_database d on d.oid = s.subdbid where d.datname = 'copy'";
            assert_eq!(psql(&maintenance, state).trim(), "f|t");
            // As if somebody had taken it into use: what is dropped later has the slot's name again.
            psql(&copy, "alter subscription s set (slot_name = 'production')");
        }
        let run = world.pgark(&["restore", "--target", &copy, "--rollback", "--yes"]).success();
        assert!(run.stdout.contains("is the old one again"), "{}", run.stdout);
        psql(&copy, "alter subscription s set (slot_name = none); drop subscription s");
        let dropping = plan(options(), silent(), &interrupt).await.expect("a plan");
        let report = dropping.run(None, interrupt.clone()).await.expect("a restore");
        assert!(!report.dropped.is_empty(), "{report:?}");
        let told = report.notes.join("\n");
        assert!(told.contains("slot \"production\" of the subscription \"s\""), "{told}");

        assert_eq!(psql(&maintenance, SLOTS).trim(), "production true", "on {major}");
        psql(&source, "insert into t values (2)");
        wait_for(&shop, "select count(*) from t", "2");
    }
}
