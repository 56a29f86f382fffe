//! `pgark pg_dump -s` prints what pg_dump 18 prints, whatever the server.

use crate::support::oracle::RESTRICT_KEY;
use crate::support::{World, oracle, servers};

use super::{assert_same_text, sample};

#[test]
fn schema_of_the_sample_equals_stock() {
    let Some(stock) = oracle::record() else { return };
    let key = format!("--restrict-key={RESTRICT_KEY}");
    for server in servers() {
        let database = sample(server);
        let world = World::new();
        for options in
            [&["-s"][..], &["-s", "-O", "-x"], &["-s", "-c", "--if-exists"], &["-s", "-C"]]
        {
            let mut arguments = vec!["pg_dump", &key, "-d", database.uri()];
            arguments.extend(options);
            let ours = world.pgark(&arguments).success();
            assert_same_text(&stock.pg_dump(&database, options), &ours.stdout);
        }
        let through_a_link =
            world.called_as("pg_dump", &[&key, "-s", "-d", database.uri()]).success();
        assert_same_text(&stock.pg_dump(&database, &["-s"]), &through_a_link.stdout);
    }
}
