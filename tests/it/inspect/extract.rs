//! One object's SQL and one table's rows, held against what the server itself says.

use crate::support::{World, newest_server};

const SHOP: &str = r#"
create schema sales;
create table sales.customers (id int primary key, name text default 'nobody' not null);
create table sales.orders (
    id int generated always as identity primary key,
    customer int references sales.customers,
    "Note, ""odd""" text check ("Note, ""odd""" <> 'x')
);
create index on sales.orders (customer);
comment on column sales.orders.customer is 'who';
create function sales.total(int) returns int language sql return $1 + 1;
create function sales.total(text) returns text language sql return $1;
create function public.total() returns int language sql return 1;
create view sales.latest as select id from sales.orders;
grant select on sales.latest to public;
insert into sales.customers values (1, 'Ann'), (2, ''), (3, E'tab\tand\nline "quoted", comma\\');
insert into sales.orders (customer, "Note, ""odd""") values (1, null), (2, 'back\slash'), (3, 'é');
"#;

fn archive(name: &str) -> (World, crate::support::database::Database) {
    let source = newest_server().database(name);
    source.execute(SHOP);
    let world = World::new();
    let _ = world.pgark(&["dump", "-d", source.uri(), "-f", "archive"]).success();
    (world, source)
}

fn extract(world: &World, arguments: &[&str]) -> String {
    world.pgark(&[&["inspect", "archive", "--extract"], arguments].concat()).success().stdout
}

#[test]
fn a_table_is_extracted_with_all_that_belongs_to_it_and_loads() {
    let (world, source) = archive("extract_sql");
    let customers = extract(&world, &["sales.customers"]);
    let orders = extract(&world, &["sales.orders"]);
    assert!(!customers.contains("orders"), "{customers}");
    for part in
        ["CREATE TABLE", "ADD CONSTRAINT orders_pkey", "FOREIGN KEY", "CREATE INDEX", "COMMENT"]
    {
        assert!(orders.contains(part), "{part}: {orders}");
    }
    let target = newest_server().database("extract_loaded");
    target.execute("create schema sales");
    target.execute(&customers);
    target.execute(&orders);
    let columns = "select table_name, column_name, data_type, column_default, is_identity \
                   from information_schema.columns where table_schema = 'sales' \
                   and table_name <> 'latest' order by 1, 2";
    assert_eq!(target.query(columns), source.query(columns));
    let view = extract(&world, &["Sales.LATEST"]);
    assert!(view.contains("CREATE VIEW") && view.contains("GRANT SELECT"), "{view}");
    assert!(!view.contains("CREATE TABLE"), "{view}");
    target.execute(&view);
}

#[test]
fn functions_are_named_with_or_without_arguments() {
    let (world, _source) = archive("extract_functions");
    let both = extract(&world, &["sales.total"]);
    assert_eq!(both.matches("CREATE FUNCTION").count(), 2, "{both}");
    let one = extract(&world, &["sales.total(text)"]);
    assert!(one.contains("total(text)") && one.matches("CREATE FUNCTION").count() == 1, "{one}");
    let run = world.pgark(&["inspect", "archive", "--extract", "total"]).fails_with(2);
    assert!(run.stderr.contains("name the schema too"), "{}", run.stderr);
    let run = world.pgark(&["inspect", "archive", "--extract", "nothing"]).fails_with(6);
    assert!(run.stderr.contains("has no object named nothing"), "{}", run.stderr);
}

#[test]
fn rows_come_out_as_copy_text_and_as_csv() {
    let (world, source) = archive("extract_rows");
    let table = "copy sales.customers to stdout";
    let rows = extract(&world, &["sales.customers", "--as", "copy"]);
    assert_eq!(rows.trim_end(), source.query(table));
    for table in ["sales.customers", "sales.orders"] {
        let csv = extract(&world, &[table, "--as", "csv"]);
        let servers = source.query(&format!("copy {table} to stdout (format csv, header)"));
        assert_eq!(csv.trim_end(), servers.trim_end(), "{table}");
    }
    let run =
        world.pgark(&["inspect", "archive", "--extract", "latest", "--as", "csv"]).fails_with(6);
    assert!(run.stderr.contains("no table with rows named latest"), "{}", run.stderr);
}

#[test]
fn damaged_rows_are_an_error_and_not_only_output() {
    let source = newest_server().database("extract_damaged");
    source.execute("create table t as select g from generate_series(1, 1000) g");
    let world = World::new();
    let _ = world.pgark(&["dump", "-d", source.uri(), "-f", "archive", "-Z", "none"]).success();
    let file = std::fs::read_dir(world.path("archive"))
        .expect("the archive")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|end| end == "dat") && !path.ends_with("toc.dat"))
        .expect("a data file");
    let text = std::fs::read_to_string(&file).expect("text").replacen("\n500\n", "\n501\n", 1);
    std::fs::write(&file, text).expect("written");
    let run = world.pgark(&["inspect", "archive", "--extract", "t", "--as", "copy"]).fails_with(9);
    assert!(run.stderr.contains("not those of the manifest"), "{}", run.stderr);
}
