//! The command line as the C library's `getopt_long` reads it, with its messages.
//!
//! The stock tools promise what that function does: long options may be shortened as long as they stay
//! unambiguous, `-Fc`, `-F c` and `--format=c` are the same, flags can be bundled (`-sOx`), options and
//! other arguments may be mixed, and `--` ends the options. Whoever calls sees the options one by one
//! and in order, because the tools complain about the first wrong thing, whatever follows it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::sql::text;

/// Whether an option has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// It has none.
    Nothing,
    /// It always has one.
    Value,
}

/// The options of a tool; several spellings may have the same id.
#[derive(Debug)]
pub(super) struct Table<Id: 'static> {
    /// Long options without their dashes, in the order in which an ambiguity lists them.
    pub(super) long: &'static [(&'static str, Takes, Id)],
    /// Short options.
    pub(super) short: &'static [(u8, Takes, Id)],
}

/// An argument that is none of the table's options, or one that is used in a wrong way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misuse(pub(super) String);

/// Walks over the arguments of a command.
#[derive(Debug)]
pub(super) struct Getopt<Id: 'static> {
    table: &'static Table<Id>,
    ahead: VecDeque<OsString>,
    /// What is left of a bundle of short options.
    bundle: Vec<u8>,
    operands: Vec<String>,
}

impl<Id: Copy + PartialEq> Getopt<Id> {
    /// Begins with everything that came after the name of the command.
    pub(super) fn new(table: &'static Table<Id>, arguments: Vec<OsString>) -> Self {
        Getopt { table, ahead: arguments.into(), bundle: Vec::new(), operands: Vec::new() }
    }

    /// Returns the next option with its value, which is empty for those that take none; `None` at the end.
    ///
    /// Values are bytes in no known encoding, carried as [`text`] carries them.
    pub(super) fn next(&mut self) -> Result<Option<(Id, String)>, Misuse> {
        if !self.bundle.is_empty() {
            return self.short().map(Some);
        }
        while let Some(argument) = self.ahead.pop_front() {
            let bytes = argument.as_bytes();
            if bytes == b"--" {
                let rest = self.ahead.drain(..);
                self.operands.extend(rest.map(|operand| text::decode(operand.as_bytes())));
            } else if let Some(long) = bytes.strip_prefix(b"--") {
                return self.long(long).map(Some);
            } else if bytes.len() > 1 && bytes[0] == b'-' {
                self.bundle = bytes[1..].to_vec();
                return self.short().map(Some);
            } else {
                self.operands.push(text::decode(bytes));
            }
        }
        Ok(None)
    }

    /// Returns the arguments that are no options, once [`Getopt::next`] has come to the end.
    pub(super) fn operands(self) -> Vec<String> {
        self.operands
    }

    fn short(&mut self) -> Result<(Id, String), Misuse> {
        let letter = self.bundle.remove(0);
        let found = self.table.short.iter().find(|(known, _, _)| *known == letter);
        let Some(&(_, takes, id)) = found else {
            // Nothing that follows is looked at, since the tools end at the first misuse.
            return Err(Misuse(format!("invalid option -- '{}'", text::decode(&[letter]))));
        };
        if takes == Takes::Nothing {
            return Ok((id, String::new()));
        }
        let attached = std::mem::take(&mut self.bundle);
        if !attached.is_empty() {
            return Ok((id, text::decode(&attached)));
        }
        match self.ahead.pop_front() {
            Some(value) => Ok((id, text::decode(value.as_bytes()))),
            None => {
                Err(Misuse(format!("option requires an argument -- '{}'", text::decode(&[letter]))))
            }
        }
    }

    fn long(&mut self, argument: &[u8]) -> Result<(Id, String), Misuse> {
        let (name, value) = match argument.iter().position(|&byte| byte == b'=') {
            Some(end) => (&argument[..end], Some(&argument[end + 1..])),
            None => (argument, None),
        };
        let (name, takes, id) = self.find(name, &text::decode(argument))?;
        match (takes, value) {
            (Takes::Nothing, None) => Ok((id, String::new())),
            (Takes::Nothing, Some(_)) => {
                Err(Misuse(format!("option '--{name}' doesn't allow an argument")))
            }
            (Takes::Value, Some(value)) => Ok((id, text::decode(value))),
            (Takes::Value, None) => match self.ahead.pop_front() {
                Some(value) => Ok((id, text::decode(value.as_bytes()))),
                None => Err(Misuse(format!("option '--{name}' requires an argument"))),
            },
        }
    }

    /// Finds a long option by its whole name or by a beginning that means one thing only.
    fn find(&self, name: &[u8], typed: &str) -> Result<(&'static str, Takes, Id), Misuse> {
        let options = self.table.long.iter();
        if let Some(found) = options.clone().find(|(known, _, _)| known.as_bytes() == name) {
            return Ok(*found);
        }
        let mut candidates = options.filter(|(known, _, _)| known.as_bytes().starts_with(name));
        let Some(first) = candidates.next() else {
            return Err(Misuse(format!("unrecognized option '--{typed}'")));
        };
        // Two spellings of one option are no ambiguity; the C library compares with the first alone.
        let others: Vec<_> = candidates.filter(|other| other.2 != first.2).collect();
        if others.is_empty() {
            return Ok(*first);
        }
        let possibilities: String = std::iter::once(&first)
            .chain(&others)
            .map(|(name, _, _)| format!(" '--{name}'"))
            .collect();
        Err(Misuse(format!("option '--{typed}' is ambiguous; possibilities:{possibilities}")))
    }
}

/// Returns a value as an argument, byte for byte as it came.
pub(super) fn argument(value: &str) -> OsString {
    text::path(value).into_os_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use proptest::prelude::*;

    const TABLE: Table<char> = Table {
        long: &[
            ("data-only", Takes::Nothing, 'a'),
            ("blobs", Takes::Nothing, 'b'),
            ("large-objects", Takes::Nothing, 'b'),
            ("no-blobs", Takes::Nothing, 'B'),
            ("no-owner", Takes::Nothing, 'O'),
            ("no-large-objects", Takes::Nothing, 'B'),
            ("format", Takes::Value, 'F'),
            ("file", Takes::Value, 'f'),
        ],
        short: &[
            (b'a', Takes::Nothing, 'a'),
            (b'O', Takes::Nothing, 'O'),
            (b'F', Takes::Value, 'F'),
            (b'f', Takes::Value, 'f'),
        ],
    };

    /// What a line means: options with values, then the operands behind a bar; or the complaint.
    fn read(line: &str) -> String {
        let arguments = line.split_whitespace().map(OsString::from).collect();
        let mut getopt = Getopt::new(&TABLE, arguments);
        let mut said = Vec::new();
        loop {
            match getopt.next() {
                Ok(Some((id, value))) => said.push(format!("{id}{value}")),
                Ok(None) => break,
                Err(Misuse(message)) => return message,
            }
        }
        format!("{} | {}", said.join(" "), getopt.operands().join(" "))
    }

    #[test]
    fn arguments_are_read_as_the_c_library_reads_them() {
        let cases = [
            ("-Fc -f x db", "Fc fx | db"),
            ("db -aOFc rest", "a O Fc | db rest"),
            ("--format=c --file x", "Fc fx | "),
            ("--form c --fi=", "Fc f | "),
            ("-f -a -", "f-a | -"),
            ("-a -- -O --x", "a | -O --x"),
            ("--no-b --l", "B b | "),
            ("--foo=1", "unrecognized option '--foo=1'"),
            ("--data-only=1", "option '--data-only' doesn't allow an argument"),
            ("--file", "option '--file' requires an argument"),
            ("-f", "option requires an argument -- 'f'"),
            ("-aX", "invalid option -- 'X'"),
            ("--f=1", "option '--f=1' is ambiguous; possibilities: '--format' '--file'"),
            ("--no", "option '--no' is ambiguous; possibilities: '--no-blobs' '--no-owner'"),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(arguments in prop::collection::vec(prop::collection::vec(1_u8.., 0..6), 0..6)) {
            let arguments = arguments.into_iter().map(OsString::from_vec).collect();
            let mut getopt = Getopt::new(&TABLE, arguments);
            while let Ok(Some(_)) = getopt.next() {}
        }
    }
}
