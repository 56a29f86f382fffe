//! Names taken apart again.

/// Takes a name apart as the server does: at its dots, folded to lower case outside double quotes.
///
/// Returns the parts and what stands behind the name, from the first character on that `ends` accepts
/// outside of quotes; `None` when a quote is not closed.
pub fn split_name(text: &str, ends: impl Fn(char) -> bool) -> Option<(Vec<String>, &str)> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut rest = "";
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let last = parts.len() - 1;
        match character {
            '"' if quoted && characters.peek().is_some_and(|&(_, next)| next == '"') => {
                characters.next();
                parts[last].push('"');
            }
            '"' => quoted = !quoted,
            _ if quoted => parts[last].push(character),
            _ if ends(character) => {
                rest = &text[at..];
                break;
            }
            '.' => parts.push(String::new()),
            _ => parts[last].extend(character.to_lowercase()),
        }
    }
    (!quoted).then_some((parts, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_server_reads_them() {
        let blank = char::is_whitespace;
        let split = |text| split_name(text, blank);
        let parts = |parts: &[&str]| parts.iter().map(|&part| part.to_owned()).collect::<Vec<_>>();
        assert_eq!(split("Public.T (a)"), Some((parts(&["public", "t"]), " (a)")));
        assert_eq!(split("\"a.b\".\"C \"\"d\""), Some((parts(&["a.b", "C \"d"]), "")));
        assert_eq!(split("a.b.c"), Some((parts(&["a", "b", "c"]), "")));
        assert_eq!(split("\"open"), None);
    }
}
