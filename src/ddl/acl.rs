//! GRANT and REVOKE statements: the way from an object's initial privileges to its current ones.
//!
//! Authority: `fe_utils/dumputils.c` (`buildACLCommands`, `parseAclItem`) and `dumpACL` of
//! `pg_dump.c`, PostgreSQL 18. Items are compared as texts, so an item that changed in one letter is
//! revoked completely and granted anew; this is how pg_dump does it and therefore what a diff expects.

use thiserror::Error;

use crate::model::acl::Acl;
use crate::sql::{Quoting, parse_array, split_acl_role};

/// The object that privileges are granted on, as its statements name it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// How identifiers are quoted.
    pub quoting: Quoting,
    /// The kind in GRANT's words: `TABLE`, `SEQUENCE`, `FUNCTION`, or a plural for default privileges.
    pub word: &'a str,
    /// The raw name of the schema, for kinds that live in one.
    pub schema: Option<&'a str>,
    /// The name, already quoted, or the signature of a function; empty for default privileges.
    pub name: &'a str,
    /// The column's name, already quoted, for privileges on a column.
    pub column: Option<&'a str>,
    /// The raw name of the owner; empty when it is unknown.
    pub owner: &'a str,
    /// What every statement begins with: `ALTER DEFAULT PRIVILEGES ... ` or nothing.
    pub prefix: &'a str,
}

/// Why privileges could not be written down.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AclError {
    /// The text is not an array of items.
    #[error("could not parse ACL list \"{0}\"")]
    NotAnArray(String),
    /// An item is not `grantee=privileges/grantor`.
    #[error("could not parse ACL item \"{0}\"")]
    BadItem(String),
    /// The kind of object knows no privileges.
    #[error("objects of kind {0} have no privileges")]
    UnknownKind(String),
}

/// Returns the statements that lead from the initial (or default) privileges to the current ones.
///
/// The text is empty when there is nothing to say. Every statement ends with a newline.
pub fn statements(target: &Target<'_>, acl: &Acl) -> Result<String, AclError> {
    let initial = acl.initial.as_deref().filter(|initial| !initial.is_empty());
    let default = acl.default.as_deref().unwrap_or("{}");
    let base = initial.unwrap_or(default);
    let current = match acl.current.as_deref().filter(|current| !current.is_empty()) {
        Some(current) => current,
        // A null column means the default, which an extension's script may have moved away from.
        None if initial.is_some() => default,
        None => return Ok(String::new()),
    };
    between(target, base, current)
}

fn between(target: &Target<'_>, base: &str, current: &str) -> Result<String, AclError> {
    let base = items(base)?;
    let current = items(current)?;
    let words = privileges(target.word, target.column.is_some())
        .ok_or_else(|| AclError::UnknownKind(target.word.to_owned()))?;
    let name = named(target);
    let Target { prefix, word, quoting, .. } = target;

    // Two lists, because a grant chain must stand on the owner's own privileges.
    let mut first = String::new();
    let mut second = String::new();
    for text in base.iter().filter(|item| !current.contains(item)) {
        let item = Item::parse(text)?;
        let list = item.all_privileges(words, target.column);
        if !list.is_empty() {
            let grantee = role_or_public(*quoting, &item.grantee);
            first.push_str(&format!("{prefix}REVOKE {list} ON {word} {name}FROM {grantee};\n"));
        }
    }
    for text in current.iter().filter(|item| !base.contains(item)) {
        let item = Item::parse(text)?;
        let (plain, with_option) = item.split_privileges(words, target.column);
        if plain.is_empty() && with_option.is_empty() {
            continue;
        }
        let by_owner = !target.owner.is_empty() && item.grantor == target.owner;
        let out = if by_owner && item.grantee == target.owner { &mut first } else { &mut second };
        let other_grantor = !item.grantor.is_empty() && !by_owner;
        if other_grantor {
            let grantor = quoting.identifier(&item.grantor);
            out.push_str(&format!("SET SESSION AUTHORIZATION {grantor};\n"));
        }
        let grantee = role_or_public(*quoting, &item.grantee);
        for (list, option) in [(plain, ""), (with_option, " WITH GRANT OPTION")] {
            if !list.is_empty() {
                out.push_str(&format!(
                    "{prefix}GRANT {list} ON {word} {name}TO {grantee}{option};\n"
                ));
            }
        }
        if other_grantor {
            out.push_str("RESET SESSION AUTHORIZATION;\n");
        }
    }
    first.push_str(&second);
    Ok(first)
}

/// Returns `schema.name ` with its blank, or nothing for default privileges.
fn named(target: &Target<'_>) -> String {
    let mut text = String::new();
    if let Some(schema) = target.schema.filter(|schema| !schema.is_empty()) {
        text.push_str(&target.quoting.identifier(schema));
        text.push('.');
    }
    if !target.name.is_empty() {
        text.push_str(target.name);
        text.push(' ');
    }
    text
}

fn role_or_public(quoting: Quoting, role: &str) -> String {
    if role.is_empty() { "PUBLIC".to_owned() } else { quoting.identifier(role) }
}

fn items(text: &str) -> Result<Vec<String>, AclError> {
    parse_array(text).ok_or_else(|| AclError::NotAnArray(text.to_owned()))
}

/// Returns the letters and words of a kind's privileges, in the order pg_dump prints them.
fn privileges(word: &str, column: bool) -> Option<&'static [(char, &'static str)]> {
    Some(match word {
        "TABLE" if column => {
            &[('r', "SELECT"), ('a', "INSERT"), ('x', "REFERENCES"), ('w', "UPDATE")]
        }
        "TABLE" | "TABLES" => &[
            ('r', "SELECT"),
            ('a', "INSERT"),
            ('x', "REFERENCES"),
            ('d', "DELETE"),
            ('t', "TRIGGER"),
            ('D', "TRUNCATE"),
            ('m', "MAINTAIN"),
            ('w', "UPDATE"),
        ],
        "SEQUENCE" | "SEQUENCES" => &[('r', "SELECT"), ('U', "USAGE"), ('w', "UPDATE")],
        "FUNCTION" | "FUNCTIONS" | "PROCEDURE" | "PROCEDURES" => &[('X', "EXECUTE")],
        "LANGUAGE" | "TYPE" | "TYPES" | "FOREIGN DATA WRAPPER" | "FOREIGN SERVER" => {
            &[('U', "USAGE")]
        }
        "SCHEMA" | "SCHEMAS" => &[('C', "CREATE"), ('U', "USAGE")],
        "DATABASE" => &[('C', "CREATE"), ('c', "CONNECT"), ('T', "TEMPORARY")],
        "TABLESPACE" => &[('C', "CREATE")],
        "PARAMETER" => &[('s', "SET"), ('A', "ALTER SYSTEM")],
        "LARGE OBJECT" | "LARGE OBJECTS" => &[('r', "SELECT"), ('w', "UPDATE")],
        _ => return None,
    })
}

/// One `grantee=letters/grantor`, in which a star after a letter is its grant option.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    /// Empty for PUBLIC.
    grantee: String,
    letters: String,
    grantor: String,
}

impl Item {
    fn parse(text: &str) -> Result<Self, AclError> {
        let bad = || AclError::BadItem(text.to_owned());
        let (grantee, rest) = split_acl_role(text).ok_or_else(bad)?;
        let rest = rest.strip_prefix('=').ok_or_else(bad)?;
        let (letters, rest) = rest.split_once('/').ok_or_else(bad)?;
        let (grantor, rest) = split_acl_role(rest).ok_or_else(bad)?;
        if !rest.is_empty() {
            return Err(bad());
        }
        Ok(Item { grantee, letters: letters.to_owned(), grantor })
    }

    /// Tells whether the item has a privilege, and if so whether with its grant option.
    fn grant_option(&self, letter: char) -> Option<bool> {
        let (_, after) = self.letters.split_once(letter)?;
        Some(after.starts_with('*'))
    }

    /// Returns the privileges whatever their grant options.
    fn all_privileges(&self, words: &[(char, &str)], column: Option<&str>) -> String {
        let held = words.iter().filter(|(letter, _)| self.grant_option(*letter).is_some());
        list(held.map(|(_, word)| *word).collect(), words.len(), column)
    }

    /// Returns the privileges without and those with their grant options.
    fn split_privileges(&self, words: &[(char, &str)], column: Option<&str>) -> (String, String) {
        let held = |option: bool| {
            let held =
                words.iter().filter(|(letter, _)| self.grant_option(*letter) == Some(option));
            list(held.map(|(_, word)| *word).collect(), words.len(), column)
        };
        (held(false), held(true))
    }
}

/// Returns `SELECT,UPDATE`, `SELECT(c),UPDATE(c)`, or `ALL` when nothing of the kind's words is missing.
fn list(held: Vec<&str>, all: usize, column: Option<&str>) -> String {
    let held = if held.len() == all { vec!["ALL"] } else { held };
    match column {
        Some(column) => {
            held.iter().map(|word| format!("{word}({column})")).collect::<Vec<_>>().join(",")
        }
        None => held.join(","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::build_array;
    use proptest::prelude::*;

    fn target<'a>(word: &'a str, name: &'a str) -> Target<'a> {
        Target {
            quoting: Quoting::WhenNeeded,
            word,
            schema: Some("s"),
            name,
            column: None,
            owner: "boss",
            prefix: "",
        }
    }

    fn acl(current: Option<&str>, default: &str, initial: Option<&str>) -> Acl {
        Acl {
            current: current.map(str::to_owned),
            default: Some(default.to_owned()),
            initial: initial.map(str::to_owned),
            initial_kind: initial.map(|_| 'i'),
        }
    }

    /// One way from privileges to privileges.
    struct Case {
        /// What is special about it.
        name: &'static str,
        /// GRANT's word for the kind.
        word: &'static str,
        /// The object's default privileges.
        default: &'static str,
        /// Its initial privileges, where the catalogs have some.
        initial: Option<&'static str>,
        /// Its current privileges.
        current: Option<&'static str>,
        /// The statements, every one on a line.
        expected: &'static str,
    }

    const CASES: &[Case] = &[
        Case {
            name: "null is the default",
            word: "TABLE",
            default: "{boss=arwdDxtm/boss}",
            initial: None,
            current: None,
            expected: "",
        },
        Case {
            name: "the empty array is everything revoked",
            word: "TABLE",
            default: "{boss=arwdDxtm/boss}",
            initial: None,
            current: Some("{}"),
            expected: "REVOKE ALL ON TABLE s.x FROM boss;\n",
        },
        Case {
            name: "one new grant",
            word: "TABLE",
            default: "{boss=arwdDxtm/boss}",
            initial: None,
            current: Some("{boss=arwdDxtm/boss,reader=r/boss,=r/boss}"),
            expected: "GRANT SELECT ON TABLE s.x TO reader;\nGRANT SELECT ON TABLE s.x TO PUBLIC;\n",
        },
        Case {
            name: "servers before 17 have no maintain",
            word: "TABLE",
            default: "{boss=arwdDxt/boss}",
            initial: None,
            current: Some("{boss=arwdDxt/boss,reader=arwdDxt/boss}"),
            expected: "GRANT SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE ON TABLE s.x TO reader;\n",
        },
        Case {
            name: "a changed item is revoked and granted anew",
            word: "DATABASE",
            default: "{=Tc/boss,boss=CTc/boss}",
            initial: None,
            current: Some("{=T/boss,boss=CTc/boss,maker=C/boss}"),
            expected: "REVOKE CONNECT,TEMPORARY ON DATABASE s.x FROM PUBLIC;\n\
                       GRANT TEMPORARY ON DATABASE s.x TO PUBLIC;\n\
                       GRANT CREATE ON DATABASE s.x TO maker;\n",
        },
        Case {
            name: "grant options apart from plain privileges",
            word: "SEQUENCE",
            default: "{boss=rwU/boss}",
            initial: None,
            current: Some("{boss=rwU/boss,a=rwU*/boss,b=r*w*U*/boss}"),
            expected: "GRANT SELECT,UPDATE ON SEQUENCE s.x TO a;\n\
                       GRANT USAGE ON SEQUENCE s.x TO a WITH GRANT OPTION;\n\
                       GRANT ALL ON SEQUENCE s.x TO b WITH GRANT OPTION;\n",
        },
        Case {
            name: "a chain of grantors, the owner's own grants first",
            word: "FUNCTION",
            default: "{=X/boss,boss=X/boss}",
            initial: None,
            current: Some("{r1=X*/boss,\"r 3\"=X/r1,boss=X*/boss}"),
            expected: "REVOKE ALL ON FUNCTION s.x FROM PUBLIC;\n\
                       REVOKE ALL ON FUNCTION s.x FROM boss;\n\
                       GRANT ALL ON FUNCTION s.x TO boss WITH GRANT OPTION;\n\
                       GRANT ALL ON FUNCTION s.x TO r1 WITH GRANT OPTION;\n\
                       SET SESSION AUTHORIZATION r1;\n\
                       GRANT ALL ON FUNCTION s.x TO \"r 3\";\n\
                       RESET SESSION AUTHORIZATION;\n",
        },
        Case {
            name: "initial privileges are the base",
            word: "LANGUAGE",
            default: "{=U/boss,boss=U/boss}",
            initial: Some("{boss=U/boss}"),
            current: Some("{boss=U/boss,=U/boss}"),
            expected: "GRANT ALL ON LANGUAGE s.x TO PUBLIC;\n",
        },
        Case {
            name: "back at the default from initial privileges",
            word: "LANGUAGE",
            default: "{=U/boss,boss=U/boss}",
            initial: Some("{boss=U/boss}"),
            current: None,
            expected: "GRANT ALL ON LANGUAGE s.x TO PUBLIC;\n",
        },
        Case {
            name: "unknown letters say nothing",
            word: "TYPE",
            default: "{=U/boss,boss=U/boss}",
            initial: None,
            current: Some("{=U/boss,boss=U/boss,r=zq/boss,t=Uz/boss}"),
            expected: "GRANT ALL ON TYPE s.x TO t;\n",
        },
        Case {
            name: "quoted and bare names beyond ascii, quotes and signs inside",
            word: "SCHEMA",
            default: "{boss=UC/boss}",
            initial: None,
            current: Some(
                r#"{boss=UC/boss,jürgen=U/boss,"\"jürgen2\"=U/boss","\"a\"\"b=/c\"=UC/boss"}"#,
            ),
            expected: "GRANT USAGE ON SCHEMA s.x TO \"jürgen\";\n\
                       GRANT USAGE ON SCHEMA s.x TO \"jürgen2\";\n\
                       GRANT ALL ON SCHEMA s.x TO \"a\"\"b=/c\";\n",
        },
    ];

    #[test]
    fn privileges_become_statements() {
        for case in CASES {
            let acl = acl(case.current, case.default, case.initial);
            let text = statements(&target(case.word, "x"), &acl);
            assert_eq!(text.as_deref(), Ok(case.expected), "{}", case.name);
        }
    }

    #[test]
    fn column_privileges_name_the_column_in_every_word() {
        let target = Target { column: Some("\"C\""), ..target("TABLE", "t") };
        let some = acl(Some("{r=r/boss,q=arwx/boss}"), "{}", Some("{=r/boss}"));
        assert_eq!(
            statements(&target, &some).as_deref(),
            Ok("REVOKE SELECT(\"C\") ON TABLE s.t FROM PUBLIC;\n\
                GRANT SELECT(\"C\") ON TABLE s.t TO r;\n\
                GRANT ALL(\"C\") ON TABLE s.t TO q;\n")
        );
    }

    #[test]
    fn default_privileges_have_a_prefix_and_no_name() {
        let target = Target {
            schema: None,
            prefix: "ALTER DEFAULT PRIVILEGES FOR ROLE boss ",
            ..target("FUNCTIONS", "")
        };
        let revoked = acl(Some("{boss=X/boss}"), "{=X/boss,boss=X/boss}", None);
        assert_eq!(
            statements(&target, &revoked).as_deref(),
            Ok("ALTER DEFAULT PRIVILEGES FOR ROLE boss REVOKE ALL ON FUNCTIONS FROM PUBLIC;\n")
        );
    }

    #[test]
    fn unknown_owner_makes_every_grantor_another() {
        let target = Target { owner: "", schema: None, ..target("PARAMETER", "work_mem") };
        let granted = acl(Some("{r=s*A/boss}"), "{}", None);
        assert_eq!(
            statements(&target, &granted).as_deref(),
            Ok("SET SESSION AUTHORIZATION boss;\n\
                GRANT ALTER SYSTEM ON PARAMETER work_mem TO r;\n\
                GRANT SET ON PARAMETER work_mem TO r WITH GRANT OPTION;\n\
                RESET SESSION AUTHORIZATION;\n")
        );
    }

    #[test]
    fn public_schema_may_have_a_base_of_its_own() {
        let standard = "{boss=UC/boss,=U/boss}";
        let target = Target { schema: None, ..target("SCHEMA", "public") };
        let fresh_on_14 = acl(Some("{boss=UC/boss,=UC/boss}"), "{boss=UC/boss}", Some(standard));
        assert_eq!(
            statements(&target, &fresh_on_14).as_deref(),
            Ok("REVOKE USAGE ON SCHEMA public FROM PUBLIC;\n\
                GRANT ALL ON SCHEMA public TO PUBLIC;\n")
        );
        let recreated = acl(None, "{boss=UC/boss}", Some(standard));
        assert_eq!(
            statements(&target, &recreated).as_deref(),
            Ok("REVOKE USAGE ON SCHEMA public FROM PUBLIC;\n")
        );
    }

    #[test]
    fn what_is_no_acl_is_refused() {
        let text =
            |current: &str| statements(&target("TABLE", "t"), &acl(Some(current), "{}", None));
        assert_eq!(text("r=r/boss"), Err(AclError::NotAnArray("r=r/boss".into())));
        for bad in ["r", "r=r", "\"r=r/boss", "r=r/boss=", "r=r/\"b"] {
            let array = build_array([bad]);
            assert_eq!(text(&array), Err(AclError::BadItem(bad.into())), "{bad}");
        }
        let unknown = statements(&target("CAST", "x"), &acl(Some("{a=r/b}"), "{}", None));
        assert_eq!(unknown, Err(AclError::UnknownKind("CAST".into())));
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in ".*") {
            let _ = statements(&target("TABLE", "t"), &acl(Some(&text), "{}", None));
        }
    }
}
