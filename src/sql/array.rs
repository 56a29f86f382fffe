//! One-dimensional arrays in their text form, and the option lists made of them.

/// Splits `{a,"b c"}` into its items, or returns `None` when the text is not such an array.
///
/// As in `common/string.c` of PostgreSQL, an unquoted `NULL` is not special and reads as those letters.
pub fn parse_array(text: &str) -> Option<Vec<String>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut characters = inner.chars().peekable();
    if characters.peek().is_none() {
        return Some(items);
    }
    loop {
        let mut item = String::new();
        let mut quoted = false;
        loop {
            match characters.next() {
                Some('"') => quoted = !quoted,
                Some('\\') if quoted => item.push(characters.next()?),
                Some(',') if !quoted => {
                    items.push(item);
                    break;
                }
                Some(character) => item.push(character),
                None if quoted => return None,
                None => {
                    items.push(item);
                    return Some(items);
                }
            }
        }
    }
}

/// Builds the text form of an array, quoting the items that need it.
pub fn build_array<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::from("{");
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        let bare = !item.is_empty()
            && !item.eq_ignore_ascii_case("null")
            && !item.contains(|c: char| "\"\\{},".contains(c) || c.is_whitespace());
        if bare {
            text.push_str(item);
        } else {
            text.push('"');
            for character in item.chars() {
                if character == '"' || character == '\\' {
                    text.push('\\');
                }
                text.push(character);
            }
            text.push('"');
        }
    }
    text.push('}');
    text
}

/// Splits a `reloptions` array into names and values at the first `=`; a missing `=` means an empty value.
pub fn parse_options(text: &str) -> Option<Vec<(String, String)>> {
    let options = parse_array(text)?;
    Some(
        options
            .into_iter()
            .map(|option| match option.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => (option, String::new()),
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arrays_are_split_at_unquoted_commas() {
        assert_eq!(parse_array("{}"), Some(vec![]));
        assert_eq!(
            parse_array(r#"{a,"b \"c\",",NULL}"#).expect("valid"),
            ["a", "b \"c\",", "NULL"]
        );
        assert_eq!(parse_array("{a"), None);
        assert_eq!(parse_array("{\"a}"), None);
        assert_eq!(
            parse_options("{fillfactor=70,flag,a=b=c}").expect("valid"),
            [("fillfactor", "70"), ("flag", ""), ("a", "b=c")].map(|(n, v)| (n.into(), v.into()))
        );
    }

    proptest! {
        #[test]
        fn built_arrays_parse_back(items in prop::collection::vec(".*", 0..6)) {
            let text = build_array(items.iter().map(String::as_str));
            prop_assert_eq!(parse_array(&text), Some(items));
        }

        #[test]
        fn noise_never_panics(text in ".*") {
            let _ = parse_array(&text);
        }
    }
}
