//! Text search parsers, templates, dictionaries and configurations, from `pg_ts_parser`,
//! `pg_ts_template`, `pg_ts_dict`, `pg_ts_config` and `pg_ts_config_map` (`getTSParsers` and its kin in
//! `pg_dump.c`).

use std::collections::HashMap;

use super::type_name::oid_array;
use super::value::{optional, pair, reference};
use super::{Found, Reader};
use crate::error::Result;
use crate::model::text_search::{
    TextSearchConfiguration, TextSearchDictionary, TextSearchParser, TextSearchTemplate,
};
use crate::model::{Components, Kind};

pub(super) const PARSERS: &str =
    "select tableoid, oid, prsname, prsnamespace, prsstart, prstoken, prsend,
        prsheadline, prslextype
    from pg_catalog.pg_ts_parser";

pub(super) const TEMPLATES: &str =
    "select tableoid, oid, tmplname, tmplnamespace, tmplinit, tmpllexize
    from pg_catalog.pg_ts_template";

pub(super) const DICTIONARIES: &str =
    "select d.tableoid, d.oid, d.dictname, d.dictnamespace, d.dictowner,
        n.nspname as template_schema, t.tmplname, d.dictinitoption
    from pg_catalog.pg_ts_dict d
    left join pg_catalog.pg_ts_template t on t.oid = d.dicttemplate
    left join pg_catalog.pg_namespace n on n.oid = t.tmplnamespace";

pub(super) const CONFIGURATIONS: &str =
    "select c.tableoid, c.oid, c.cfgname, c.cfgnamespace, c.cfgowner,
        n.nspname as parser_schema, p.prsname
    from pg_catalog.pg_ts_config c
    left join pg_catalog.pg_ts_parser p on p.oid = c.cfgparser
    left join pg_catalog.pg_namespace n on n.oid = p.prsnamespace";

/// A parser is asked for the names of its token types; it need not be one of `pg_catalog`.
const MAPPINGS: &str = "select m.mapcfg, t.alias, m.mapdict::pg_catalog.regdictionary
    from pg_catalog.pg_ts_config_map m
    join pg_catalog.pg_ts_config c on c.oid = m.mapcfg
    join lateral pg_catalog.ts_token_type(c.cfgparser) t on t.tokid = m.maptokentype
    where m.mapcfg = any ($oids)
    order by m.mapcfg, m.maptokentype, m.mapseqno";

pub(super) async fn read_parsers(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read text search parsers", PARSERS).await?;
    for row in rows.iter() {
        let found = Found::new(&row, "prsname")?.in_schema(&row, "prsnamespace")?;
        let in_schema = reader.wanted_in_schema(row.oid("prsnamespace")?)?;
        let parser = TextSearchParser {
            start: row.text("prsstart")?.to_owned(),
            token: row.text("prstoken")?.to_owned(),
            end: row.text("prsend")?.to_owned(),
            headline: reference(&row, "prsheadline")?,
            lexical_types: row.text("prslextype")?.to_owned(),
        };
        reader.add(found, in_schema, Kind::TextSearchParser(Box::new(parser)))?;
    }
    Ok(())
}

pub(super) async fn read_templates(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read text search templates", TEMPLATES).await?;
    for row in rows.iter() {
        let found = Found::new(&row, "tmplname")?.in_schema(&row, "tmplnamespace")?;
        let in_schema = reader.wanted_in_schema(row.oid("tmplnamespace")?)?;
        let template = TextSearchTemplate {
            init: reference(&row, "tmplinit")?,
            lexize: row.text("tmpllexize")?.to_owned(),
        };
        reader.add(found, in_schema, Kind::TextSearchTemplate(Box::new(template)))?;
    }
    Ok(())
}

pub(super) async fn read_dictionaries(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read text search dictionaries", DICTIONARIES).await?;
    for row in rows.iter() {
        let found = Found::new(&row, "dictname")?
            .in_schema(&row, "dictnamespace")?
            .owned(&row, "dictowner")?;
        let in_schema = reader.wanted_in_schema(row.oid("dictnamespace")?)?;
        let dictionary = TextSearchDictionary {
            template: pair(&row, "template_schema", "tmplname").unwrap_or_default(),
            options: optional(&row, "dictinitoption"),
        };
        reader.add(found, in_schema, Kind::TextSearchDictionary(Box::new(dictionary)))?;
    }
    Ok(())
}

pub(super) async fn read_configurations(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read text search configurations", CONFIGURATIONS).await?;
    let mut wanted = HashMap::new();
    for row in rows.iter() {
        let found = Found::new(&row, "cfgname")?
            .in_schema(&row, "cfgnamespace")?
            .owned(&row, "cfgowner")?;
        let oid = found.catalog_id.oid;
        let in_schema = reader.wanted_in_schema(row.oid("cfgnamespace")?)?;
        let configuration = TextSearchConfiguration {
            parser: pair(&row, "parser_schema", "prsname").unwrap_or_default(),
            mappings: Vec::new(),
        };
        let id =
            reader.add(found, in_schema, Kind::TextSearchConfiguration(Box::new(configuration)))?;
        if reader.database.object(id).wanted.contains(Components::DEFINITION) {
            wanted.insert(oid, id);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let sql = MAPPINGS.replace("$oids", &oid_array(wanted.keys().copied()));
    let rows = reader.session.query("read text search mappings", &sql).await?;
    for row in rows.iter() {
        let Some(&id) = wanted.get(&row.oid("mapcfg")?) else { continue };
        let Kind::TextSearchConfiguration(configuration) = &mut reader.database.object_mut(id).kind
        else {
            continue;
        };
        let (token, dictionary) = (row.text("alias")?, row.text("mapdict")?.to_owned());
        match configuration.mappings.last_mut() {
            Some((last, dictionaries)) if last == token => dictionaries.push(dictionary),
            _ => configuration.mappings.push((token.to_owned(), vec![dictionary])),
        }
    }
    Ok(())
}
