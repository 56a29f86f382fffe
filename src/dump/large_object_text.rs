//! Large objects for a script: read in order over one session, small ones many at a time.

use tokio::sync::mpsc;

use super::run::stopped;
use super::script::Answer;
use crate::archive::ManifestLargeObject;
use crate::codec::{LargeObjectHasher, Sha256Digest};
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Oid;
use crate::progress::Interrupt;

/// The bytes of an object that one question asks for.
const PIECE_BYTES: usize = 256 * 1024;

/// Objects whose first pieces are asked for together: at most 4 MiB come back, hexadecimal 8.
const TOGETHER: usize = 16;

/// Sends the bytes of large objects and returns what a manifest says about them, apart from their class.
///
/// In a script no object is stored by itself: those sizes and checksums are zero.
pub(super) async fn send(
    session: &Session,
    oids: &[u32],
    answers: &mpsc::Sender<Answer>,
    interrupt: &Interrupt,
) -> Result<Vec<ManifestLargeObject>> {
    let mut objects = Vec::with_capacity(oids.len());
    let say = async |answer| answers.send(answer).await.map_err(|_| stopped());
    for group in oids.chunks(TOGETHER) {
        interrupt.check()?;
        let list = group.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let query = format!(
            "select pg_catalog.encode(pg_catalog.lo_get(o.oid, 0, {PIECE_BYTES}), 'hex') as bytes
            from pg_catalog.unnest('{{{list}}}'::pg_catalog.oid[]) with ordinality as o(oid, place)
            order by o.place"
        );
        let rows = session.query("read large objects", &query).await?;
        for (&oid, row) in group.iter().zip(rows.iter()) {
            say(Answer::LargeObject(oid)).await?;
            let mut piece = decode(row.text("bytes")?)?;
            let mut hasher = LargeObjectHasher::new(oid);
            let mut offset = 0;
            loop {
                let length = piece.len();
                offset += length;
                hasher.feed(&piece);
                if length > 0 {
                    say(Answer::LargeObjectBytes(piece)).await?;
                }
                if length < PIECE_BYTES {
                    break;
                }
                interrupt.check()?;
                let query = format!(
                    "select pg_catalog.encode(pg_catalog.lo_get({oid}, {offset}, {PIECE_BYTES}), 'hex')
                        as bytes"
                );
                let rows = session.query(&format!("read large object {oid}"), &query).await?;
                piece = decode(rows.single()?.text("bytes")?)?;
            }
            say(Answer::LargeObjectEnd).await?;
            objects.push(ManifestLargeObject {
                oid: Oid(oid),
                class: 0,
                raw_bytes: offset as u64,
                stored_bytes: 0,
                sha256: Sha256Digest([0; 32]),
                hash: hasher.finish(),
            });
        }
    }
    Ok(objects)
}

fn decode(digits: &str) -> Result<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>().ok_or_else(|| {
        Error::new(ErrorKind::Server, "the bytes of a large object are not hexadecimal")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_become_bytes_or_an_error() {
        assert_eq!(decode("00ffA5").ok(), Some(vec![0, 255, 165]));
        assert_eq!(decode("").ok(), Some(Vec::new()));
        assert!(decode("0").is_err());
        assert!(decode("0g").is_err());
    }
}
