//! Verification: damage is found wherever it is, and differences to a database are named.

mod against;
mod damaged;
mod large_objects;

use serde_json::Value;

use crate::support::World;

/// Runs `pgark verify --json` and returns its exit code and its findings, one per line.
fn findings(world: &World, arguments: &[&str]) -> (i32, String) {
    let mut line = vec!["verify", "--json", "--progress", "none"];
    line.extend(arguments);
    let run = world.pgark(&line);
    let code = run.code.expect("an exit code");
    let text = match serde_json::from_str::<Value>(&run.stdout) {
        Ok(report) => list(&report["findings"]),
        // No report: it could not be made, and the error says why.
        Err(_) => {
            let error: Value = serde_json::from_str(&run.stderr).expect("an error as JSON");
            let causes = error["error"]["causes"].as_array().cloned().unwrap_or_default();
            let message = error["error"]["message"].as_str().unwrap_or_default();
            let causes =
                causes.iter().map(|cause| format!(": {}", cause.as_str().unwrap_or_default()));
            format!("error: {message}{}\n", causes.collect::<String>())
        }
    };
    (code, text)
}

fn list(findings: &Value) -> String {
    let line = |finding: &Value| {
        let part = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        format!("{}: {}\n", part("subject"), part("what"))
    };
    findings.as_array().expect("a list").iter().map(line).collect()
}
