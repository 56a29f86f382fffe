//! Reading the catalogs of many tables, with the help of a second session and without.

use crate::support::database::psql;
use crate::support::oracle::{self, RESTRICT_KEY};
use crate::support::{World, servers};

/// Above the number from which on a second session is opened, and with parts that the first one must read.
const SCRIPT: &str = "do $$ begin for i in 1 .. 600 loop
    execute format('create table t%s (id bigserial primary key, a int not null default %s check (a > 0), \
        b text collate \"C\", c int references t%s (id))', i, i, greatest(1, i - 1));
    execute format('create index on t%s (a) where b is not null', i);
    execute format('comment on column t%s.a is %L', i, 'column ' || i);
    if i % 100 = 0 then commit; end if;
end loop; end $$";

#[test]
fn the_text_of_many_tables_equals_stock_with_one_session_and_with_two() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let database = server.database("many_tables");
        let role = format!("alone_{}", std::process::id());
        psql(&server.uri("postgres"), &format!("create role {role} login connection limit 1"));
        // PostgreSQL 15 took the right to create away from everybody.
        database.execute(&format!("grant create on schema public to {role}"));
        let alone = database.uri().replacen("postgres@", &format!("{role}@"), 1);
        psql(&alone, SCRIPT);
        let expected = stock.pg_dump(&database, &["-s"]);
        let key = format!("--restrict-key={RESTRICT_KEY}");
        let world = World::new();
        for uri in [database.uri(), &alone] {
            let dumped = world.pgark(&["pg_dump", "-s", &key, "-d", uri]).success().stdout;
            assert!(expected == dumped, "{uri} on {server}");
        }
        database.execute(&format!("drop owned by {role}"));
        psql(&server.uri("postgres"), &format!("drop role {role}"));
    }
}
