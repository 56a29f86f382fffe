//! The result of a query as text: [`Rows`] owns it, [`Row`] is a view of one row.
//!
//! All values of a result lie in one string, in the form the server prints them; bytes that are not
//! UTF-8 (SQL_ASCII databases) are carried as [`crate::sql::text`] describes.

use std::collections::HashMap;
use std::ops::Range;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::model::Oid;
use crate::sql::text;

/// The length that marks a NULL on the wire.
const NULL: i32 = -1;

/// All rows of one result set.
#[derive(Debug, Default)]
pub struct Rows {
    purpose: String,
    columns: Columns,
    text: String,
    /// Where the values of each row begin in the text.
    starts: Vec<usize>,
    /// Where each value ends, counted from the beginning of its row, times 2, and 1 more for a NULL. Small, because
    /// the columns of 20,000 tables are two million of them.
    ends: Vec<u16>,
    /// The same of rows that are too long for that, by their place; their `ends` mean nothing.
    long: HashMap<usize, Vec<u32>>,
}

/// The column names, and where the last look-up succeeded: readers ask for the columns of every row in
/// the same order, so the next one is nearly always right behind the last and no search is needed.
#[derive(Debug, Default)]
struct Columns {
    names: Vec<String>,
    next: AtomicUsize,
}

impl Rows {
    /// Starts a result set from the body of a RowDescription; `None` if it is malformed.
    pub(super) fn begin(description: &[u8]) -> Option<Rows> {
        let mut body = Reader(description);
        let count = body.u16()?;
        let mut names = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            names.push(text::decode(body.cstr()?));
            body.take(18)?;
        }
        Some(Rows { columns: Columns { names, next: AtomicUsize::new(0) }, ..Rows::default() })
    }

    /// Adds the body of a DataRow; `None` if it is malformed.
    pub(super) fn push(&mut self, data_row: &[u8]) -> Option<()> {
        let mut body = Reader(data_row);
        if usize::from(body.u16()?) != self.columns.names.len() {
            return None;
        }
        let row = self.text.len();
        let cells = self.ends.len();
        let mut long = Vec::new();
        for position in 0..self.columns.names.len() {
            let length = body.i32()?;
            if length != NULL {
                let value = body.take(usize::try_from(length).ok()?)?;
                match std::str::from_utf8(value) {
                    // 0xf4 begins the characters that may need carrying.
                    Ok(value) if !value.as_bytes().contains(&0xf4) => self.text.push_str(value),
                    _ => self.text.push_str(&text::decode(value)),
                }
            }
            // A message holds 1 GiB at most, and decoding does not double it.
            let end = u32::try_from(self.text.len() - row).ok()?.checked_mul(2)?;
            let end = end | u32::from(length == NULL);
            if long.is_empty() {
                match u16::try_from(end) {
                    Ok(end) => {
                        self.ends.push(end);
                        continue;
                    }
                    Err(_) => {
                        long.extend(self.ends[cells..][..position].iter().copied().map(u32::from))
                    }
                }
            }
            long.push(end);
        }
        if !long.is_empty() {
            self.ends.resize(cells + self.columns.names.len(), 0);
            self.long.insert(self.starts.len(), long);
        }
        self.starts.push(row);
        Some(())
    }

    pub(super) fn with_purpose(mut self, purpose: &str) -> Rows {
        self.purpose = purpose.to_owned();
        self
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Returns the names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns.names
    }

    /// Returns the row at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<Row<'_>> {
        (index < self.len()).then_some(Row { rows: self, index })
    }

    /// Returns the first row.
    pub fn first(&self) -> Option<Row<'_>> {
        self.get(0)
    }

    /// Returns the only row.
    ///
    /// Any other number of rows is an error of kind [`ErrorKind::Server`].
    pub fn single(&self) -> Result<Row<'_>> {
        match self.len() {
            1 => Ok(Row { rows: self, index: 0 }),
            count => Err(self.unexpected(format!("one row was expected, {count} came"))),
        }
    }

    /// Returns the rows in the order the server sent them.
    pub fn iter(&self) -> RowsIter<'_> {
        RowsIter { rows: self, range: 0..self.len() }
    }

    fn unexpected(&self, what: String) -> Error {
        Error::new(ErrorKind::Server, format!("could not {}: {what}", self.purpose))
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = Row<'a>;
    type IntoIter = RowsIter<'a>;

    fn into_iter(self) -> RowsIter<'a> {
        self.iter()
    }
}

/// The rows of a [`Rows`], one after the other.
#[derive(Debug, Clone)]
pub struct RowsIter<'a> {
    rows: &'a Rows,
    range: Range<usize>,
}

impl<'a> Iterator for RowsIter<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let index = self.range.next()?;
        Some(Row { rows: self.rows, index })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl ExactSizeIterator for RowsIter<'_> {}

/// One row; its columns are asked for by name.
///
/// A missing column or a value of another form than asked for is an error that names the query's
/// purpose and the column.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    rows: &'a Rows,
    index: usize,
}

impl<'a> Row<'a> {
    /// Returns the text of a column that is never NULL.
    pub fn text(&self, column: &str) -> Result<&'a str> {
        let position = self.known_position(column)?;
        self.value(position).ok_or_else(|| self.error(column, "is null"))
    }

    /// Returns the text of a column, or nothing when it is NULL.
    ///
    /// A column that is not in the result also gives nothing, so that a query for an older server may
    /// leave it out.
    pub fn optional(&self, column: &str) -> Option<&'a str> {
        self.position(column).and_then(|position| self.value(position))
    }

    /// Returns the text of the column at a position, counted from 0, or nothing when it is NULL.
    pub fn at(&self, position: usize) -> Option<&'a str> {
        (position < self.rows.columns.names.len()).then(|| self.value(position)).flatten()
    }

    /// Tells whether a column is NULL.
    pub fn is_null(&self, column: &str) -> Result<bool> {
        Ok(self.value(self.known_position(column)?).is_none())
    }

    /// Returns a column of type `oid`, or one that was cast to `int4`.
    ///
    /// A server prints an `int4` in a fraction of the time that an `oid` takes it, which tells where there are
    /// hundreds of thousands of them. The upper half of the oids is negative then.
    pub fn oid(&self, column: &str) -> Result<Oid> {
        match self.text(column)?.as_bytes() {
            [b'-', ..] => self.integer::<i32>(column).map(|number| Oid(number.cast_unsigned())),
            _ => self.integer(column).map(Oid),
        }
    }

    /// Returns a column of type `boolean`.
    pub fn boolean(&self, column: &str) -> Result<bool> {
        match self.text(column)? {
            "t" | "true" => Ok(true),
            "f" | "false" => Ok(false),
            _ => Err(self.error(column, "is not a boolean")),
        }
    }

    /// Returns a column that holds a number.
    pub fn integer<T: FromStr>(&self, column: &str) -> Result<T> {
        self.text(column)?.parse().map_err(|_| self.error(column, "is not a number that fits"))
    }

    /// Returns a column of type `"char"`; its zero byte, which prints as nothing, is a space.
    pub fn character(&self, column: &str) -> Result<char> {
        match self.text(column)?.chars().next() {
            None | Some('\0') => Ok(' '),
            Some(character) => Ok(character),
        }
    }

    fn known_position(&self, column: &str) -> Result<usize> {
        self.position(column).ok_or_else(|| self.error(column, "is not in the result"))
    }

    fn position(&self, column: &str) -> Option<usize> {
        let columns = &self.rows.columns;
        let expected = columns.next.load(Ordering::Relaxed);
        let position = match columns.names.get(expected) {
            Some(name) if is_same(name, column) => expected,
            _ => columns.names.iter().position(|name| is_same(name, column))?,
        };
        let next = if position + 1 == columns.names.len() { 0 } else { position + 1 };
        columns.next.store(next, Ordering::Relaxed);
        Some(position)
    }

    /// Returns the value of the column at a position that exists.
    fn value(&self, position: usize) -> Option<&'a str> {
        let rows = self.rows;
        let long = if rows.long.is_empty() { None } else { rows.long.get(&self.index) };
        let (before, end) = match long {
            Some(ends) => (position.checked_sub(1).map(|before| ends[before]), ends[position]),
            None => {
                let first = self.index * rows.columns.names.len();
                let end = |position: usize| u32::from(rows.ends[first + position]);
                (position.checked_sub(1).map(end), end(position))
            }
        };
        if end & 1 == 1 {
            return None;
        }
        let row = rows.starts[self.index];
        let range = row + (before.unwrap_or(0) >> 1) as usize..row + (end >> 1) as usize;
        rows.text.get(range)
    }

    fn error(&self, column: &str, what: &str) -> Error {
        self.rows.unexpected(format!("column {column} {what}"))
    }
}

/// Compares two names, eight bytes at a time: the static program's own comparison goes byte by byte, and this is
/// done for each of millions of values.
fn is_same(one: &str, other: &str) -> bool {
    let (one, one_rest) = one.as_bytes().as_chunks::<8>();
    let (other, other_rest) = other.as_bytes().as_chunks::<8>();
    let whole = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    one.len() == other.len()
        && one_rest.len() == other_rest.len()
        && one.iter().map(whole).eq(other.iter().map(whole))
        && one_rest.iter().zip(other_rest).all(|(one, other)| one == other)
}

/// Cuts a message body into its fields; every step may find the body too short.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.take(4).map(|bytes| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Takes the bytes up to the next zero byte, and the zero byte.
    pub(super) fn cstr(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.take(1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn description(names: &[&str]) -> Vec<u8> {
        let mut body = (names.len() as u16).to_be_bytes().to_vec();
        for name in names {
            body.extend_from_slice(name.as_bytes());
            body.extend_from_slice(&[0; 19]);
        }
        body
    }

    fn data_row(values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = (values.len() as u16).to_be_bytes().to_vec();
        for value in values {
            match value {
                None => body.extend_from_slice(&(-1i32).to_be_bytes()),
                Some(value) => {
                    body.extend_from_slice(&(value.len() as i32).to_be_bytes());
                    body.extend_from_slice(value);
                }
            }
        }
        body
    }

    #[test]
    fn values_are_found_by_name_in_any_order() {
        let mut rows = Rows::begin(&description(&["oid", "name", "kind", "flag"])).expect("header");
        rows.push(&data_row(&[Some(b"16384"), Some("bär".as_bytes()), Some(b"r"), Some(b"t")]))
            .expect("row");
        rows.push(&data_row(&[Some(b"1"), None, Some(b""), Some(b"f")])).expect("row");
        let first = rows.first().expect("row");
        assert!(first.boolean("flag").expect("flag"));
        assert_eq!(first.text("name").expect("name"), "bär");
        assert_eq!(first.oid("oid").expect("oid"), Oid(16384));
        let second = rows.get(1).expect("row");
        assert_eq!(second.optional("name"), None);
        assert_eq!(second.character("kind").expect("kind"), ' ');
        assert!(second.text("name").is_err());
        assert!(second.text("nothing").is_err());
        assert!(second.integer::<i32>("flag").is_err());
        assert_eq!(rows.iter().count(), 2);
        let cast = Some(b"-2147483648".as_slice());
        rows.push(&data_row(&[cast, None, None, None])).expect("row");
        let third = rows.get(2).expect("row");
        assert_eq!(third.oid("oid").expect("oid"), Oid(1 << 31));
    }

    #[test]
    fn names_are_compared_to_their_last_byte() {
        let name = "statistics_columns_x";
        for end in 0..=name.len() {
            assert!(is_same(&name[..end], &String::from(&name[..end])));
            for other in 0..end {
                assert!(!is_same(&name[..end], &name[..other]));
                let mut changed = name[..end].to_owned();
                changed.replace_range(other..=other, "-");
                assert!(!is_same(&name[..end], &changed));
            }
        }
    }

    #[test]
    fn rows_of_every_length_keep_their_values() {
        let mut rows = Rows::begin(&description(&["a", "b", "c", "d"])).expect("header");
        for length in [0, 1, 32_766, 32_767, 32_768, 100_000] {
            let value = "x".repeat(length);
            let value = Some(value.as_bytes());
            rows.push(&data_row(&[Some(b"a"), value, None, Some(b"d")])).expect("row");
            rows.push(&data_row(&[value, None, Some(b"c"), value])).expect("row");
            rows.push(&data_row(&[Some(b"1"), Some(b""), Some(b"3"), None])).expect("row");
            let row = |back: usize| rows.get(rows.len() - back).expect("row");
            let lengths = |back: usize| {
                ["a", "b", "c", "d"].map(|name| row(back).optional(name).map(str::len))
            };
            assert_eq!(lengths(3), [Some(1), Some(length), None, Some(1)]);
            assert_eq!(lengths(2), [Some(length), None, Some(1), Some(length)]);
            assert_eq!(lengths(1), [Some(1), Some(0), Some(1), None]);
            assert_eq!((row(3).at(3), row(1).at(0), row(1).at(4)), (Some("d"), Some("1"), None));
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_survive() {
        let mut rows = Rows::begin(&description(&["name"])).expect("header");
        rows.push(&data_row(&[Some(b"b\xe4r")])).expect("row");
        let row = rows.single().expect("row");
        assert_eq!(text::encode(row.text("name").expect("name")).as_ref(), b"b\xe4r");
    }

    proptest! {
        #[test]
        fn noise_never_panics(header in proptest::collection::vec(any::<u8>(), 0..80), row in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Rows::begin(&header);
            let mut rows = Rows::begin(&description(&["a", "b"])).expect("header");
            let _ = rows.push(&row);
            for row in &rows {
                let _ = row.optional("b");
            }
        }
    }
}
