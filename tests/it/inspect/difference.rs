//! Differences between the schemas of two archives, and of an archive and a live database.

use crate::support::{World, newest_server};

#[test]
fn what_changed_since_the_archive_is_shown_as_a_difference() {
    let source = newest_server().database("difference");
    source.execute(
        "create table kept (a int); create table gone (a int); create table changed (a int, b text)",
    );
    let world = World::new();
    let _ = world.pgark(&["dump", "-d", source.uri(), "-f", "before"]).success();
    let same = world.pgark(&["inspect", "before", "--diff", source.uri(), "--exit-code"]).success();
    assert_eq!(same.stdout, "");

    source.execute(
        "drop table gone; alter table changed add c int; create view fresh as select 1 as x",
    );
    let live = world.pgark(&["inspect", "before", "--diff", source.uri()]).success().stdout;
    let _ = world.pgark(&["dump", "-d", source.uri(), "-f", "after"]).success();
    let archives = world.pgark(&["inspect", "before", "--diff", "after"]).success().stdout;
    assert_eq!(live, archives);
    assert_eq!(
        live,
        "table public.changed (defined differently)\n  \
         \u{20} CREATE TABLE public.changed (\n  \
         \u{20}     a integer,\n  \
         -     b text\n  \
         +     b text,\n  \
         +     c integer\n  \
         \u{20} );\n\
         table public.gone (only in the archive)\n  \
         - CREATE TABLE public.gone (\n  \
         -     a integer\n  \
         - );\n\
         view public.fresh (only in the other one)\n  \
         + CREATE VIEW public.fresh AS\n  \
         +  SELECT 1 AS x;\n"
    );
    let run = world.pgark(&["inspect", "before", "--diff", "after", "--exit-code"]).fails_with(9);
    assert!(run.stderr.contains("differ in 3 definitions"), "{}", run.stderr);
    let json = world.pgark(&["inspect", "before", "--diff", "after", "--json"]).success().stdout;
    let changes: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(changes[0]["difference"], "definition");
    assert_eq!(changes[0]["name"], "changed");
}
