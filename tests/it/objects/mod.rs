//! Every file of `fixtures/objects` on every server: the schema text equals stock pg_dump's, with every
//! option that changes it, and a database restored from it dumps equal again.
//!
//! Adding a case is adding a file. `index.sql` runs on all servers, `index_15.sql` on 15 and newer. A
//! fixture may use the roles of [`ROLES`] and the tablespaces of [`SPACES`]. Its first lines may hold
//!
//! ```sql
//! -- database template template0 encoding 'LATIN1'
//! -- until 13
//! -- needs icu
//! -- needs extension hstore btree_gin
//! -- needs library plperl
//! -- options -n public
//! -- restorable since 16: why
//! -- not restorable: why
//! -- not for pg_upgrade: why
//! ```

mod relation_statistics;

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use crate::support::installation::REQUIRED;
use crate::support::oracle::{self, Oracle, RESTRICT_KEY};
use crate::support::server::Server;
use crate::support::{World, every_server, is_thorough, missing, newest_server};

/// The roles that fixtures give things to.
const ROLES: [&str; 3] = ["object_boss", "object_reader", "Object \"Röle"];

/// The tablespaces that fixtures put things into; they lie inside the server's own directory.
const SPACES: [&str; 2] = ["object_space", "Object \"Späce"];

/// Option sets of pg_dump that change the text of a schema. The server has little to do with most of
/// them, so all are tried on the newest one, two on the other usual ones, and one on all. In everyday runs a
/// fixture takes every third of those for the newest only; CI and `scripts/test --all` take them all.
const OPTIONS: &[&[&str]] = &[
    &["-C"],
    &["-c", "--if-exists"],
    &["-C", "-c", "-O", "--no-security-labels"],
    &["-x", "--no-comments", "-v"],
    &["--quote-all-identifiers", "-C"],
    &["-n", "*[aeo]*", "-N", "pg_*", "--section", "pre-data"],
    &["-N", "?[ae]*", "-T", "*.*[a-e]*", "--section", "post-data", "--no-publications"],
    &["-t", "*.*[a-e]*"],
    &["-e", "plpgsql", "--disable-dollar-quoting"],
    &["--exclude-extension", "h*", "--no-subscriptions", "--no-policies"],
];

/// What pg_upgrade asks for, and the database and what is known about large objects as well.
const UPGRADE: &[&str] = &["--binary-upgrade", "--sequence-data", "-C"];

/// One file of `fixtures/objects`.
struct Fixture {
    name: String,
    since: u32,
    script: String,
}

impl Fixture {
    fn all() -> Vec<Fixture> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/objects");
        let mut fixtures: Vec<Fixture> = fs::read_dir(&folder)
            .expect("fixtures/objects")
            .map(|entry| Fixture::read(&entry.expect("an entry").path()))
            .collect();
        fixtures.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(!fixtures.is_empty(), "{} is empty", folder.display());
        fixtures
    }

    fn read(path: &Path) -> Fixture {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let since = name.rsplit_once('_').and_then(|(_, since)| since.parse().ok()).unwrap_or(0);
        Fixture { name, since, script: fs::read_to_string(path).expect("a readable fixture") }
    }

    /// Returns the words behind a directive in the fixture's first lines.
    fn directive(&self, directive: &str) -> Option<&str> {
        self.script
            .lines()
            .map_while(|line| line.strip_prefix("-- "))
            .find_map(|line| line.strip_prefix(directive))
    }

    /// Tells whether a server can hold what the fixture makes.
    fn fits(&self, server: &Server) -> bool {
        let maintenance = server.uri("postgres");
        let counts = |sql: &str| crate::support::database::psql(&maintenance, sql).trim() != "0";
        let until = self.directive("until ").map(|until| until.parse::<u32>().expect("a version"));
        let loads = |library: &str| {
            let sql = format!("load '$libdir/{library}'");
            crate::support::database::run_psql(&maintenance, &sql).is_ok()
        };
        server.major() >= self.since
            && until.is_none_or(|until| server.major() <= until)
            && (self.directive("needs icu").is_none()
                || counts("select count(*) from pg_collation where collprovider = 'i'"))
            && self.directive("needs extension").is_none_or(|extensions| {
                extensions.split_whitespace().all(|extension| {
                    counts(&format!(
                        "select count(*) from pg_available_extensions where name = '{extension}'"
                    ))
                })
            })
            && self
                .directive("needs library")
                .is_none_or(|libraries| libraries.split_whitespace().all(loads))
    }

    /// Tells whether the text that pg_dump 18 writes can be loaded into a server.
    fn is_restorable(&self, server: &Server) -> bool {
        let since = self.directive("restorable since ").map(|rest| {
            let (since, _why) = rest.split_once(':').expect("a version, a colon and a reason");
            since.parse::<u32>().expect("a version")
        });
        self.directive("not restorable").is_none() && since.is_none_or(|s| server.major() >= s)
    }

    /// Compares on one server and returns what differs.
    fn compare(&self, server: &Server, stock: &Oracle) -> Vec<String> {
        let world = World::new();
        let database = self.directive("database ").unwrap_or("");
        let source = server.database_with(&format!("objects_{}", self.name), database);
        source.execute(&self.script);
        let mut wrong = Vec::new();
        let is_newest = server.major() == newest_server().major();
        let own: Vec<&str> = self.directive("options ").unwrap_or("").split_whitespace().collect();
        let is_usual = REQUIRED.contains(&server.major());
        let everywhere = 1 + usize::from(is_usual);
        let turn = self.name.bytes().map(usize::from).sum::<usize>() % 3;
        let is_wanted =
            |set: usize| set < everywhere || is_newest && (is_thorough() || set % 3 == turn);
        let sets = OPTIONS.iter().enumerate().filter(|(set, _)| is_wanted(*set));
        for options in
            sets.map(|(_, options)| *options).chain((!own.is_empty()).then_some(own.as_slice()))
        {
            let expected = without_times(&stock.pg_dump(&source, &[&["-s"], options].concat()));
            let ours = without_times(&pgark(&world, source.uri(), options));
            self.push_difference(&mut wrong, server, &options.join(" "), &expected, &ours);
        }
        if is_usual && self.directive("not for pg_upgrade").is_none() {
            // A vacuum in between moves the horizons on, which are compared too.
            let text = || stock.pg_dump(&source, &[&["-s"], UPGRADE].concat());
            let (before, ours, after) = (text(), pgark(&world, source.uri(), UPGRADE), text());
            let expected = if before == ours { &before } else { &after };
            self.push_difference(&mut wrong, server, "for pg_upgrade", expected, &ours);
        }
        if self.is_restorable(server) {
            let dumped = pgark(&world, source.uri(), &[]);
            let target = server.database_with(&format!("objects_{}_again", self.name), database);
            // pg_dump 18 sets it whatever the server is, and psql passes over the error.
            let unknown = if server.major() < 17 { "SET transaction_timeout = 0;\n" } else { "" };
            target.execute(&dumped.replacen(unknown, "", 1));
            let again = pgark(&world, target.uri(), &[]);
            self.push_difference(&mut wrong, server, "restored and dumped again", &dumped, &again);
            target.execute(DROP_SUBSCRIPTIONS);
        }
        source.execute(DROP_SUBSCRIPTIONS);
        source.execute(&format!("alter database \"{}\" is_template false", source.name()));
        wrong
    }

    fn push_difference(
        &self,
        wrong: &mut Vec<String>,
        server: &Server,
        what: &str,
        expected: &str,
        found: &str,
    ) {
        if expected == found {
            return;
        }
        let (mut expected, mut found) = (expected.lines(), found.lines());
        let mut line = 0;
        loop {
            line += 1;
            let (left, right) = (expected.next(), found.next());
            if left != right || left.is_none() {
                wrong.push(format!(
                    "{} on {server}, {what}, line {line}:\n  expected {left:?}\n  found    {right:?}",
                    self.name
                ));
                return;
            }
        }
    }
}

/// A database with subscriptions cannot be dropped; without a slot they go without a connection.
const DROP_SUBSCRIPTIONS: &str = r"
set client_min_messages = error;
select format('alter subscription %1$I disable; alter subscription %1$I set (slot_name = none); drop subscription %1$I', subname)
from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())
\gexec
";

fn pgark(world: &World, uri: &str, options: &[&str]) -> String {
    let key = format!("--restrict-key={RESTRICT_KEY}");
    let mut arguments = vec!["pg_dump", "-s", &key, "-d", uri];
    arguments.extend(options);
    world.pgark(&arguments).success().stdout
}

/// Takes out when a verbose script was written.
fn without_times(text: &str) -> String {
    let is_time =
        |line: &&str| line.starts_with("-- Started on ") || line.starts_with("-- Completed on ");
    text.split_inclusive('\n').filter(|line| !is_time(line)).collect()
}

/// Makes the roles and tablespaces that belong to the whole server. Several tests need them, so the one that
/// comes second waits until the first has made them.
fn make_roles(server: &Server) {
    let mut sql =
        String::from("select pg_advisory_lock(7071);\nset allow_in_place_tablespaces = on;\n");
    let mut make = |catalog: &str, column: &str, name: &str, command: String| {
        let literal = name.replace('\'', "''");
        sql.push_str(&format!(
            "select $${command}$$ where not exists (select from {catalog} where {column} = '{literal}') \\gexec\n"
        ));
    };
    for role in ROLES {
        let name = role.replace('"', "\"\"");
        make("pg_roles", "rolname", role, format!("create role \"{name}\""));
    }
    for space in SPACES {
        let name = space.replace('"', "\"\"");
        let command = format!("create tablespace \"{name}\" location ''");
        make("pg_tablespace", "spcname", space, command);
    }
    crate::support::database::psql(&server.uri("postgres"), &sql);
}

#[test]
fn schema_text_of_every_kind_equals_stock() {
    let Some(stock) = oracle::record() else { return };
    let only = std::env::var("PGARK_TEST_FIXTURE").ok();
    let fixtures: Vec<Fixture> = Fixture::all()
        .into_iter()
        .filter(|fixture| only.as_ref().is_none_or(|only| fixture.name.starts_with(only)))
        .collect();
    for server in every_server() {
        make_roles(server);
    }
    for server in every_server() {
        server.offer_sample_extension();
    }
    let work: VecDeque<(&Fixture, &Server)> = fixtures
        .iter()
        .flat_map(|fixture| every_server().iter().map(move |server| (fixture, server)))
        .filter(|(fixture, server)| fixture.fits(server))
        .collect();
    for fixture in &fixtures {
        if !work.iter().any(|(fitting, _)| fitting.name == fixture.name) {
            missing(&format!("no server fits fixtures/objects/{}.sql", fixture.name));
        }
    }
    let work = Mutex::new(work);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = work.lock().expect("nobody panics here").pop_front();
                    let Some((fixture, server)) = next else { break };
                    let found = fixture.compare(server, &stock);
                    wrong.lock().expect("nobody panics here").extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panics here");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
