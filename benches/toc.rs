//! Writing and reading the table of contents of 20,000 tables, each with data, an index and a comment.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgark::archive::{ArchiveFormat, ArchiveHeader, ArchiveTime, toc};
use pgark::codec::Algorithm;
use pgark::model::{DumpId, Section, TocEntry};

const TABLES: i32 = 20_000;

fn entries() -> Vec<TocEntry> {
    let mut entries = Vec::new();
    let mut add = |desc: &str, section, tag: String, definition: String, on: Option<DumpId>| {
        let id = DumpId(entries.len() as i32 + 1);
        let mut entry = TocEntry::new(id, desc, &tag);
        entry.section = section;
        entry.namespace = Some("public".into());
        entry.owner = Some("somebody".into());
        entry.definition = definition;
        entry.drop_statement = Some(format!("DROP {desc} public.{tag};\n"));
        entry.dependencies.extend(on);
        entries.push(entry);
        id
    };
    for number in 0..TABLES {
        let table = format!("table_{number}");
        let definition = format!(
            "CREATE TABLE public.{table} (\n    id bigint NOT NULL,\n    name text,\n    made timestamp with time zone DEFAULT now()\n);\n"
        );
        let id = add("TABLE", Section::PreData, table.clone(), definition, None);
        let comment = format!("COMMENT ON TABLE public.{table} IS 'number {number}';\n");
        add("COMMENT", Section::None, format!("TABLE {table}"), comment, Some(id));
        add("TABLE DATA", Section::Data, table.clone(), String::new(), Some(id));
        let index = format!("CREATE INDEX {table}_name ON public.{table} USING btree (name);\n");
        add("INDEX", Section::PostData, format!("{table}_name"), index, Some(id));
    }
    entries
}

fn table_of_contents(criterion: &mut Criterion) {
    let entries = entries();
    let created = ArchiveTime::from_naive(Default::default());
    let header = ArchiveHeader::directory(Algorithm::None, created);
    let mut bytes = Vec::new();
    toc::write(&mut bytes, &header, &entries).expect("written");
    let mut group = criterion.benchmark_group("toc");
    group.sample_size(20).throughput(Throughput::Elements(entries.len() as u64));
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            let mut out = Vec::with_capacity(bytes.len());
            toc::write(&mut out, &header, black_box(&entries)).expect("written");
            out
        });
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            toc::read(black_box(bytes.as_slice()), ArchiveFormat::Directory, "toc.dat")
                .expect("read")
        });
    });
    group.finish();
}

criterion_group!(benches, table_of_contents);
criterion_main!(benches);
