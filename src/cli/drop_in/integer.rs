//! Numbers as values of options, with the messages of PostgreSQL's tools (`option_parse_int`).

use crate::error::{Error, ErrorKind, Result};

/// Reads a number between two limits.
///
/// # Errors
///
/// [`ErrorKind::Usage`] when it is none, or out of range.
pub(in crate::cli) fn parse_integer(text: &str, option: &str, min: i32, max: i32) -> Result<i32> {
    let usage = |message: String| Err(Error::new(ErrorKind::Usage, message));
    let blank = |c: char| c.is_ascii_whitespace() || c == '\x0b';
    let number = text.trim_start_matches(blank).trim_end_matches(blank);
    let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
    // Nothing at all is zero for the C library.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || (digits.is_empty() && number != digits)
    {
        return usage(format!("invalid value \"{text}\" for option {option}"));
    }
    let value = if digits.is_empty() { Ok(0) } else { number.parse::<i32>() };
    match value {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => usage(format!("{option} must be in range {min}..{max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_stock_tools_read_them() {
        let read = |text| parse_integer(text, "-j/--jobs", 1, 9).map_err(|e| e.to_string());
        assert_eq!(read("3 "), Ok(3));
        assert_eq!(read(" +3"), Ok(3));
        let range = Err("-j/--jobs must be in range 1..9".to_owned());
        for text in ["-1 ", "0", "10", "99999999999", "", " "] {
            assert_eq!(read(text), range, "{text:?}");
        }
        for text in ["x", "3x", "-", "1 2"] {
            let message = format!("invalid value \"{text}\" for option -j/--jobs");
            assert_eq!(read(text), Err(message), "{text:?}");
        }
    }
}
