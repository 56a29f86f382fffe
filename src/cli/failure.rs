//! An error as a person or a program sees it: message, causes, an empty line, hints; or JSON.

use std::error::Error as StdError;
use std::io::Write;

use serde::Serialize;

use super::signals;
use crate::error::{Error, ErrorKind};
use crate::sql::text;

/// An error as JSON.
#[derive(Debug, Serialize)]
struct Rendered<'a> {
    code: &'a str,
    exit_code: u8,
    message: String,
    causes: Vec<String>,
    hints: &'a [String],
}

/// Returns the exit code for an error.
pub(super) fn exit_code(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Interrupted => signals::exit_code(),
        kind => kind.exit_code(),
    }
}

/// Returns the causes of an error, each once: some errors print their source themselves.
fn causes(error: &Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut above = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !text.is_empty() && !above.contains(&text) {
            causes.push(text.clone());
        }
        above = text;
        next = cause.source();
    }
    causes
}

/// Writes an error to standard error.
pub(super) fn print(error: &Error, json: bool, color: bool) {
    let words = if json { as_json(error) } else { as_text(error, color) };
    // JSON is UTF-8; people see names as they have typed them.
    let bytes = if json { words.as_bytes().into() } else { text::encode(&words) };
    // When standard error is gone there is nobody left to tell.
    let _ = std::io::stderr().lock().write_all(&bytes);
}

fn as_json(error: &Error) -> String {
    let rendered = Rendered {
        code: error.kind().code(),
        exit_code: exit_code(error),
        message: error.to_string(),
        causes: causes(error),
        hints: error.hints(),
    };
    let text = serde_json::to_string(&serde_json::json!({ "error": rendered })).unwrap_or_default();
    text + "\n"
}

fn as_text(error: &Error, color: bool) -> String {
    let paint = |code: &str, text: &str| {
        if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let mut text = format!("{} {}\n", paint("1;31", "error:"), indented(&error.to_string()));
    for cause in causes(error) {
        text += &format!("  {} {}\n", paint("31", "cause:"), indented(&cause));
    }
    if !error.hints().is_empty() {
        text.push('\n');
    }
    for hint in error.hints() {
        text += &format!("{} {}\n", paint("36", "hint:"), indented(hint));
    }
    text
}

/// Makes text from elsewhere fit to be printed: later lines are moved in and control characters, which
/// could do things to the terminal, are shown.
fn indented(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for character in text.trim_end().chars() {
        match character {
            '\n' => printed.push_str("\n    "),
            '\t' => printed.push('\t'),
            character if character.is_control() => printed.extend(character.escape_default()),
            character => printed.push(character),
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Error {
        Error::new(ErrorKind::Server, "column \"x\" does not exist")
            .with_hint("ask for \"y\"")
            .context("could not read table data of public.orders")
    }

    #[test]
    fn people_see_message_causes_and_hints() {
        assert_eq!(
            as_text(&example(), false),
            "error: could not read table data of public.orders\n  cause: column \"x\" does not exist\n\n\
             hint: ask for \"y\"\n"
        );
        assert!(as_text(&example(), true).starts_with("\x1b[1;31merror:\x1b[0m could"));
    }

    #[test]
    fn programs_see_json() {
        assert_eq!(
            as_json(&example()),
            "{\"error\":{\"causes\":[\"column \\\"x\\\" does not exist\"],\"code\":\"server\",\"exit_code\":1,\
             \"hints\":[\"ask for \\\"y\\\"\"],\"message\":\"could not read table data of public.orders\"}}\n"
        );
    }

    #[test]
    fn control_characters_of_others_do_not_reach_the_terminal() {
        let error = Error::new(ErrorKind::Server, "a\x1b[2Jb\nc");
        assert_eq!(as_text(&error, false), "error: a\\u{1b}[2Jb\n    c\n");
    }
}
