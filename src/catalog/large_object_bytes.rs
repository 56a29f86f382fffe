//! The bytes of large objects as the server sends them: who is asked, and the answer taken apart.
//!
//! Whoever may read the table `pg_largeobject` gets the pages of many objects with one query, in the
//! order of its index. Everybody else asks the server's functions for each object, also in one query, but
//! the server opens and searches every object anew. Either way the answer is a stream of `(oid, offset,
//! bytes)`, so memory depends neither on the size nor on the number of objects.
//!
//! The rows are in the order of the list that was asked for and, for each object, of the offset. An
//! object without a row is empty. Between two rows there may be a hole, which reads as zeros.

use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Oid;

/// What the server's functions are asked for at once: 1 MiB.
const FUNCTION_BYTES: u64 = 1 << 20;

/// How large objects are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LargeObjectReading {
    /// From the table of their pages, which have so many bytes.
    Pages(u64),
    /// By the server's functions.
    Functions,
}

impl LargeObjectReading {
    /// Asks what the role may do.
    ///
    /// # Errors
    ///
    /// When the server cannot be asked.
    pub async fn ask(session: &Session) -> Result<LargeObjectReading> {
        const QUERY: &str = "select current_setting('block_size') as block,
            pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'select') as readable";
        let rows = session.query("ask how large objects can be read", QUERY).await?;
        let row = rows.single()?;
        // A page is a quarter of a block (`LOBLKSIZE`).
        Ok(match row.boolean("readable")? {
            true => LargeObjectReading::Pages(row.integer::<u64>("block")? / 4),
            false => LargeObjectReading::Functions,
        })
    }

    /// Returns the statements that must come before the query, and go with the savepoint.
    ///
    /// Every other plan than that along the index would sort or scan the pages of all large objects.
    pub fn preparation() -> &'static str {
        "rollback to savepoint piece; set local enable_sort to off; set local enable_seqscan to off; \
         set local enable_bitmapscan to off"
    }

    /// Returns the query.
    pub fn statement(self, oids: &[Oid]) -> String {
        let list: Vec<String> = oids.iter().map(Oid::to_string).collect();
        let list =
            format!("pg_catalog.unnest('{{{}}}'::pg_catalog.oid[]) as l(oid)", list.join(","));
        match self {
            LargeObjectReading::Pages(bytes) => format!(
                "copy (select p.loid, p.pageno::pg_catalog.int8 * {bytes}, p.data from {list}
                    cross join lateral (select o.loid, o.pageno, o.data
                        from pg_catalog.pg_largeobject o where o.loid = l.oid order by o.pageno) p)
                to stdout (format binary)"
            ),
            LargeObjectReading::Functions => format!(
                "copy (select l.oid, s.start, pg_catalog.lo_get(l.oid, s.start, {FUNCTION_BYTES}) from {list}
                    cross join lateral pg_catalog.generate_series(0::pg_catalog.int8, greatest(0,
                        pg_catalog.lo_lseek64(pg_catalog.lo_open(l.oid, 262144), 0, 2) - 1),
                        {FUNCTION_BYTES}) as s(start))
                to stdout (format binary)"
            ),
        }
    }
}

/// What a binary COPY begins with, before its flags and the length of its extension.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Nothing that is asked for is longer; what claims to be is not understood.
const LONGEST_FIELD: usize = 16 << 20;

/// A row of the query for large objects.
#[derive(Debug, PartialEq, Eq)]
pub struct LargeObjectRow<'a> {
    /// The object.
    pub oid: Oid,
    /// Where in it the bytes stand.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// Takes the rows out of the stream of a binary COPY.
#[derive(Debug, Default)]
pub struct LargeObjectRows {
    buffer: Vec<u8>,
    /// How much of the buffer was taken out.
    position: usize,
    begun: bool,
    ended: bool,
}

impl LargeObjectRows {
    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.position);
        self.position = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// Returns the next row that is complete.
    ///
    /// # Errors
    ///
    /// When the stream is none of this query.
    pub fn next_row(&mut self) -> Result<Option<LargeObjectRow<'_>>> {
        let mut at = self.position;
        if !self.begun {
            let Some(head) = self.buffer.get(at..at + SIGNATURE.len() + 8) else { return Ok(None) };
            let (signature, rest) = head.split_at(SIGNATURE.len());
            if signature != SIGNATURE || rest != [0; 8] {
                return Err(unexpected_large_object("it does not begin as a binary COPY"));
            }
            at += head.len();
            self.position = at;
            self.begun = true;
        }
        let Some(count) = take::<2>(&self.buffer, &mut at) else { return Ok(None) };
        match i16::from_be_bytes(count) {
            -1 => {
                self.ended = true;
                self.position = at;
                return Ok(None);
            }
            3 if !self.ended => {}
            _ => return Err(unexpected_large_object("a row has another number of columns")),
        }
        let mut fields = [0..0, 0..0, 0..0];
        for field in &mut fields {
            let Some(length) = take::<4>(&self.buffer, &mut at) else { return Ok(None) };
            let length = usize::try_from(i32::from_be_bytes(length))
                .ok()
                .filter(|length| *length <= LONGEST_FIELD)
                .ok_or_else(|| unexpected_large_object("a value has an impossible length"))?;
            if self.buffer.len() - at < length {
                return Ok(None);
            }
            *field = at..at + length;
            at += length;
        }
        self.position = at;
        let [oid, offset, bytes] = fields.map(|field| &self.buffer[field]);
        let oid = oid.try_into().map(u32::from_be_bytes).ok();
        let offset = offset.try_into().map(i64::from_be_bytes).ok();
        match (oid, offset.and_then(|offset| u64::try_from(offset).ok())) {
            (Some(oid), Some(offset)) => Ok(Some(LargeObjectRow { oid: Oid(oid), offset, bytes })),
            _ => Err(unexpected_large_object("oid and offset are not numbers")),
        }
    }

    /// Makes sure that the stream was complete.
    ///
    /// # Errors
    ///
    /// When it was not.
    pub fn finish(&self) -> Result<()> {
        if self.ended && self.position == self.buffer.len() {
            return Ok(());
        }
        Err(unexpected_large_object("it ends in the middle of a row"))
    }
}

fn take<const N: usize>(buffer: &[u8], at: &mut usize) -> Option<[u8; N]> {
    let bytes = buffer.get(*at..)?.first_chunk::<N>()?;
    *at += N;
    Some(*bytes)
}

/// Returns the error for an answer that makes no sense.
pub fn unexpected_large_object(what: &str) -> Error {
    Error::new(
        ErrorKind::Server,
        format!("could not understand the bytes of large objects: {what}"),
    )
}
