//! Which tables may go from server to server as binary COPY.
//!
//! Between servers of one major the binary form of these types means the same on both sides. Left out are
//! the `reg*` types, whose values are oids of this one database; `money`, whose unit is a setting; `xml`, which names its
//! encoding; whatever contains the oid of a user's type (composites, arrays of enums or domains); and base types of
//! users and extensions, whose binary form only they know. Authority: the receive functions of
//! PostgreSQL's `src/backend/utils/adt`.

use std::collections::HashSet;

use crate::connect::Session;
use crate::error::Result;
use crate::model::Oid;

const QUERY: &str = "with recursive builtin(oid) as (
        select t.oid from pg_catalog.pg_type t
        where t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace and t.typtype = 'b'
            and t.typname = any ('{bool,bytea,char,int8,int2,int4,text,oid,json,jsonb,point,lseg,path,box,polygon,
                line,circle,float4,float8,macaddr,macaddr8,inet,cidr,bpchar,varchar,name,date,time,timestamp,
                timestamptz,interval,timetz,bit,varbit,numeric,uuid,tsvector,tsquery,pg_lsn}')
    ),
    allowed(oid) as (
        (select oid from builtin
        union
        select a.oid from pg_catalog.pg_type a join builtin b on a.typelem = b.oid
        where a.typlen = -1 and exists
            (select from pg_catalog.pg_type e where e.oid = b.oid and e.typarray = a.oid)
        union
        select t.oid from pg_catalog.pg_type t
        where t.typtype = 'e' or (t.typtype in ('r', 'm')
            and t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace))
        union
        select d.oid from pg_catalog.pg_type d join allowed a on d.typbasetype = a.oid
        where d.typtype = 'd'
    )
    select attrelid from pg_catalog.pg_attribute
    where attrelid = any ('{$}'::pg_catalog.oid[]) and attnum > 0 and not attisdropped
    group by attrelid
    having pg_catalog.bool_and(atttypid in (select oid from allowed))";

/// Returns the tables all of whose columns have a binary form that another server of the major reads.
///
/// # Errors
///
/// As for every query.
pub async fn tables_with_binary_form(session: &Session, tables: &[Oid]) -> Result<HashSet<Oid>> {
    let list = tables.iter().map(Oid::to_string).collect::<Vec<_>>().join(",");
    let query = QUERY.replace('$', &list);
    let rows = session.query("ask for the types of the columns", &query).await?;
    rows.iter().map(|row| row.oid("attrelid")).collect()
}
