//! What the program is made of: every crate in it has a licence that `.cargo/deny.toml` allows, and none is C
//! that a static build cannot carry.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

#[test]
fn every_crate_in_the_program_has_an_allowed_licence() {
    let policy = include_str!("../../.cargo/deny.toml");
    let allowed = strings(policy, "allow = [");
    assert!(allowed.contains("MIT"), "the policy was not read");
    let banned: BTreeSet<String> = policy
        .lines()
        .filter_map(|line| {
            line.trim().strip_prefix("{ crate = \"")?.split('"').next().map(Into::into)
        })
        .collect();
    assert!(banned.contains("openssl-sys"), "the policy was not read");

    let mut wrong = Vec::new();
    for (name, licence) in crates_of_the_program() {
        if banned.contains(&name) {
            wrong.push(format!("{name} is banned"));
        }
        if !permits(&licence, &allowed) {
            wrong.push(format!("{name}: {licence}"));
        }
    }
    assert!(wrong.is_empty(), "against .cargo/deny.toml:\n{}", wrong.join("\n"));
}

/// Returns name and licence expression of every crate that is linked into the program.
fn crates_of_the_program() -> BTreeMap<String, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();

    let edges: BTreeMap<String, Vec<String>> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| {
            let linked = list(&node["deps"]).into_iter().filter(|dependency| {
                list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null())
            });
            (text(&node["id"]), linked.map(|dependency| text(&dependency["pkg"])).collect())
        })
        .collect();
    let mut reached = BTreeSet::new();
    let mut ahead = vec![text(&metadata["resolve"]["root"])];
    while let Some(id) = ahead.pop() {
        if reached.insert(id.clone()) {
            ahead.extend(edges.get(&id).into_iter().flatten().cloned());
        }
    }
    let packages = list(&metadata["packages"]);
    let linked = packages.iter().filter(|package| reached.contains(&text(&package["id"])));
    let found: BTreeMap<String, String> =
        linked.map(|package| (text(&package["name"]), text(&package["license"]))).collect();
    assert!(found.len() > 50, "only {} crates found", found.len());
    found
}

/// Tells whether one alternative of a licence expression is allowed in all its parts.
fn permits(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // The old spelling "MIT/Apache-2.0" means OR. A group in parentheses binds tighter, so it goes first.
    let expression = expression.replace('/', " OR ");
    if let Some(open) = expression.rfind('(') {
        let Some(length) = expression[open..].find(')') else { return false };
        let inner = permits(&expression[open + 1..open + length], allowed);
        let (before, after) = (&expression[..open], &expression[open + length + 1..]);
        // MIT stands in for any group that is allowed, and an empty name for one that is not.
        return permits(&format!("{before}{}{after}", if inner { "MIT" } else { "none" }), allowed);
    }
    expression.split(" OR ").any(|alternative| {
        alternative.split(" AND ").all(|licence| allowed.contains(licence.trim()))
    })
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "ISC"].map(String::from).into();
    assert!(permits("MIT OR GPL-3.0", &allowed));
    assert!(permits("GPL-3.0/MIT", &allowed));
    assert!(permits("(MIT OR GPL-3.0) AND ISC", &allowed));
    assert!(!permits("MIT AND GPL-3.0", &allowed));
    assert!(!permits("(GPL-3.0 OR AGPL-3.0) AND MIT", &allowed));
    assert!(!permits("", &allowed));
}

/// Returns the strings of a list in the policy file, from its opening line to the bracket that closes it.
fn strings(policy: &str, opening: &str) -> BTreeSet<String> {
    let list = policy.split(opening).nth(1).and_then(|rest| rest.split(']').next());
    list.unwrap_or_default().split('"').skip(1).step_by(2).map(Into::into).collect()
}
