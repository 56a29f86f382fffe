//! The order of a large made-up database: 20,000 tables in a chain, each in a loop with its default.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pgark::model::column_default::ColumnDefault;
use pgark::model::table::Table;
use pgark::model::{
    CatalogId, Components, Database, DumpId, Kind, Object, Oid, ServerVersion, SessionFacts,
};

const TABLES: i32 = 20_000;

/// Each table depends on the one before it (inheritance, say) and has a default, which makes a loop that is to be repaired.
fn sketch() -> Database {
    let mut database = Database::new(SessionFacts {
        version: ServerVersion(180_000),
        version_text: "18.0".into(),
        encoding: "UTF8".into(),
        standard_conforming_strings: true,
        database: "sketch".into(),
        in_recovery: false,
    });
    let mut before: Option<DumpId> = None;
    for number in 0..TABLES {
        let kind = Kind::Table(Box::new(Table { relkind: 'r', ..Table::default() }));
        let table = add(&mut database, &format!("table_{}", (number * 7919) % TABLES), kind);
        if let Some(before) = before {
            database.depend(table, before);
        }
        let default = ColumnDefault { table, column: 1, expression: "1".into(), separate: false };
        let default = add(&mut database, "default", Kind::ColumnDefault(default));
        database.depend(table, default);
        database.depend(default, table);
        before = Some(table);
    }
    database
}

fn add(database: &mut Database, name: &str, kind: Kind) -> DumpId {
    let oid = Oid(database.last_id() as u32 + 20_000);
    database.add(Object {
        catalog_id: CatalogId { class: Oid(1), oid },
        schema: Some("public".into()),
        wanted: Components::all(),
        ..Object::new(name.into(), kind)
    })
}

fn order(criterion: &mut Criterion) {
    let database = sketch();
    let mut group = criterion.benchmark_group("order");
    group.sample_size(10).throughput(Throughput::Elements(u64::from(TABLES.unsigned_abs())));
    group.bench_function("tables with defaults", |bencher| {
        bencher.iter_batched(
            || database.clone(),
            |mut database| black_box(pgark::order::sort(&mut database, &mut |_| {})),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, order);
criterion_main!(benches);
