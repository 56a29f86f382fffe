//! The order of small made-up databases.

use crate::model::column_default::ColumnDefault;
use crate::model::constraint::{Constraint, ConstraintOwner};
use crate::model::function::{Function, FunctionDefinition};
use crate::model::rule::Rule;
use crate::model::schema::{Schema, SchemaCreation};
use crate::model::table::Table;
use crate::model::{
    CatalogId, Components, Database, DumpId, Kind, Object, Oid, ServerVersion, SessionFacts,
};

/// A database under construction; every object lives in schema `s` and has its id as its oid.
struct Sketch(Database);

impl Sketch {
    fn new() -> Self {
        Sketch(Database::new(SessionFacts {
            version: ServerVersion(180_000),
            version_text: "18.0".into(),
            encoding: "UTF8".into(),
            standard_conforming_strings: true,
            database: "sketch".into(),
            in_recovery: false,
        }))
    }

    fn add(&mut self, name: &str, kind: Kind) -> DumpId {
        let oid = Oid(self.0.last_id() as u32 + 20_000);
        self.0.add(Object {
            catalog_id: CatalogId { class: Oid(1), oid },
            schema: if matches!(kind, Kind::Schema(_)) { None } else { Some("s".into()) },
            wanted: Components::all(),
            ..Object::new(name.into(), kind)
        })
    }

    fn relation(&mut self, name: &str, relkind: char) -> DumpId {
        self.add(name, Kind::Table(Box::new(Table { relkind, ..Table::default() })))
    }

    fn table(&mut self, name: &str) -> DumpId {
        self.relation(name, 'r')
    }

    fn default(&mut self, table: DumpId) -> DumpId {
        let name = self.0.object(table).name.clone();
        let default = ColumnDefault { table, column: 1, expression: "1".into(), separate: false };
        let id = self.add(&name, Kind::ColumnDefault(default));
        self.0.depend(table, id);
        self.0.depend(id, table);
        id
    }

    fn check(&mut self, table: DumpId) -> DumpId {
        let constraint = Constraint {
            owner: ConstraintOwner::Table(table),
            contype: 'c',
            definition: "CHECK (true)".into(),
            index: None,
            deferrable: false,
            deferred: false,
            period: false,
            local: true,
            validated: true,
            separate: false,
        };
        let id = self.add("check", Kind::Constraint(Box::new(constraint)));
        self.0.depend(table, id);
        self.0.depend(id, table);
        id
    }

    fn view(&mut self, name: &str) -> (DumpId, DumpId) {
        let view = self.relation(name, 'v');
        let rule = Rule {
            table: view,
            event: '1',
            instead: true,
            enabled: 'O',
            definition: String::new(),
            separate: false,
        };
        let rule = self.add("_RETURN", Kind::Rule(rule));
        self.0.depend(view, rule);
        self.0.depend(rule, view);
        (view, rule)
    }

    fn function(&mut self, name: &str) -> DumpId {
        let function = Function {
            prokind: 'f',
            argument_types: Vec::new(),
            argument_type_names: Vec::new(),
            argument_sort_keys: Vec::new(),
            definition: FunctionDefinition::default(),
            postponed: false,
        };
        self.add(name, Kind::Function(Box::new(function)))
    }

    fn boundaries(&mut self) {
        self.add("PRE-DATA BOUNDARY", Kind::PreDataBoundary);
        self.add("POST-DATA BOUNDARY", Kind::PostDataBoundary);
    }

    /// Sorts and returns the names without the boundaries.
    fn sorted(&mut self) -> Vec<String> {
        let order = super::sort(&mut self.0, &mut |warning| panic!("{warning}"));
        assert_eq!(order.len(), self.0.objects().len());
        for object in self.0.objects() {
            let place = |id| order.iter().position(|&placed| placed == id);
            for &dependency in &object.dependencies {
                assert!(place(dependency) < place(object.id), "{} comes too early", object.name);
            }
        }
        order
            .into_iter()
            .map(|id| self.0.object(id).name.clone())
            .filter(|name| !name.ends_with("BOUNDARY"))
            .collect()
    }

    fn separate_default(&self, id: DumpId) -> bool {
        matches!(&self.0.object(id).kind, Kind::ColumnDefault(default) if default.separate)
    }
}

#[test]
fn objects_are_sorted_by_kind_and_name() {
    let mut sketch = Sketch::new();
    sketch.table("b");
    sketch.table("B");
    sketch.table("a");
    sketch.function("z");
    let schema = Schema { creation: SchemaCreation::Create, contents: Components::all() };
    sketch.add("s", Kind::Schema(schema));
    sketch.boundaries();
    assert_eq!(sketch.sorted(), ["s", "z", "B", "a", "b"]);
}

#[test]
fn what_an_earlier_object_needs_is_pulled_in_front_of_it_and_nothing_else_moves() {
    let mut sketch = Sketch::new();
    let function = sketch.function("f");
    sketch.function("g");
    sketch.table("a");
    let needed = sketch.table("m");
    sketch.table("z");
    sketch.0.depend(function, needed);
    sketch.boundaries();
    assert_eq!(sketch.sorted(), ["m", "f", "g", "a", "z"]);
}

#[test]
fn a_default_of_its_own_table_stays_inside_and_that_of_a_serial_column_is_separated() {
    let mut sketch = Sketch::new();
    let plain = sketch.table("plain");
    let inside = sketch.default(plain);
    let serial = sketch.table("serial");
    let separate = sketch.default(serial);
    let sequence = sketch.relation("serial_id_seq", 'S');
    sketch.0.depend(separate, sequence);
    sketch.0.depend(sequence, serial);
    sketch.boundaries();
    assert_eq!(sketch.sorted(), ["plain", "plain", "serial", "serial_id_seq", "serial"]);
    assert!(!sketch.separate_default(inside));
    assert!(sketch.separate_default(separate));
}

#[test]
fn a_check_that_calls_a_function_on_the_row_type_is_added_after_the_data() {
    let mut sketch = Sketch::new();
    let table = sketch.table("t");
    let check = sketch.check(table);
    let function = sketch.function("f");
    sketch.0.depend(check, function);
    sketch.0.depend(function, table);
    sketch.boundaries();
    assert_eq!(sketch.sorted(), ["t", "f", "check"]);
    assert!(matches!(&sketch.0.object(check).kind, Kind::Constraint(check) if check.separate));
}

#[test]
fn views_that_need_each_other_begin_as_dummies() {
    let mut sketch = Sketch::new();
    let (first, first_rule) = sketch.view("v1");
    let (second, second_rule) = sketch.view("v2");
    sketch.0.depend(first_rule, second);
    sketch.0.depend(second_rule, first);
    sketch.boundaries();
    sketch.sorted();
    let dummy = |id| sketch.0.table(id).is_some_and(|table| table.dummy_view);
    assert!(dummy(first) ^ dummy(second), "one of the two is split");
    let split = if dummy(first) { first_rule } else { second_rule };
    assert!(matches!(&sketch.0.object(split).kind, Kind::Rule(rule) if rule.separate));
}

#[test]
fn a_view_and_its_query_are_one() {
    let mut sketch = Sketch::new();
    let (view, rule) = sketch.view("v");
    sketch.boundaries();
    assert_eq!(sketch.sorted(), ["_RETURN", "v"]);
    assert!(sketch.0.table(view).is_some_and(|table| !table.dummy_view));
    assert!(matches!(&sketch.0.object(rule).kind, Kind::Rule(rule) if !rule.separate));
}

#[test]
fn a_materialized_view_that_needs_a_primary_key_is_postponed() {
    let mut sketch = Sketch::new();
    let table = sketch.table("t");
    let view = sketch.relation("m", 'm');
    let mut key = Constraint {
        owner: ConstraintOwner::Table(table),
        contype: 'p',
        definition: String::new(),
        index: None,
        deferrable: false,
        deferred: false,
        period: false,
        local: true,
        validated: true,
        separate: true,
    };
    key.separate = true;
    let key = sketch.add("t_pkey", Kind::Constraint(Box::new(key)));
    sketch.0.depend(key, table);
    sketch.0.depend(view, key);
    sketch.boundaries();
    assert_eq!(sketch.sorted(), ["t", "t_pkey", "m"]);
    assert!(sketch.0.table(view).is_some_and(|table| table.postponed));
}

#[test]
fn a_loop_that_no_rule_fits_is_cut_with_a_warning() {
    let mut sketch = Sketch::new();
    let first = sketch.function("f");
    let second = sketch.function("g");
    sketch.0.depend(first, second);
    sketch.0.depend(second, first);
    sketch.boundaries();
    let mut warnings = Vec::new();
    super::sort(&mut sketch.0, &mut |warning| warnings.push(warning));
    assert_eq!(warnings.len(), 1);
    let items = "could not resolve dependency loop among these items:";
    assert_eq!(warnings[0].to_string(), format!("{items} s.f, s.g"));
    let described = |id: DumpId, name: &str| {
        format!("detail: FUNCTION {name}  (ID {id} OID {})", sketch.0.object(id).catalog_id.oid)
    };
    assert_eq!(
        warnings[0].as_pg_dump(),
        [items.to_owned(), described(first, "f"), described(second, "g")].join("\n")
    );
}

#[test]
fn a_chain_as_long_as_the_database_needs_no_stack() {
    let mut sketch = Sketch::new();
    let ids: Vec<DumpId> =
        (0..20_000).map(|number| sketch.table(&format!("t{number:05}"))).collect();
    for pair in ids.windows(2) {
        sketch.0.depend(pair[0], pair[1]);
    }
    // A loop at the far end makes the search walk the whole chain.
    let (first, first_rule) = sketch.view("v1");
    let (second, second_rule) = sketch.view("v2");
    sketch.0.depend(ids[ids.len() - 1], first);
    sketch.0.depend(first_rule, second);
    sketch.0.depend(second_rule, first);
    sketch.boundaries();
    let order = super::sort(&mut sketch.0, &mut |warning| panic!("{warning}"));
    assert_eq!(order.len(), 20_006);
}
