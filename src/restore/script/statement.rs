//! What must be known of a statement to run it as part of a restore; pure.

/// What a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Changes a setting, by which the text after it may have to be read in another way.
    Setting,
    /// Begins or ends a transaction.
    Transaction(Boundary),
    /// Concerns the whole cluster and no database's content: roles, databases, tablespaces.
    Cluster,
    /// Stores rows.
    Insert,
    /// Stores statistics that the dump brings with it.
    Statistics,
    /// Everything else.
    Other,
}

/// Where a transaction begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boundary {
    Begin,
    Commit,
    /// Something that gives up work or divides it.
    Other,
}

/// How much of a statement is looked at: what matters stands in front.
const HEAD_BYTES: usize = 4096;

impl Kind {
    pub(super) fn of(statement: &[u8]) -> Kind {
        let words = words(statement);
        let word = |place: usize| words.get(place).map_or("", String::as_str);
        match word(0) {
            "INSERT" => Kind::Insert,
            "SET" | "RESET" | "DISCARD" => Kind::Setting,
            "SELECT" if word(1) == "PG_CATALOG.SET_CONFIG" || word(1) == "SET_CONFIG" => {
                Kind::Setting
            }
            "SELECT" if word(3) == "PG_CATALOG.PG_RESTORE_RELATION_STATS" => Kind::Statistics,
            "BEGIN" | "START" => Kind::Transaction(Boundary::Begin),
            "COMMIT" | "END" => Kind::Transaction(Boundary::Commit),
            "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" => Kind::Transaction(Boundary::Other),
            "PREPARE" if word(1) == "TRANSACTION" => Kind::Transaction(Boundary::Other),
            "CREATE" | "ALTER" | "DROP" if is_cluster_object(word(1), word(2)) => Kind::Cluster,
            // How pg_dump makes a template a database that can be dropped.
            "UPDATE" if word(1) == "PG_CATALOG.PG_DATABASE" => Kind::Cluster,
            "COMMENT" | "SECURITY" | "GRANT" | "REVOKE" => {
                match words.iter().position(|word| word == "ON") {
                    Some(on) if is_cluster_object(word(on + 1), word(on + 2)) => Kind::Cluster,
                    Some(_) => Kind::Other,
                    // The membership in a role.
                    None if matches!(word(0), "GRANT" | "REVOKE") => Kind::Cluster,
                    None => Kind::Other,
                }
            }
            _ => Kind::Other,
        }
    }

    /// Tells whether running it changes or reads what a database holds.
    pub(super) fn is_local(self) -> bool {
        matches!(self, Kind::Insert | Kind::Statistics | Kind::Other)
    }
}

fn is_cluster_object(word: &str, next: &str) -> bool {
    matches!(word, "ROLE" | "GROUP" | "DATABASE" | "TABLESPACE" | "PARAMETER")
        || (word == "USER" && next != "MAPPING")
}

/// Returns the first words in upper case: what stands between white space and punctuation.
fn words(statement: &[u8]) -> Vec<String> {
    const MOST: usize = 200;
    let head = &statement[..statement.len().min(HEAD_BYTES)];
    head.split(|byte| {
        byte.is_ascii_whitespace() || matches!(byte, b';' | b'(' | b')' | b',' | b'=')
    })
    .filter(|word| !word.is_empty())
    .take(MOST)
    .map(|word| String::from_utf8_lossy(word).to_ascii_uppercase())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_what_their_first_words_say() {
        for (statement, kind) in [
            ("SET statement_timeout = 0;", Kind::Setting),
            ("SELECT pg_catalog.set_config('search_path', '', false);", Kind::Setting),
            ("SELECT pg_catalog.setval('s', 1, true);", Kind::Other),
            ("SELECT * FROM pg_catalog.pg_restore_relation_stats(\n", Kind::Statistics),
            ("INSERT INTO t VALUES ('SET');", Kind::Insert),
            ("BEGIN;", Kind::Transaction(Boundary::Begin)),
            ("COMMIT;", Kind::Transaction(Boundary::Commit)),
            ("ROLLBACK TO x;", Kind::Transaction(Boundary::Other)),
            ("CREATE ROLE a;", Kind::Cluster),
            ("ALTER DATABASE d SET x TO 'y';", Kind::Cluster),
            ("DROP DATABASE IF EXISTS d;", Kind::Cluster),
            ("CREATE USER MAPPING FOR a SERVER s;", Kind::Other),
            ("COMMENT ON DATABASE d IS 'x';", Kind::Cluster),
            ("COMMENT ON TABLE t IS 'ON DATABASE';", Kind::Other),
            ("GRANT a TO b WITH INHERIT TRUE GRANTED BY postgres;", Kind::Cluster),
            ("GRANT SELECT,INSERT ON TABLE t TO a;", Kind::Other),
            ("REVOKE CONNECT,TEMPORARY ON DATABASE d FROM PUBLIC;", Kind::Cluster),
            ("GRANT SET ON PARAMETER work_mem TO a;", Kind::Cluster),
            ("CREATE TABLE role (a int);", Kind::Other),
            (";", Kind::Other),
        ] {
            assert_eq!(Kind::of(statement.as_bytes()), kind, "{statement}");
        }
    }
}
