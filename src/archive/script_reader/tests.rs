//! Tests of the cutting; those against psql itself are in `tests/it/restore/script.rs`.

use proptest::prelude::*;

use super::*;

/// Cuts a script that arrives in pieces of `step` bytes; rows are joined to one piece.
fn cut_with(
    script: &[u8],
    step: usize,
    settings: (bool, ClientEncoding),
) -> Result<Vec<String>, ScriptError> {
    let mut splitter = Splitter::default();
    splitter.settings(settings.0, settings.1);
    let mut chunks = script.chunks(step.max(1));
    let mut pieces = Vec::new();
    let mut rows = Vec::new();
    loop {
        match splitter.next_piece()? {
            Piece::NeedMore => match chunks.next() {
                Some(chunk) => splitter.push(chunk),
                None => splitter.finish(),
            },
            Piece::Statement(statement) => {
                let text = String::from_utf8_lossy(&statement.text);
                pieces.push(format!("{}: {text}", statement.line));
            }
            Piece::Rows(bytes) => rows.extend_from_slice(&bytes),
            Piece::EndOfRows(line) => {
                let text = String::from_utf8_lossy(&rows).into_owned();
                pieces.push(format!("rows before {line}: {text}"));
                rows.clear();
            }
            Piece::Connect { arguments, line } => {
                pieces.push(format!("{line}: connect {arguments:?}"))
            }
            Piece::Encoding { name, line } => pieces.push(format!("{line}: encoding {name}")),
            Piece::End => return Ok(pieces),
        }
    }
}

/// Cuts a script in steps of every size, which must all give the same.
fn cut(script: &str) -> Result<Vec<String>, ScriptError> {
    let settings = (true, ClientEncoding::Utf8);
    let whole = cut_with(script.as_bytes(), usize::MAX, settings);
    for step in 1..script.len().min(40) {
        assert_eq!(cut_with(script.as_bytes(), step, settings), whole, "in steps of {step}");
    }
    whole
}

fn pieces(script: &str) -> Vec<String> {
    cut(script).unwrap_or_else(|error| panic!("{error}\n{script}"))
}

#[test]
fn statements_end_at_semicolons_that_nothing_encloses() {
    for statement in [
        "SELECT 1;",
        "SELECT ';', \"a;b\", 'it''s;';",
        "SELECT E'\\';', e'a\\\\';",
        "SELECT E'a' -- it goes on;\n  '\\';b';",
        "SELECT E'a''\\'b;';",
        "SELECT E'a'-1;",
        "SELECT U&'\\0041;', U&\"a;\", u&'\\';",
        "SELECT B'1;', x'f;', N'a;', n'a;';",
        "SELECT $$a;$b$;c$$, $x$;$$;$y$;$x$;",
        "SELECT $ü$;$ü$;",
        "SELECT a$b$ + 1 AS c$d$;",
        "SELECT 1a$b$, $1, $2$3;",
        "SELECT 1.5e10, 0xff, 1_000;",
        "SELECT /* a; /* b; */ c; */ 1 -- d;\n;",
        "SELECT 1 */* ; */ 2;",
        "SELECT 1 - - 2 / 3;",
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END;",
        "create or replace procedure p() begin atomic; select 1; end;",
        "CREATE FUNCTION f(\"begin\" int) RETURNS int LANGUAGE sql RETURN 1;",
        "CREATE TABLE begin (a int);",
        "SELECT 'a\nb', \"c\n\nd\";",
        "SELECT :x, :'y', a[1:2];",
    ] {
        assert_eq!(pieces(statement), [format!("1: {statement}")]);
        let twice = format!("\n-- first;\n{statement}\t{statement}\n/* last; */\n");
        assert_eq!(pieces(&twice).len(), 2, "{statement}");
    }
}

#[test]
fn backslashes_are_ordinary_only_in_standard_strings() {
    let script = b"SELECT '\\';'; SELECT '';";
    let settings = (false, ClientEncoding::Utf8);
    for step in [1, 2, 3, 100] {
        assert_eq!(cut_with(script, step, settings).map(|pieces| pieces.len()), Ok(2));
    }
    assert!(cut_with(script, 100, (true, ClientEncoding::Utf8)).is_err());
}

#[test]
fn later_bytes_of_characters_are_no_backslashes() {
    // In Shift JIS the second byte of U+8868 is a backslash; in JOHAB one may be a semicolon.
    for (name, character) in [("SJIS", b"\x95\x5c"), ("BIG5", b"\xa5\x5c"), ("JOHAB", b"\xd9\x3b")]
    {
        let script =
            [b"SELECT E'a", &character[..], b"', ", character, b" FROM ", character, b";"].concat();
        let settings = (true, ClientEncoding::from_name(name));
        for step in [1, 2, 3, 5, 100] {
            assert_eq!(
                cut_with(&script, step, settings).map(|pieces| pieces.len()),
                Ok(1),
                "{name} in steps of {step}"
            );
        }
    }
}

#[test]
fn rows_end_at_the_mark_and_nowhere_else() {
    let script = "COPY s.t (a, \"from\") FROM stdin;\n1\t\\.\n\\.x\n \\.\n\\\\.\n\\.\nSELECT 1;\n";
    assert_eq!(
        pieces(script),
        [
            "1: COPY s.t (a, \"from\") FROM stdin;",
            "rows before 7: 1\t\\.\n\\.x\n \\.\n\\\\.\n",
            "7: SELECT 1;"
        ]
    );
    // The end of the file ends the line of the mark; Windows ends it in its own way.
    assert_eq!(pieces("COPY t FROM stdin;\n\\.").len(), 2);
    assert_eq!(
        pieces("COPY t FROM stdin;\r\n1\r\n\\.\r\nSELECT 1;\r\n"),
        ["1: COPY t FROM stdin;", "rows before 4: 1\r\n", "4: SELECT 1;"]
    );
}

#[test]
fn what_stands_behind_a_copy_runs_after_its_rows() {
    assert_eq!(
        pieces("COPY t FROM stdin; -- rows\n1\n\\.\nSELECT 1;"),
        ["1: COPY t FROM stdin;", "rows before 4: 1\n", "4: SELECT 1;"]
    );
    assert_eq!(
        pieces("COPY t FROM stdin; SELECT 2;\n1\n\\.\nSELECT 1;"),
        ["1: COPY t FROM stdin;", "rows before 4: 1\n", "3: SELECT 2;", "4: SELECT 1;"]
    );
}

#[test]
fn copy_is_recognized_by_its_words() {
    for (statement, rows_follow) in [
        ("COPY t FROM STDIN;", true),
        ("copy a.b.c (x, y) from stdin with (format csv);", true),
        ("COPY BINARY t FROM stdin;", true),
        ("COPY \"stdin\" FROM stdin;", true),
        ("COPY t FROM stdout;", true),
        ("COPY t TO stdout;", false),
        ("COPY t FROM '/tmp/x';", false),
        ("COPY (SELECT a FROM stdin) TO '/tmp/x';", false),
        ("SELECT copy FROM stdin;", false),
    ] {
        let script = format!("{statement}\n\\.\n");
        assert_eq!(cut(&script).is_ok_and(|pieces| pieces.len() == 2), rows_follow, "{statement}");
    }
}

#[test]
fn meta_commands_are_known_or_refused() {
    assert_eq!(
        pieces(
            "\\restrict k\nSELECT 1;\n\\unrestrict k\n\\encoding SQL_ASCII\n\\connect \"a b\"\nSELECT 2;"
        ),
        ["2: SELECT 1;", "4: encoding SQL_ASCII", "5: connect [\"a b\"]", "6: SELECT 2;"]
    );
    assert_eq!(
        pieces("\\unrestrict (null)\n\\connect a\n\\restrict (null)\nSELECT 1;\n\\connect b\n")
            .len(),
        3
    );
    for (script, message) in [
        ("SELECT 1;\n\\! id\n", "line 2: the meta-command \\! is not one that pgark runs"),
        ("SELECT 1\n\\gexec\n", "line 2: the meta-command \\gexec stands inside a statement"),
        (
            "\\restrict k\n\\connect x\n",
            "line 2: the meta-command \\connect is not allowed between",
        ),
        (
            "\\restrict k\n\\unrestrict j\n",
            "line 2: the meta-command \\unrestrict has the wrong key",
        ),
        ("\\unrestrict k\n", "line 1: the meta-command \\unrestrict comes without"),
    ] {
        let error = cut(script).expect_err(script).to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn a_script_that_was_cut_off_is_an_error() {
    for (script, inside) in [
        ("SELECT 1", "a statement"),
        ("SELECT 'a;\n", "a quoted literal"),
        ("SELECT \"a;\n", "a quoted identifier"),
        ("SELECT $$;\n", "a dollar-quoted literal"),
        ("SELECT 1; /* ", "a comment"),
        ("COPY t FROM stdin;\n1\n2", "the rows of a COPY"),
        ("COPY t FROM stdin;\n\\", "the rows of a COPY"),
        ("COPY t FROM stdin;", "the rows of a COPY"),
    ] {
        assert_eq!(cut(script), Err(ScriptError::CutOff { line: 1, inside }), "{script}");
    }
}

#[test]
fn marks_of_encodings_are_no_text() {
    assert_eq!(pieces("\u{feff}SELECT 1;"), ["1: SELECT 1;"]);
    let utf16 = cut_with(b"\xff\xfeS\0", 9, (true, ClientEncoding::Utf8));
    assert_eq!(utf16, Err(ScriptError::Utf16));
    assert_eq!(cut("SELECT 1;\nSELECT\n\0;"), Err(ScriptError::ZeroByte { line: 3 }));
}

#[test]
fn tables_of_copies_are_named() {
    let table = |text: &'static str, rows_follow| {
        Statement { text: Bytes::from(text), line: 1, rows_follow }.copied_table()
    };
    assert_eq!(table("COPY s.\"T (1)\" (a, b) FROM stdin;", true).as_deref(), Some("s.\"T (1)\""));
    assert_eq!(table("COPY t(a) FROM stdin;", true).as_deref(), Some("t"));
    assert_eq!(table("COPY t TO stdout;", false), None);
}

#[test]
fn settings_have_a_name_and_a_value() {
    for (text, setting) in [
        ("SET transaction_timeout = 0;", Some(("transaction_timeout", "0"))),
        ("SET client_encoding = 'SJIS';", Some(("client_encoding", "sjis"))),
        ("set session Work_Mem TO '8MB';", Some(("work_mem", "8mb"))),
        ("SET ROLE x;", None),
        ("SELECT 1 = 1;", None),
    ] {
        let statement = Statement { text: Bytes::from(text), line: 1, rows_follow: false };
        let found = statement.setting();
        let found = found.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
        assert_eq!(found, setting, "{text}");
    }
}

proptest! {
    /// Fragments that mean something, in any order, cut anywhere.
    #[test]
    fn noise_gives_the_same_in_steps_of_every_size(
        fragments in prop::collection::vec(
            prop::sample::select(vec![
                "'", "\"", "$$", "$a$", "$", "E'", "\\", ";", "(", ")", "--", "\n", "/*", "*/", " ",
                "a", "1", "COPY t FROM stdin;\n", "\\.\n", "\\connect a\n", "CREATE FUNCTION ",
                "BEGIN ", "END", "U&'", "é", "\u{0}", "\r", "x", "e", "-", "&",
            ]),
            0..24,
        ),
        step in 1usize..9,
        standard in any::<bool>(),
    ) {
        let script = fragments.concat();
        let settings = (standard, ClientEncoding::Utf8);
        let whole = cut_with(script.as_bytes(), usize::MAX, settings);
        prop_assert_eq!(cut_with(script.as_bytes(), step, settings), whole);
    }

    #[test]
    fn noise_never_panics(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        step in 1usize..50,
        encoding in prop::sample::select(vec!["UTF8", "SJIS", "GB18030", "JOHAB", "EUC_JP", "LATIN1"]),
    ) {
        let _ = cut_with(&noise, step, (noise.len() % 2 == 0, ClientEncoding::from_name(encoding)));
    }

    /// Literals are the same to the splitter however they are written.
    #[test]
    fn statements_joined_are_statements_cut(
        texts in prop::collection::vec("[a-z;'\"$\\\\\n-]{0,12}", 1..6),
    ) {
        let statements: Vec<String> = texts
            .iter()
            .enumerate()
            .map(|(number, text)| {
                let doubled = text.replace('\'', "''");
                match number % 4 {
                    0 => format!("SELECT '{doubled}';"),
                    1 => format!("SELECT $q${}$q$;", text.replace('$', "")),
                    2 => format!("SELECT E'{}';", doubled.replace('\\', "\\\\")),
                    _ => format!("SELECT \"{}\";", text.replace('"', "\"\"")),
                }
            })
            .collect();
        let found = pieces(&statements.join("\n"));
        let found: Vec<&str> = found.iter().filter_map(|piece| Some(piece.split_once(": ")?.1)).collect();
        prop_assert_eq!(found, statements);
    }
}
