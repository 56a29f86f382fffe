//! Help texts, versions, completions.

use crate::support::World;

#[test]
fn help_says_what_there_is() {
    let run = World::new().pgark(&["--help"]).success();
    insta::assert_snapshot!(run.stdout, @"");
}

#[test]
fn without_arguments_the_help_is_an_error() {
    let run = World::new().pgark(&[]).fails_with(2);
    assert!(run.stderr.starts_with("Dump, restore and prove"), "{}", run.stderr);
}

#[test]
fn the_host_is_h_and_help_is_a_question_mark() {
    let run = World::new().pgark(&["dump", "-?"]).success();
    insta::assert_snapshot!(run.stdout, @"");
}

#[test]
fn the_version_is_one_line() {
    let run = World::new().pgark(&["--version"]).success();
    assert_eq!(run.stdout, format!("pgark {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_shell_gets_a_completion_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = World::new().pgark(&["completions", shell]).success();
        assert!(run.stdout.contains("exclude-table-data"), "{shell}");
    }
}
