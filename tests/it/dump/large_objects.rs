//! Large objects in an archive: the stock tools restore them, equal in bytes, owners, privileges, comments.

use std::path::Path;
use std::sync::Arc;

use pgark::archive::{self, ArchiveReader};
use pgark::codec::Compression;
use pgark::dump::{DumpContent, DumpOptions, PieceRange};
use pgark::error::ErrorKind;
use pgark::model::TocEntry;
use pgark::progress::{Interrupt, silent};
use pgark::select::{LargeObjectChoice, SelectionRequest};

use super::{Gate, OpenAtEnd, options, params_as, plan, run, somebody};
use crate::support::database::Database;
use crate::support::{World, newest_server, oracle, server_of, servers};

/// Everything a large object can be: empty, small, of several pages, longer than a block, with holes.
fn objects(database: &Database) -> Roles {
    let roles = Roles(["owner", "reader"].map(|name| format!("{}_{name}", database.name())));
    let [owner, reader] = &roles.0;
    database.execute(&format!(
        "create role {owner}; create role {reader};
         select lo_create(20000);
         select lo_from_bytea(20001, 'hello');
         select lo_from_bytea(20002, decode(repeat('00ff410a5c', 700000), 'hex'));
         select lo_create(20003); select lo_put(20003, 5000000, 'tail');
         select lo_from_bytea(20004, decode(repeat('61', 2048), 'hex'));
         select lo_create(20005); select lo_put(20005, 100, 'head'), lo_put(20005, 9000, 'end');
         comment on large object 20001 is 'it''s';
         alter large object 20002 owner to {owner};
         grant select on large object 20001, 20002, 20005 to {reader};
         grant update on large object 20001 to public;
         create table public.t(a int); insert into t values (1);"
    ));
    roles
}

/// Roles of a test; they belong to the server and must outlive neither.
struct Roles([String; 2]);

impl Roles {
    /// Drops them; every database with something of theirs must be given.
    fn drop(&self, databases: &[&Database]) {
        for role in &self.0 {
            databases.iter().for_each(|d| d.execute(&format!("drop owned by {role} cascade")));
        }
        for role in &self.0 {
            databases[0].execute(&format!("drop role {role}"));
        }
    }
}

/// Returns the large objects of a database, each with its size, a hash, owner, privileges and comment.
fn contents(database: &Database) -> String {
    database.query(
        "select string_agg(concat_ws('|', oid, length(lo_get(oid)), md5(lo_get(oid)),
            pg_get_userbyid(lomowner), lomacl, obj_description(oid, 'pg_largeobject')), E'\\n' order by oid)
         from pg_largeobject_metadata",
    )
}

fn with(database: &Database, output: &Path, jobs: usize, compression: &str) -> DumpOptions {
    let compression: Compression = compression.parse().expect("a compression");
    DumpOptions { jobs, compression, ..options(database, output) }
}

fn described(archive: &Path) -> Vec<String> {
    let archive = archive::open(archive).expect("an archive");
    let line = |entry: &TocEntry| format!("{} {}", entry.desc, entry.tag);
    let lines = archive.entries().iter().map(line);
    lines.filter(|line| line.contains("BLOB") || line.contains("LARGE")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_come_back_whole() {
    for server in servers() {
        let database = server.database("dump_lo");
        let roles = objects(&database);
        let world = World::new();
        let expected = contents(&database);
        let mut copies = Vec::new();
        for (jobs, compression) in [(1, "none"), (3, "gzip"), (2, "zstd"), (2, "lz4")] {
            let output = world.path(&format!("{jobs}-{compression}"));
            let report = run(with(&database, &output, jobs, compression)).await.expect("a dump");
            assert_eq!(
                (report.large_objects.objects, report.large_objects.raw_bytes),
                (6, 8_511_060)
            );
            assert!(report.warnings.is_empty(), "{:?}", report.warnings);
            for stock in oracle::all() {
                let same = stock.major() == database.major();
                if same && stock.knows(compression) {
                    let copy = server.database("dump_lo_stock");
                    stock.restore(&output, &copy, &["-j2"]);
                    assert_eq!(contents(&copy), expected, "{compression} on {server}");
                    copies.push(copy);
                }
            }
            let copy = server.database("dump_lo_copy");
            let archive = output.display().to_string();
            let line = ["restore", "-d", copy.uri(), "-j2", "--progress", "none", &archive];
            let _ = world.pgark(&line).success();
            assert_eq!(contents(&copy), expected, "{compression} on {server}");
            if let Some(stock) = oracle::record() {
                assert_eq!(stock.pg_dump(&copy, &[]), stock.pg_dump(&database, &[]));
            }
            copies.push(copy);
        }
        let databases: Vec<&Database> = copies.iter().chain([&database]).collect();
        roles.drop(&databases);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn few_objects_are_written_for_old_programs() {
    let database = newest_server().database("dump_lo_few");
    let roles = objects(&database);
    let world = World::new();
    let output = world.path("archive");
    run(with(&database, &output, 1, "gzip")).await.expect("a dump");
    assert_eq!(archive::open(&output).expect("an archive").header().version.to_string(), "1.14");
    // Those of one owner with the same privileges stand together, as in the groups of newer archives.
    assert_eq!(
        described(&output),
        [
            "BLOB 20000",
            "BLOB 20003",
            "BLOB 20004",
            "BLOB 20001",
            "COMMENT LARGE OBJECT 20001",
            "ACL LARGE OBJECT 20001",
            "BLOB 20002",
            "ACL LARGE OBJECT 20002",
            "BLOB 20005",
            "ACL LARGE OBJECT 20005",
            "BLOBS BLOBS",
        ]
        .map(String::from)
    );
    if let (Some(stock), Some(server)) = (oracle::second(), server_of(15)) {
        let copy = server.database("dump_lo_few");
        // Another server has other roles.
        stock.restore(&output, &copy, &["-O", "-x", "--section=pre-data", "--section=data"]);
        let bytes = "select string_agg(oid || md5(lo_get(oid)), ',' order by oid) from pg_largeobject_metadata";
        assert_eq!(copy.query(bytes), database.query(bytes));
    }
    roles.drop(&[&database]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_objects_are_grouped_as_pg_dump_groups_them() {
    for server in servers() {
        let database = server.database("dump_lo_many");
        let role = format!("{}_owner", database.name());
        database.execute(&format!(
            "create role {role};
             select count(lo_from_bytea(oid::oid, convert_to(md5(oid::text), 'utf8'))) from generate_series(30000, 32499) oid;
             do $$ begin for i in 31000..31002 loop execute format('alter large object %s owner to {role}', i); end loop; end $$;
             grant select on large object 32499 to public; comment on large object 30001 is 'one';"
        ));
        let world = World::new();
        let output = world.path("ours");
        run(with(&database, &output, 2, "none")).await.expect("a dump");
        let ours = archive::open(&output).expect("an archive");
        assert_eq!(ours.header().version.to_string(), "1.16");
        if let Some(stock) = oracle::record() {
            let path = world.path("stock");
            stock.dump_archive(&database, &path, &["-Fd", "--compress=none"]);
            assert_eq!(described(&output), described(&path), "on {server}");
            let theirs = archive::open(&path).expect("an archive");
            assert_eq!(lists(ours.as_ref()), lists(theirs.as_ref()), "on {server}");
            if database.major() == stock.major() {
                let copy = server.database("dump_lo_many_stock");
                stock.restore(&output, &copy, &["-j3"]);
                assert_eq!(stock.pg_dump(&copy, &[]), stock.pg_dump(&database, &[]));
                copy.execute(&format!("drop owned by {role} cascade"));
            }
        }
        let copy = server.database("dump_lo_many_copy");
        let archive = output.display().to_string();
        let line = ["restore", "-d", copy.uri(), "-j2", "--progress", "none", &archive];
        let _ = world.pgark(&line).success();
        assert_eq!(contents(&copy), contents(&database), "on {server}");
        copy.execute(&format!("drop owned by {role} cascade"));
        database.execute(&format!("drop owned by {role} cascade; drop role {role}"));
    }
}

/// What pg_restore looks at in an entry of large objects, and the bytes of all of them.
#[derive(Debug, PartialEq)]
struct Listed {
    tag: String,
    definition: String,
    owner: Option<String>,
    dependencies: usize,
    bytes: Vec<u8>,
}

fn lists(archive: &dyn ArchiveReader) -> Vec<Listed> {
    let entries = archive.entries().iter().filter(|entry| entry.desc.starts_with("BLOB"));
    entries
        .map(|entry| {
            let mut bytes = Vec::new();
            if entry.holds_large_objects() {
                for object in archive.large_objects(entry).expect("a list") {
                    let mut reader = archive.open_large_object(&object).expect("an object");
                    reader.read_to_end(&mut bytes).expect("bytes");
                }
            }
            Listed {
                tag: entry.tag.clone(),
                definition: entry.definition.clone(),
                owner: entry.owner.clone(),
                dependencies: entry.dependencies.len(),
                bytes,
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_the_table_reads_by_functions_or_is_refused() {
    for server in servers() {
        let database = server.database("dump_lo_role");
        let roles = objects(&database);
        let role = &roles.0[1];
        database.execute(&format!("alter role {role} login; grant select on t to {role}"));
        let world = World::new();
        let as_reader = |output: &str| DumpOptions {
            connection: params_as(&database, Some(role)),
            jobs: 2,
            ..options(&database, &world.path(output))
        };
        let error = plan(as_reader("refused"), silent()).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(
            error.message(),
            format!(
                "the role {role} cannot read everything that was asked for: no SELECT privilege on the large \
                 objects 20000, 20003, 20004"
            ),
            "on {server}"
        );
        let remedy = error.hints()[0].split_once(": ").expect("statements").1.to_owned();
        database.execute(&remedy);
        run(as_reader("functions")).await.expect("a dump by functions");
        run(options(&database, &world.path("pages"))).await.expect("a dump by pages");
        let bytes = |name: &str| {
            let archive = archive::open(world.path(name)).expect("an archive");
            let manifest = archive.manifest().expect("a manifest");
            let objects = manifest.large_objects.iter().flat_map(|entry| &entry.objects);
            objects.map(|object| (object.oid, object.raw_bytes, object.hash)).collect::<Vec<_>>()
        };
        assert_eq!(bytes("functions"), bytes("pages"), "on {server}");
        assert_eq!(bytes("pages").len(), 6);
        roles.drop(&[&database]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn selection_decides_as_in_pg_dump() {
    let database = newest_server().database("dump_lo_choice");
    database.execute("select lo_from_bytea(7000, 'x'); create table public.t(a int)");
    let world = World::new();
    let part =
        || SelectionRequest { schemas: vec!["public".into()], ..SelectionRequest::default() };
    let whole = SelectionRequest::default;
    let (everything, schema) = (DumpContent::EVERYTHING, DumpContent::SCHEMA_ONLY);
    use LargeObjectChoice::{Always, Never, WithEverything};
    let cases = [
        ("everything", whole(), everything, WithEverything, 1),
        ("without", whole(), everything, Never, 0),
        ("a part", part(), everything, WithEverything, 0),
        ("a part with", part(), everything, Always, 1),
        ("data", whole(), DumpContent::DATA_ONLY, WithEverything, 1),
        ("definitions", whole(), schema, WithEverything, 0),
        ("definitions with", whole(), schema, Always, 0),
    ];
    for (name, selection, content, large_objects, expected) in cases {
        let output = world.path(name);
        let options =
            DumpOptions { selection, content, large_objects, ..options(&database, &output) };
        let report = run(options).await.expect("a dump");
        assert_eq!(report.large_objects.objects, expected, "{name}");
        assert!(report.warnings.is_empty(), "{name}: {:?}", report.warnings);
        assert_eq!(described(&output).is_empty(), expected == 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_worker_is_replaced_and_its_large_objects_read_again() {
    for server in servers() {
        let database = server.database("dump_lo_worker");
        // Random bytes: compressible pages would not fill a piece.
        database.execute(
            "select lo_create(oid::oid) from generate_series(8001, 8003) oid;
             insert into pg_largeobject select 8000 + o, p, decode(repeat(md5(random()::text), 64), 'hex')
                from generate_series(1, 3) o, generate_series(0, 24999) p;",
        );
        let expected = contents(&database);
        let world = World::new();
        let (gate, administrator) = (Gate::new(), somebody(&database).await);
        let _open = OpenAtEnd(Arc::clone(&gate));
        let output = world.path("archive");
        let options = with(&database, &output, 2, "none");
        let plan = plan(options, gate.clone()).await.expect("a plan");
        let ranges: Vec<_> = plan.pieces().iter().map(|piece| piece.range).collect();
        assert!(ranges.len() > 2, "{ranges:?}");
        assert!(matches!(ranges[0], PieceRange::LargeObjects { .. }), "{ranges:?}");
        let running = tokio::spawn(plan.run(Interrupt::default()));
        gate.reached().await;
        let terminate = "select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and query ilike 'copy%'";
        administrator.execute("terminate the workers", terminate).await.expect("terminated");
        gate.open();
        let report = running.await.expect("no panic").expect("a dump");
        assert!(report.restarts > 0, "nothing was read again");
        let copy = server.database("dump_lo_worker_copy");
        let archive = output.display().to_string();
        let line = ["restore", "-d", copy.uri(), "-j2", "--progress", "none", &archive];
        let _ = world.pgark(&line).success();
        assert_eq!(contents(&copy), expected, "on {server}");
    }
}
