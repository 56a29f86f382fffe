//! What a server said, as libpq tells it to people.
//!
//! Authority: `pqBuildErrorMessage3` and `reportErrorPosition` of `fe-protocol3.c` in PostgreSQL 18.

use unicode_width::UnicodeWidthChar;

use crate::connect::ServerError;

/// Columns of a statement that are shown around an error.
const SHOWN_COLUMNS: usize = 60;

/// Columns that are shown behind an error at least, where the line is long enough.
const COLUMNS_BEHIND: usize = 10;

/// Returns an error in the form of libpq, ended by a line break, with the place in the statement.
pub(in crate::cli) fn server_message(error: &ServerError, statement: &str) -> String {
    let mut text = format!("{}:  {}\n", error.severity, error.message);
    if let Some(position) = error.position {
        text += &place(statement, position as usize).unwrap_or_default();
    }
    let parts = [
        ("DETAIL", &error.detail),
        ("HINT", &error.hint),
        ("QUERY", &error.internal_query),
        ("CONTEXT", &error.context),
    ];
    for (name, part) in parts {
        if let Some(part) = part {
            text += &format!("{name}:  {part}\n");
        }
    }
    text
}

/// Returns the line of a statement that a position (counted from 1, in characters) lies in, with a mark
/// below it; `None` when it lies outside.
fn place(statement: &str, position: usize) -> Option<String> {
    let at = position.checked_sub(1)?;
    // Tabs have another width on every screen.
    let characters: Vec<char> = statement
        .chars()
        .map(|character| if character == '\t' { ' ' } else { character })
        .collect();
    if at > characters.len() {
        return None;
    }
    let is_end = |character: &char| matches!(character, '\n' | '\r');
    let before = &characters[..at];
    let mut begin = before.iter().rposition(is_end).map_or(0, |end| end + 1);
    let mut end =
        characters[at..].iter().position(is_end).map_or(characters.len(), |length| at + length);
    // A carriage return and a line feed together end one line.
    let number = 1 + before
        .iter()
        .enumerate()
        .filter(|(index, character)| match character {
            '\r' => true,
            '\n' => *index == 0 || before[index - 1] != '\r',
            _ => false,
        })
        .count();
    let columns = |range: std::ops::Range<usize>| -> usize {
        characters[range].iter().map(|character| character.width().unwrap_or(1).max(1)).sum()
    };
    let (mut cut_before, mut cut_behind) = (false, false);
    if columns(begin..end) > SHOWN_COLUMNS {
        if SHOWN_COLUMNS >= columns(begin..at) + COLUMNS_BEHIND {
            while columns(begin..end) > SHOWN_COLUMNS {
                end -= 1;
            }
            cut_behind = true;
        } else {
            while columns(at..end) > COLUMNS_BEHIND {
                end -= 1;
                cut_behind = true;
            }
            while columns(begin..end) > SHOWN_COLUMNS {
                begin += 1;
                cut_before = true;
            }
        }
    }
    let prefix = format!("LINE {number}: {}", if cut_before { "..." } else { "" });
    let line: String = characters[begin..end].iter().collect();
    let suffix = if cut_behind { "..." } else { "" };
    let indent = prefix.len() + columns(begin..at);
    Some(format!("{prefix}{line}{suffix}\n{:indent$}^\n", ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(position: u32) -> ServerError {
        ServerError {
            severity: "ERROR".into(),
            message: "no".into(),
            position: Some(position),
            ..ServerError::default()
        }
    }

    #[test]
    fn the_place_is_marked_below_its_line() {
        let statement = "CREATE TABLE a (\n\tb nonsense\n);\n";
        assert_eq!(
            server_message(&error(21), statement),
            "ERROR:  no\nLINE 2:  b nonsense\n           ^\n"
        );
        let whole = ServerError {
            detail: Some("d".into()),
            hint: Some("h".into()),
            context: Some("c".into()),
            ..error(99)
        };
        assert_eq!(server_message(&whole, "x"), "ERROR:  no\nDETAIL:  d\nHINT:  h\nCONTEXT:  c\n");
    }

    #[test]
    fn long_lines_are_cut_on_both_sides() {
        let statement = format!("{}here{}", "x".repeat(100), "y".repeat(100));
        let expected = format!(
            "ERROR:  no\nLINE 1: ...{}here{}...\n{}^\n",
            "x".repeat(50),
            "y".repeat(6),
            " ".repeat(11 + 50)
        );
        assert_eq!(server_message(&error(101), &statement), expected);
        assert_eq!(
            server_message(&error(1), &statement),
            format!("ERROR:  no\nLINE 1: {}...\n        ^\n", "x".repeat(60))
        );
    }

    proptest! {
        #[test]
        fn no_position_panics(statement in "[a\n\r\tä漢]{0,200}", position in 0_u32..220) {
            let _ = server_message(&error(position), &statement);
        }
    }
}
