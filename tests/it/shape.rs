//! The shape of the repository: layers, file headers, forgotten test files, one home for versions.
//!
//! These tests read the sources as text. They are rough on purpose: a rule that a reader can check by eye
//! is worth more than a parser.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the lowest layer to the highest; a module imports lower layers and itself.
const LAYERS: &[&[&str]] = &[
    &["sql", "model", "codec", "store"],
    &["connect", "select", "ddl", "order", "archive"],
    &["catalog"],
    &["dump", "restore", "verify", "inspect"],
    &["clone", "vault"],
    &["service"],
    &["cli"],
];

/// What everybody may name: what crosses the crate boundary.
const FOR_EVERYBODY: &[&str] = &["error", "progress", "Error", "ErrorKind", "Result"];

/// Imports inside one layer that are wanted, each with its reason.
const NEIGHBOURS: &[(&str, &str, &str)] = &[];

#[test]
fn modules_import_lower_layers_only() {
    let layer_of: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, modules)| modules.iter().map(move |module| (*module, layer)))
        .collect();
    let mut wrong = Vec::new();
    for file in sources("src") {
        let Some(module) = module_of(&file) else { continue };
        let Some(&layer) = layer_of.get(module.as_str()) else {
            assert!(
                FOR_EVERYBODY.contains(&module.as_str())
                    || ["main", "lib"].contains(&module.as_str()),
                "{}: module {module} is in no layer of tests/it/shape.rs",
                file.display()
            );
            continue;
        };
        for (number, imported) in imports(&code(&file)) {
            let lower = layer_of.get(imported.as_str()).is_some_and(|&other| other < layer);
            let neighbour =
                NEIGHBOURS.iter().any(|(from, to, _)| *from == module && *to == imported);
            let free = imported == module || FOR_EVERYBODY.contains(&imported.as_str());
            if !(lower || neighbour || free) {
                wrong.push(format!("{}:{number}: {module} imports {imported}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the layers of src/lib.rs:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let bare: Vec<String> = ["src", "tests", "benches"]
        .iter()
        .flat_map(|folder| sources(folder))
        .filter(|file| !read(file).starts_with("//! "))
        .map(|file| file.display().to_string())
        .collect();
    assert!(bare.is_empty(), "no `//!` header: {bare:?}");
}

#[test]
fn every_test_file_is_part_of_the_test_binary() {
    let files: BTreeSet<PathBuf> = sources("tests/it").into_iter().collect();
    let mut reached = BTreeSet::new();
    let mut ahead = vec![root().join("tests/it/main.rs")];
    while let Some(file) = ahead.pop() {
        let parent = file.parent().expect("a file is in a folder");
        let stem = file.file_stem().expect("a file has a name");
        let folder =
            if stem == "main" || stem == "mod" { parent.to_owned() } else { parent.join(stem) };
        for line in read(&file).lines() {
            let declaration =
                line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            let Some(name) = declaration.strip_prefix("mod ").and_then(|m| m.strip_suffix(';'))
            else {
                continue;
            };
            let candidates = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
            ahead.extend(candidates.into_iter().filter(|candidate| files.contains(candidate)));
        }
        reached.insert(file);
    }
    let forgotten: Vec<&PathBuf> = files.difference(&reached).collect();
    assert!(forgotten.is_empty(), "no `mod` line leads to {forgotten:?}");
}

#[test]
fn versions_are_compared_in_one_place() {
    let mut wrong = Vec::new();
    for file in sources("src") {
        if file.ends_with("model/server_version.rs") {
            continue;
        }
        for (number, line) in lines_of_code(&code(&file)) {
            if compares_a_version(line) {
                wrong.push(format!("{}:{number}: {}", file.display(), line.trim()));
            }
        }
    }
    let advice = "make it a named predicate of ServerVersion in src/model/server_version.rs";
    assert!(wrong.is_empty(), "{advice}:\n{}", wrong.join("\n"));
}

fn compares_a_version(line: &str) -> bool {
    let text: String = line.chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
    let after_major = text
        .split("major()")
        .skip(1)
        .any(|rest| ["<", ">", "==", "!="].iter().any(|operator| rest.starts_with(operator)));
    let literal = text
        .split("ServerVersion(")
        .skip(1)
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let matched = text.contains("match") && text.contains("version") && text.contains("major()");
    let number = (8..=20).any(|major| {
        [">", "<", "="]
            .iter()
            .any(|operator| text.contains(&format!("{operator}{}", major * 10_000)))
    }) && text.contains("version");
    after_major || literal || matched || number
}

#[test]
fn comparisons_of_versions_are_recognised() {
    assert!(compares_a_version("if version.major() >= 14 {"));
    assert!(compares_a_version("if server_version_num >= 140_000 {"));
    assert!(compares_a_version("match version.major() {"));
    assert!(compares_a_version("if version < ServerVersion(150_000) {"));
    assert!(!compares_a_version("if version.has_multiranges() {"));
    assert!(!compares_a_version("write!(f, \"{}\", version.major())"));
}

/// Returns the names after `crate::`, with the line number of each.
fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open_group = false;
    for (number, line) in lines_of_code(code) {
        for rest in line.split("crate::").skip(1) {
            match rest.strip_prefix('{') {
                Some(group) => {
                    open_group = !group.contains("};");
                    found.extend(heads(group.split("};").next().unwrap_or_default(), number));
                }
                None => found.extend(name(rest).map(|name| (number, name))),
            }
        }
        if open_group && !line.contains("crate::") {
            found.extend(heads(line.split("};").next().unwrap_or_default(), number));
            open_group = !line.contains("};");
        }
    }
    found
}

/// Returns the first name of each path of an import group, at its outer level.
fn heads(group: &str, number: usize) -> Vec<(usize, String)> {
    let mut depth = 0_i32;
    let outer: String = group
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0
        })
        .collect();
    outer.split(',').filter_map(|path| Some((number, name(path.trim())?))).collect()
}

fn name(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn imports_are_found() {
    let code = "use crate::sql::Text;\nuse crate::{model::{A, B}, codec};\nuse crate::{\n    store::X,\n};\nlet a = crate::dump::b();\n// crate::cli\n";
    let names: Vec<String> = imports(code).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["sql", "model", "codec", "store", "dump"]);
}

/// Returns a source without its unit tests, which may import what they like.
fn code(file: &Path) -> String {
    if file.components().any(|part| part.as_os_str() == "tests.rs" || part.as_os_str() == "tests") {
        return String::new();
    }
    let text = read(file);
    match text.find("#[cfg(test)]\nmod tests {") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

fn lines_of_code(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = code.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Returns the top module of a file: `src/archive/toc.rs` belongs to `archive`.
fn module_of(file: &Path) -> Option<String> {
    let inner = file.strip_prefix(root().join("src")).ok()?;
    let first = inner.components().next()?.as_os_str().to_str()?;
    Some(first.trim_end_matches(".rs").to_owned())
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![root().join(folder)];
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                ahead.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
