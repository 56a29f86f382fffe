//! Values of configuration settings as `SET name TO ...` wants them.
//!
//! Authority: `variable_is_guc_list_quote` and `SplitGUCList` in `fe_utils/dumputils.c` and the flags
//! `GUC_LIST_QUOTE` of PostgreSQL 18.

/// The settings whose stored value is a list of quoted names, in lower case.
const LIST_SETTINGS: &[&str] = &[
    "local_preload_libraries",
    "oauth_validator_libraries",
    "output_plugin_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Returns what follows `SET name TO`: one literal, or for a list one literal per element.
///
/// A list that cannot be taken apart gives nothing, as in pg_dump.
pub fn setting_value(name: &str, value: &str, literal: impl Fn(&str) -> String) -> String {
    if !LIST_SETTINGS.iter().any(|list| list.eq_ignore_ascii_case(name)) {
        return literal(value);
    }
    let elements = split_list(value).unwrap_or_default();
    elements.iter().map(|element| literal(element)).collect::<Vec<_>>().join(", ")
}

/// Splits a list at its commas; quoted elements lose their quotes, and no letter changes its case.
fn split_list(text: &str) -> Option<Vec<String>> {
    let mut elements = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    if rest.is_empty() {
        return Some(elements);
    }
    loop {
        let element;
        (element, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_element(quoted)?,
            None => match rest.find(|c| c == ',' || is_blank(c)).unwrap_or(rest.len()) {
                0 => return None,
                end => (rest[..end].to_owned(), &rest[end..]),
            },
        };
        elements.push(element);
        rest = rest.trim_start_matches(is_blank);
        if rest.is_empty() {
            return Some(elements);
        }
        rest = rest.strip_prefix(',')?.trim_start_matches(is_blank);
    }
}

/// Reads up to the closing quote, where a doubled quote stands for one.
fn quoted_element(text: &str) -> Option<(String, &str)> {
    let mut element = String::new();
    let mut rest = text;
    loop {
        let (head, tail) = rest.split_once('"')?;
        element.push_str(head);
        match tail.strip_prefix('"') {
            Some(tail) => {
                element.push('"');
                rest = tail;
            }
            None => return Some((element, tail)),
        }
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::quote_literal;
    use proptest::prelude::*;

    fn value(name: &str, value: &str) -> String {
        setting_value(name, value, |text| quote_literal(text, true))
    }

    #[test]
    fn lists_are_split_and_other_values_are_not() {
        let cases = [
            ("work_mem", "1MB", "'1MB'"),
            ("DateStyle", "ISO, DMY", "'ISO, DMY'"),
            ("search_path", "pg_catalog, \"x y\"", "'pg_catalog', 'x y'"),
            ("Search_Path", "\"$user\",public", "'$user', 'public'"),
            ("search_path", "\"a\"\"b,c\"", "'a\"b,c'"),
            ("search_path", "\"\"", "''"),
            ("search_path", "", ""),
            ("temp_tablespaces", "Fast , slow", "'Fast', 'slow'"),
            ("search_path", "a,,b", ""),
            ("search_path", "a b", ""),
            ("my.search_path", "a,b", "'a,b'"),
        ];
        for (name, stored, expected) in cases {
            assert_eq!(value(name, stored), expected, "{name} = {stored}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in ".*") {
            let _ = value("search_path", &text);
        }
    }
}
