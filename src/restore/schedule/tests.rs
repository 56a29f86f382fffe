//! The schedule on archives made by hand.

use super::*;
use crate::model::DumpId;

/// Builds an archive by hand: one call per entry, dependencies by name.
#[derive(Default)]
struct Archive {
    entries: Vec<TocEntry>,
    sizes: Vec<u64>,
    /// Tables with less data than this may be loaded together.
    small_below: u64,
}

impl Archive {
    fn add(&mut self, desc: &str, tag: &str, needs: &[(&str, &str)]) -> &mut TocEntry {
        let id = DumpId(self.entries.len() as i32 + 1);
        let mut entry = TocEntry::new(id, desc, tag);
        entry.section = match desc {
            "TABLE DATA" | "SEQUENCE SET" => Section::Data,
            "INDEX" | "CONSTRAINT" | "FK CONSTRAINT" | "TRIGGER" | "MATERIALIZED VIEW DATA" => {
                Section::PostData
            }
            "COMMENT" | "ACL" => Section::None,
            _ => Section::PreData,
        };
        if !matches!(desc, "SCHEMA" | "ACL" | "COMMENT") {
            entry.namespace = Some("public".into());
        }
        entry.definition = match desc {
            "TABLE ATTACH" | "DEFAULT" => format!("ALTER TABLE {tag};"),
            _ => format!("CREATE {desc} {tag};"),
        };
        entry.has_data = desc == "TABLE DATA";
        entry.dependencies = needs
            .iter()
            .map(|(desc, tag)| {
                self.entries
                    .iter()
                    .find(|other| other.desc == *desc && other.tag == *tag)
                    .expect("named earlier")
                    .dump_id
            })
            .collect();
        self.entries.push(entry);
        self.sizes.push(0);
        self.entries.last_mut().expect("just added")
    }

    fn data(&mut self, table: &str, size: u64) {
        self.add("TABLE DATA", table, &[("TABLE", table)]).copy_statement =
            Some(format!("COPY public.{table} FROM stdin;\n"));
        *self.sizes.last_mut().expect("just added") = size;
    }

    fn items(&self) -> Vec<Item<'_>> {
        self.entries
            .iter()
            .zip(&self.sizes)
            .map(|(entry, &size)| Item {
                entry,
                pass: match entry.desc.as_str() {
                    "ACL" => Pass::Acl,
                    "MATERIALIZED VIEW DATA" => Pass::PostAcl,
                    _ => Pass::Main,
                },
                wanted: true,
                is_data: entry.has_data,
                size,
                small: entry.has_data && size < self.small_below,
            })
            .collect()
    }

    fn name(&self, position: usize) -> String {
        format!("{} {}", self.entries[position].desc, self.entries[position].tag)
    }

    /// Runs everything on `workers` connections, the oldest job finishing first, and returns the
    /// jobs in the order they were handed out.
    fn run(&self, workers: usize) -> Vec<Vec<String>> {
        let items = self.items();
        let mut schedule = Schedule::new(&items, Order::Parallel(workers), limits(100, 1000));
        let mut running = VecDeque::new();
        let mut jobs = Vec::new();
        while !schedule.is_done() {
            while running.len() < workers {
                let Some(job) = schedule.next() else { break };
                jobs.push(job.items().iter().map(|&item| self.name(item)).collect());
                running.push_back(job);
            }
            let job = running.pop_front().expect("work left but nothing runs");
            schedule.finish(&job);
        }
        jobs
    }
}

fn limits(entries: usize, locks: usize) -> Limits {
    Limits { entries, locks, existing_keys: ExistingKeys::InForce }
}

fn job_of(jobs: &[Vec<String>], name: &str) -> usize {
    jobs.iter().position(|job| job.iter().any(|item| item == name)).expect(name)
}

fn shop() -> Archive {
    let mut archive = Archive::default();
    archive.add("SCHEMA", "app", &[]);
    archive.add("TABLE", "orders", &[]);
    archive.add("TABLE", "customers", &[]);
    archive.data("orders", 9_000_000);
    archive.data("customers", 100);
    archive.add("CONSTRAINT", "customers customers_pkey", &[("TABLE", "customers")]);
    archive.add("CONSTRAINT", "orders orders_pkey", &[("TABLE", "orders")]);
    archive.add("INDEX", "orders_date", &[("TABLE", "orders")]);
    archive.add(
        "FK CONSTRAINT",
        "orders orders_customer_fkey",
        &[("TABLE", "orders"), ("TABLE", "customers"), ("CONSTRAINT", "customers customers_pkey")],
    );
    archive.add("ACL", "TABLE orders", &[("TABLE", "orders")]);
    archive
}

#[test]
fn definitions_travel_together_and_the_largest_data_comes_first() {
    let jobs = shop().run(1);
    assert_eq!(jobs[0], ["SCHEMA app", "TABLE orders", "TABLE customers"]);
    assert_eq!(jobs[1], ["TABLE DATA orders"]);
    // What belongs to the largest table is as large as its data.
    assert_eq!(jobs[2], ["CONSTRAINT orders orders_pkey"]);
    assert!(job_of(&jobs, "TABLE DATA customers") > job_of(&jobs, "INDEX orders_date"));
}

#[test]
fn an_index_waits_for_its_own_data_only_and_a_foreign_key_for_both() {
    let jobs = shop().run(2);
    let customers_key = job_of(&jobs, "CONSTRAINT customers customers_pkey");
    let foreign_key = job_of(&jobs, "FK CONSTRAINT orders orders_customer_fkey");
    let orders_key = job_of(&jobs, "CONSTRAINT orders orders_pkey");
    assert!(customers_key < foreign_key && orders_key < foreign_key);
    assert_eq!(jobs.last().expect("jobs"), &["ACL TABLE orders"]);
}

#[test]
fn entries_that_lock_the_same_table_never_run_at_the_same_time() {
    let archive = shop();
    let items = archive.items();
    let mut schedule = Schedule::new(&items, Order::Parallel(4), limits(100, 1000));
    let mut running: Vec<Job> = Vec::new();
    while !schedule.is_done() {
        while let Some(job) = schedule.next() {
            running.push(job);
        }
        let names: Vec<String> =
            running.iter().flat_map(Job::items).map(|&item| archive.name(item)).collect();
        let busy = |name: &str| names.iter().any(|other| other == name);
        assert!(!(busy("CONSTRAINT orders orders_pkey") && busy("INDEX orders_date")), "{names:?}");
        schedule.finish(&running.remove(0));
    }
}

#[test]
fn foreign_keys_of_a_partitioned_table_wait_for_the_data_of_its_partitions() {
    let mut archive = Archive::default();
    archive.add("TABLE", "events", &[]).relkind = Some('p');
    archive.add("TABLE", "kinds", &[]);
    archive.add("TABLE", "events_1", &[("TABLE", "events")]);
    archive.add("TABLE ATTACH", "events_1", &[("TABLE", "events"), ("TABLE", "events_1")]);
    archive.data("events_1", 50);
    archive.data("kinds", 10);
    archive.add("INDEX", "events_1_idx", &[("TABLE", "events_1")]);
    archive.add("FK CONSTRAINT", "events k", &[("TABLE", "events"), ("TABLE", "kinds")]);
    let jobs = archive.run(4);
    let attach = job_of(&jobs, "TABLE ATTACH events_1");
    let data = job_of(&jobs, "TABLE DATA events_1");
    let key = job_of(&jobs, "FK CONSTRAINT events k");
    assert!(attach < data && data < key, "{jobs:?}");
    // The key locks the partitions too, so it does not run beside their indexes.
    assert_ne!(key, data);
}

#[test]
fn a_table_waits_for_the_one_whose_constraint_names_it_has() {
    let mut archive = Archive::default();
    archive.add("TABLE", "events", &[]);
    archive.add("TABLE", "former_part", &[]).definition =
        "CREATE TABLE former_part (\n    at date CONSTRAINT events_at_not_null NOT NULL\n);".into();
    let items = archive.items();
    let mut schedule = Schedule::new(&items, Order::Parallel(2), limits(1, 1000));
    let first = schedule.next().expect("a job");
    assert_eq!(archive.name(first.items()[0]), "TABLE events");
    assert!(schedule.next().is_none(), "the other one waits");
    schedule.finish(&first);
    let second = schedule.next().expect("a job");
    assert_eq!(archive.name(second.items()[0]), "TABLE former_part");
}

#[test]
fn unselected_entries_keep_the_order_of_what_is_around_them() {
    let archive = shop();
    let mut items = archive.items();
    for item in &mut items {
        item.wanted = matches!(item.entry.desc.as_str(), "TABLE" | "FK CONSTRAINT");
    }
    let mut schedule = Schedule::new(&items, Order::Parallel(2), limits(100, 1000));
    let first = schedule.next().expect("tables");
    assert_eq!(first, Job::Statements(vec![1, 2]));
    assert_eq!(schedule.next(), None);
    schedule.finish(&first);
    let second = schedule.next().expect("key");
    assert_eq!(archive.name(second.items()[0]), "FK CONSTRAINT orders orders_customer_fkey");
    schedule.finish(&second);
    assert!(schedule.is_done());
}

#[test]
fn tables_wait_for_the_functions_before_them_and_their_rows_for_all_definitions() {
    let mut archive = Archive::default();
    archive.add("FUNCTION", "helper()", &[]);
    archive.add("FUNCTION", "check_it()", &[]);
    archive.add("TABLE", "checked", &[("FUNCTION", "check_it()")]);
    archive.add("TABLE", "plain", &[]);
    archive.add("VIEW", "late", &[]);
    archive.data("checked", 5);
    archive.data("plain", 1);
    let items = archive.items();
    let mut schedule = Schedule::new(&items, Order::Parallel(2), limits(2, 1000));
    let functions = schedule.next().expect("functions");
    assert_eq!(functions, Job::Statements(vec![0, 1]));
    assert_eq!(schedule.next(), None);
    schedule.finish(&functions);
    let tables = schedule.next().expect("tables");
    assert_eq!(tables, Job::Statements(vec![2, 3]));
    schedule.finish(&tables);
    let view = schedule.next().expect("view");
    assert_eq!(view, Job::Statements(vec![4]));
    // A row may name the view as a regclass, so no data goes on beside it.
    assert_eq!(schedule.next(), None);
    schedule.finish(&view);
    assert_eq!(schedule.next().expect("data"), Job::Data(5));
    assert_eq!(schedule.next().expect("data"), Job::Data(6));
}

#[test]
fn circular_dependencies_end_in_archive_order() {
    let mut archive = Archive::default();
    archive.add("VIEW", "a", &[]);
    archive.add("VIEW", "b", &[("VIEW", "a")]);
    archive.entries[0].dependencies = vec![archive.entries[1].dump_id];
    let jobs = archive.run(2);
    assert_eq!(jobs.concat(), ["VIEW a", "VIEW b"]);
}

#[test]
fn one_connection_keeps_the_order_of_the_archive_in_each_pass() {
    let archive = shop();
    let items = archive.items();
    let mut schedule = Schedule::new(&items, Order::Archive, limits(2, 1000));
    let mut seen = Vec::new();
    while let Some(job) = schedule.next() {
        assert_eq!(schedule.next(), None);
        seen.extend(job.items().to_vec());
        schedule.finish(&job);
    }
    assert_eq!(seen, (0..items.len()).collect::<Vec<_>>());
    assert!(schedule.is_done());
}

#[test]
fn batches_stay_below_the_lock_limit() {
    let mut archive = Archive::default();
    for number in 0..50 {
        archive.add("TABLE", &format!("t{number}"), &[]);
    }
    let items = archive.items();
    let mut schedule = Schedule::new(&items, Order::Parallel(1), limits(100, 12));
    while let Some(job) = schedule.next() {
        assert!(job.items().len() <= 3);
        schedule.finish(&job);
    }
    assert!(schedule.is_done());
}

#[test]
fn privileges_run_in_the_order_of_the_archive_on_one_connection() {
    let mut archive = shop();
    archive.add("ACL", "SCHEMA app", &[("SCHEMA", "app")]);
    archive.add("ACL", "TABLE customers", &[("TABLE", "customers")]);
    let jobs = archive.run(4);
    assert_eq!(
        jobs.last().expect("jobs"),
        &["ACL TABLE orders", "ACL SCHEMA app", "ACL TABLE customers"]
    );
}

#[test]
fn rows_follow_the_foreign_keys_that_exist() {
    let mut archive = Archive::default();
    archive.add("TABLE", "big child", &[]);
    archive.add("TABLE", "parent", &[]);
    archive.data("big child", 9_000);
    archive.data("parent", 1);
    let needs = [("TABLE", "big child"), ("TABLE", "parent")];
    archive.add("FK CONSTRAINT", "big child child_fkey", &needs);
    let mut items = archive.items();
    for item in &mut items {
        item.wanted = item.is_data;
    }
    let mut schedule = Schedule::new(&items, Order::Parallel(2), limits(100, 1000));
    assert_eq!(schedule.next(), Some(Job::Data(3)));
    assert_eq!(schedule.next(), None);
    schedule.finish(&Job::Data(3));
    assert_eq!(schedule.next(), Some(Job::Data(2)));
}

#[test]
fn rows_of_tables_that_the_archive_does_not_define_keep_its_order() {
    let mut archive = Archive::default();
    archive.add("TABLE DATA", "parent", &[]).has_data = true;
    archive.add("TABLE DATA", "child", &[]).has_data = true;
    archive.sizes[1] = 1000;
    let items = archive.items();
    let mut schedule = Schedule::new(&items, Order::Parallel(2), limits(100, 1000));
    let first = schedule.next().expect("work");
    assert_eq!(first, Job::Data(0));
    assert_eq!(schedule.next(), None);
    schedule.finish(&first);
    assert_eq!(schedule.next(), Some(Job::Data(1)));

    let free = Limits { existing_keys: ExistingKeys::Disabled, ..limits(100, 1000) };
    let mut schedule = Schedule::new(&items, Order::Parallel(2), free);
    assert!(schedule.next().is_some() && schedule.next().is_some());
}

#[test]
fn rows_of_small_tables_go_together_and_those_of_large_ones_alone() {
    let mut archive = Archive { small_below: 1_000, ..Archive::default() };
    for number in 0..40 {
        archive.add("TABLE", &format!("t{number}"), &[]);
    }
    for number in 0..40 {
        archive.data(&format!("t{number}"), if number == 7 { 9_000 } else { 100 });
    }
    let jobs = archive.run(2);
    let data = |job: &&Vec<String>| job[0].starts_with("TABLE DATA");
    let loads: Vec<_> = jobs.iter().filter(data).collect();
    assert_eq!(loads[0], &["TABLE DATA t7"]);
    assert_eq!(loads.iter().map(|job| job.len()).sum::<usize>(), 40);
    assert_eq!(loads.len(), 6, "{loads:?}");
    let in_order = schedule_of(&archive, Order::Archive);
    assert_eq!(in_order, [40, 7, 1, 32]);
}

/// Returns how many entries each job has, one job after the other.
fn schedule_of(archive: &Archive, order: Order) -> Vec<usize> {
    let items = archive.items();
    let mut schedule = Schedule::new(&items, order, limits(100, 1000));
    std::iter::from_fn(|| {
        let job = schedule.next()?;
        schedule.finish(&job);
        Some(job.items().len())
    })
    .collect()
}

#[test]
fn rows_that_wait_for_others_do_not_go_with_them() {
    let mut archive = Archive { small_below: 1_000, ..Archive::default() };
    for table in ["child", "parent", "other"] {
        archive.add("TABLE", table, &[]);
    }
    for table in ["child", "parent", "other"] {
        archive.data(table, 10);
    }
    let needs = [("TABLE", "child"), ("TABLE", "parent")];
    archive.add("FK CONSTRAINT", "child child_key", &needs);
    let mut items = archive.items();
    for item in &mut items {
        // A restore of rows alone: the key is in force.
        item.wanted = item.is_data;
    }
    let mut schedule = Schedule::new(&items, Order::Parallel(1), limits(100, 1000));
    let mut seen = Vec::new();
    while let Some(job) = schedule.next() {
        schedule.finish(&job);
        seen.push(job.items().to_vec());
    }
    let place = |item| seen.iter().position(|job| job.contains(&item));
    assert!(place(3) > place(4), "the child's rows come after the parent's: {seen:?}");
}
