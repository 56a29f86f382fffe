//! Identifiers as pg_dump quotes them.

use super::keyword::needs_quotes;

/// Whether identifiers are quoted when they must be, or always (`--quote-all-identifiers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quoting {
    /// Quotes only what is not a plain lower-case word or is a keyword.
    #[default]
    WhenNeeded,
    /// Quotes every identifier.
    Always,
}

impl Quoting {
    /// Returns `name` as an identifier.
    pub fn identifier(self, name: &str) -> String {
        if self == Quoting::WhenNeeded && is_plain(name) {
            return name.to_owned();
        }
        let mut quoted = String::with_capacity(name.len() + 2);
        quoted.push('"');
        for character in name.chars() {
            if character == '"' {
                quoted.push('"');
            }
            quoted.push(character);
        }
        quoted.push('"');
        quoted
    }

    /// Returns `schema.name` with both parts as identifiers.
    pub fn qualified(self, schema: &str, name: &str) -> String {
        let mut text = self.identifier(schema);
        text.push('.');
        text.push_str(&self.identifier(name));
        text
    }
}

/// Returns `name` as an identifier, quoted when needed.
pub fn quote_identifier(name: &str) -> String {
    Quoting::WhenNeeded.identifier(name)
}

/// Returns `schema.name`, each quoted when needed.
pub fn qualified(schema: &str, name: &str) -> String {
    Quoting::WhenNeeded.qualified(schema, name)
}

fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !needs_quotes(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_quoted_when_they_must_be() {
        let cases = [
            ("orders", "orders"),
            ("_x9", "_x9"),
            ("Orders", "\"Orders\""),
            ("order", "\"order\""),
            ("value", "value"),
            ("9lives", "\"9lives\""),
            ("a$b", "\"a$b\""),
            ("", "\"\""),
            ("sa\"y", "\"sa\"\"y\""),
            ("größe", "\"größe\""),
            ("back\\slash", "\"back\\slash\""),
        ];
        for (name, expected) in cases {
            assert_eq!(quote_identifier(name), expected, "{name}");
        }
        assert_eq!(Quoting::Always.qualified("public", "t"), "\"public\".\"t\"");
    }
}
