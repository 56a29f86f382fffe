//! String literals: the two writers of pg_dump, and dollar quoting.

/// Returns `text` as a literal of a dump: `'` doubled, and `\` doubled only where the dump declares
/// `standard_conforming_strings` off. There is never an `E` prefix.
pub fn quote_literal(text: &str, standard_conforming_strings: bool) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for character in text.chars() {
        if character == '\'' || (character == '\\' && !standard_conforming_strings) {
            literal.push(character);
        }
        literal.push(character);
    }
    literal.push('\'');
    literal
}

/// Returns `text` as a literal that every server reads alike, whatever its settings: with an `E`
/// prefix when it holds a backslash.
///
/// pg_dump uses this form for `ALTER DATABASE ... SET`; pgark uses it also for what it sends itself.
pub fn quote_literal_for_server(text: &str) -> String {
    if text.contains('\\') {
        format!("E{}", quote_literal(text, false))
    } else {
        quote_literal(text, true)
    }
}

/// Returns `text` between dollar quotes whose delimiter does not occur in it.
///
/// The search for a delimiter is that of pg_dump, because the text must be equal: the stem grows by
/// the characters of `_XXXXXXX` until it does not occur in the text, and only then gets its closing
/// `$`. So a body that holds a single `$` is already quoted as `$_$`.
pub fn dollar_quote(text: &str) -> String {
    let mut delimiter = String::from("$");
    let mut suffix = "_XXXXXXX".chars().cycle();
    while text.contains(delimiter.as_str()) {
        delimiter.extend(suffix.next());
    }
    delimiter.push('$');
    format!("{delimiter}{text}{delimiter}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_double_quotes_and_sometimes_backslashes() {
        assert_eq!(quote_literal("it's a\\b", true), "'it''s a\\b'");
        assert_eq!(quote_literal("it's a\\b", false), "'it''s a\\\\b'");
        assert_eq!(quote_literal_for_server("a\\b"), "E'a\\\\b'");
        assert_eq!(quote_literal_for_server("ab"), "'ab'");
    }

    #[test]
    fn dollar_quotes_avoid_the_body() {
        assert_eq!(dollar_quote("select 1"), "$$select 1$$");
        assert_eq!(dollar_quote("select $1"), "$_$select $1$_$");
        assert_eq!(dollar_quote("$_ $"), "$_X$$_ $$_X$");
    }
}
