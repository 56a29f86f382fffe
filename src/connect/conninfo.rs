//! Reads connection strings: `host=db user='o''neil'` and `postgresql://user@db/name?sslmode=require`.
//!
//! Messages never quote the string: a password with a forgotten quote would be in them.
//! Authority: `conninfo_parse`, `conninfo_uri_parse_options` and `conninfo_uri_decode` in
//! `src/interfaces/libpq/fe-connect.c` (18), whose quirks are kept.

use super::keyword::{Origin, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::text;

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// Tells whether `text` is a connection string or URI rather than the name of a database.
pub fn is_connection_string(text: &str) -> bool {
    text.contains('=') || is_uri(text)
}

fn is_uri(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// Puts what a connection string or URI says into `settings`, replacing what is there.
pub(super) fn parse(text: &str, settings: &mut Settings) -> Result<()> {
    match SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
        Some(rest) => parse_uri(rest, settings),
        None => parse_words(text, settings),
    }
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Usage, format!("the connection string cannot be understood: {what}"))
}

/// What C's `isspace` takes for white space.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

fn parse_words(text: &str, settings: &mut Settings) -> Result<()> {
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let position = text.len() - rest.len() + 1;
        let end =
            rest.find(|character| character == '=' || is_space(character)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let after = after.trim_start_matches(is_space).strip_prefix('=').ok_or_else(|| {
            broken(format!("the word at byte {position} is not followed by \"=\""))
        })?;
        let (value, after) = word_value(after.trim_start_matches(is_space)).ok_or_else(|| {
            broken(format!("the quote in the value of the word at byte {position} is not closed"))
        })?;
        settings.set(name, value, Origin::ConnectionString)?;
        rest = after.trim_start_matches(is_space);
    }
    Ok(())
}

/// Takes a value, quoted or not, off the front; `None` when its quote is not closed.
fn word_value(text: &str) -> Option<(String, &str)> {
    let quoted = text.strip_prefix('\'');
    let mut value = String::new();
    let mut characters = quoted.unwrap_or(text).chars();
    loop {
        let rest = characters.as_str();
        match characters.next() {
            Some('\'') if quoted.is_some() => return Some((value, characters.as_str())),
            Some('\\') => value.extend(characters.next()),
            Some(character) if quoted.is_none() && is_space(character) => {
                return Some((value, rest));
            }
            Some(character) => value.push(character),
            None if quoted.is_some() => return None,
            None => return Some((value, "")),
        }
    }
}

fn parse_uri(text: &str, settings: &mut Settings) -> Result<()> {
    let mut rest = text;
    // As in libpq, credentials exist only if an "@" comes before the first "/".
    if let Some(end) = text.find(['@', '/']).filter(|end| text[*end..].starts_with('@')) {
        let (user, password) = match text[..end].split_once(':') {
            Some((user, password)) => (user, password),
            None => (&text[..end], ""),
        };
        store(settings, "user", user)?;
        store(settings, "password", password)?;
        rest = &text[end + 1..];
    }

    let (mut hosts, mut ports) = (String::new(), String::new());
    loop {
        if let Some(address) = rest.strip_prefix('[') {
            let end = address
                .find(']')
                .ok_or_else(|| broken("the \"]\" of an IPv6 address is missing"))?;
            if end == 0 {
                return Err(broken("an IPv6 address between \"[\" and \"]\" is empty"));
            }
            hosts.push_str(&address[..end]);
            rest = &address[end + 1..];
            if !(rest.is_empty() || rest.starts_with([':', '/', '?', ','])) {
                return Err(broken("something unexpected follows the \"]\" of an IPv6 address"));
            }
        } else {
            let end = rest.find([':', '/', '?', ',']).unwrap_or(rest.len());
            hosts.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        if let Some(port) = rest.strip_prefix(':') {
            let end = port.find(['/', '?', ',']).unwrap_or(port.len());
            ports.push_str(&port[..end]);
            rest = &port[end..];
        }
        match rest.strip_prefix(',') {
            Some(next) => {
                hosts.push(',');
                ports.push(',');
                rest = next;
            }
            None => break,
        }
    }
    store(settings, "host", &hosts)?;
    store(settings, "port", &ports)?;

    if let Some(database) = rest.strip_prefix('/') {
        let end = database.find('?').unwrap_or(database.len());
        store(settings, "dbname", &database[..end])?;
        rest = &database[end..];
    }
    match rest.strip_prefix('?') {
        Some(query) if !query.is_empty() => parse_uri_query(query, settings),
        _ => Ok(()),
    }
}

fn parse_uri_query(query: &str, settings: &mut Settings) -> Result<()> {
    // A trailing "&" is an empty parameter for libpq too: it ends the loop there.
    for (number, pair) in query.strip_suffix('&').unwrap_or(query).split('&').enumerate() {
        let number = number + 1;
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| broken(format!("query parameter {number} of the URI has no \"=\"")))?;
        if value.contains('=') {
            return Err(broken(format!(
                "query parameter {number} of the URI has more than one \"=\""
            )));
        }
        let (name, value) = (decode(name)?, decode(value)?);
        // What JDBC writes.
        if name == "ssl" && value == "true" {
            settings.set("sslmode", "require", Origin::ConnectionString)?;
        } else {
            settings.set(&name, value, Origin::ConnectionString)?;
        }
    }
    Ok(())
}

fn store(settings: &mut Settings, name: &str, value: &str) -> Result<()> {
    if value.is_empty() {
        return Ok(());
    }
    settings.set(name, decode(value)?, Origin::ConnectionString)
}

/// Decodes `%xx`, and refuses spaces inside as libpq does since 17.
fn decode(text: &str) -> Result<String> {
    let text = text.trim_matches(' ');
    if text.contains(' ') {
        return Err(broken("a space in a URI is written %20"));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let byte = tail
            .get(..2)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or_else(|| broken("a \"%\" in a URI is not followed by two hexadecimal digits"))?;
        if byte == 0 {
            return Err(broken("a URI must not hold %00"));
        }
        bytes.push(byte);
        rest = &tail[2..];
    }
    Ok(text::decode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Settings> {
        let mut settings = Settings::default();
        parse(text, &mut settings).map(|()| settings)
    }

    #[test]
    fn values_are_unquoted_and_decoded() {
        for (text, name, value) in [
            ("dbname = 'o\\'neil'", "dbname", "o'neil"),
            (r"dbname=a\ b\\c", "dbname", r"a b\c"),
            ("dbname='' user=x", "user", "x"),
            ("user=x\n\tdbname=y", "dbname", "y"),
            ("password='a=b' user=x", "password", "a=b"),
            ("postgresql://u%20u:p%3Aw@h/d%2Fd", "user", "u u"),
            ("postgresql://u%20u:p%3Aw@h/d%2Fd", "password", "p:w"),
            ("postgresql://u%20u:p%3Aw@h/d%2Fd", "dbname", "d/d"),
            ("postgresql://[::1]:7,b/d?sslmode=require", "host", "::1,b"),
            ("postgresql://[::1]:7,b/d?sslmode=require", "port", "7,"),
            ("postgresql:///?ssl=true", "sslmode", "require"),
        ] {
            let settings = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(settings.get(name), Some(value), "{text}");
        }
    }

    #[test]
    fn messages_do_not_repeat_what_may_be_a_password() {
        for text in [
            "password=my secret user=x",
            "password='my secret",
            "user=x password=a my-secret=b",
            "postgresql://u:secret%zz@h/",
            "postgresql://u:secr et@h/",
            "postgresql://u@h/d?password=secret=",
        ] {
            let error = read(text).err().unwrap_or_else(|| panic!("{text} was accepted"));
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(!error.message().contains("secr"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in "(postgresql://)?[a-z=%'\\\\ :/@?&,\\[\\]0-9ä]{0,60}") {
            let _ = read(&text);
        }

        #[test]
        fn quoted_values_come_back(value in "\\PC{0,40}") {
            let quoted = value.replace('\\', r"\\").replace('\'', r"\'");
            let settings = read(&format!("dbname='{quoted}' user=x")).expect("quoted");
            prop_assert_eq!(settings.get_raw("dbname"), Some(value.as_str()));
        }
    }
}
