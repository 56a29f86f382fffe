//! Role names inside the text of privileges (`grantee=privileges/grantor`).
//!
//! Authority: `putid` and `getid` in `utils/adt/acl.c`, and `quoteAclUserName` in `fe_utils/dumputils.c`.

/// Returns a role name as items of current servers spell it: quoted when it holds anything but ASCII
/// letters, digits and underscores.
///
/// Servers older than the minor releases of 2025 leave letters beyond ASCII bare in some locales.
pub fn quote_acl_role(name: &str) -> String {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Splits off a role name, which ends before an unquoted `=` or at the end; returns it and the rest.
///
/// Returns `None` when a quote is not closed.
pub fn split_acl_role(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut characters = text.chars();
    loop {
        let rest = characters.as_str();
        match characters.next() {
            None | Some('=') => return Some((name, rest)),
            Some('"') => loop {
                match characters.next()? {
                    '"' if characters.as_str().starts_with('"') => {
                        characters.next();
                        name.push('"');
                    }
                    '"' => break,
                    character => name.push(character),
                }
            },
            Some(character) => name.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn role_names_are_quoted_like_the_server_quotes_them() {
        for (name, expected) in [
            ("boss", "boss"),
            ("Boss_9", "Boss_9"),
            ("jürg\"en", "\"jürg\"\"en\""),
            ("a b", "\"a b\""),
        ] {
            assert_eq!(quote_acl_role(name), expected);
        }
        assert_eq!(split_acl_role("jürgen=r/x"), Some(("jürgen".into(), "=r/x")));
        assert_eq!(split_acl_role("\"jürgen=r/x"), None);
    }

    proptest! {
        #[test]
        fn quoted_names_are_read_back(name in ".{1,8}") {
            let text = format!("{}=r/x", quote_acl_role(&name));
            prop_assert_eq!(split_acl_role(&text), Some((name, "=r/x")));
        }

        #[test]
        fn noise_never_panics(text in ".*") {
            let _ = split_acl_role(&text);
        }
    }
}
