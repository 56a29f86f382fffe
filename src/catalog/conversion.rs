//! Conversions between encodings, from `pg_conversion` (`getConversions`, `dumpConversion` in `pg_dump.c`).

use super::{Found, Reader};
use crate::error::Result;
use crate::model::Kind;
use crate::model::conversion::Conversion;

pub(super) const QUERY: &str = "select c.tableoid, c.oid, c.conname, c.connamespace, c.conowner,
        pg_catalog.pg_encoding_to_char(c.conforencoding) as from_encoding,
        pg_catalog.pg_encoding_to_char(c.contoencoding) as to_encoding, c.conproc, c.condefault
    from pg_catalog.pg_conversion c";

pub(super) async fn read_conversions(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read conversions", QUERY).await?;
    for row in rows.iter() {
        let found = Found::new(&row, "conname")?
            .in_schema(&row, "connamespace")?
            .owned(&row, "conowner")?;
        let in_schema = reader.wanted_in_schema(row.oid("connamespace")?)?;
        let conversion = Conversion {
            from: row.text("from_encoding")?.to_owned(),
            to: row.text("to_encoding")?.to_owned(),
            function: row.text("conproc")?.to_owned(),
            is_default: row.boolean("condefault")?,
        };
        reader.add(found, in_schema, Kind::Conversion(Box::new(conversion)))?;
    }
    Ok(())
}
