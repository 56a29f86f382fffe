//! What pg_upgrade must find unchanged (`collectBinaryUpgradeClassOids` and the queries beside it in
//! `pg_dump.c`); read only when it is asked for.

use super::{Reader, inconsistent};
use crate::connect::Row;
use crate::error::Result;
use crate::model::binary_upgrade::{
    BinaryUpgrade, Horizon, RelationStorage, RunningSubscription, StoredColumn, SubscriptionTable,
    ToastStorage,
};
use crate::model::{CatalogId, DumpId, Kind, Oid};

/// `pg_largeobject` and its index, in the order in which the server happens to find them. It looks elsewhere
/// when no more than the oid is asked for.
const LARGE_OBJECTS: &str =
    "select oid, relfilenode from pg_catalog.pg_class where oid in (2613, 2683)";

const RELATIONS: &str = "select c.oid, c.relkind, c.relfilenode, c.reltype, c.relfrozenxid, c.relminmxid,
        t.oid as toast, t.relfilenode as toast_file, t.relfrozenxid as toast_frozenxid,
        t.relminmxid as toast_minmxid, i.indexrelid as toast_index, ti.relfilenode as toast_index_file
    from pg_catalog.pg_class c
    left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
    left join pg_catalog.pg_index i on i.indrelid = t.oid and i.indisvalid
    left join pg_catalog.pg_class ti on ti.oid = i.indexrelid";

const COLUMNS: &str = "select attrelid, attnum, attname, attisdropped, attlen, attalign,
        case when atthasmissing and not attisdropped then attmissingval end as missing
    from pg_catalog.pg_attribute
    where attnum > 0 and (attisdropped or atthasmissing)
    order by attrelid, attnum";

const TYPES: &str = "select oid, typarray from pg_catalog.pg_type";

const MULTIRANGES: &str = "select r.rngtypid, t.oid, t.typarray from pg_catalog.pg_range r
    join pg_catalog.pg_type t on t.oid = r.rngmultitypid";

const ENUM_LABELS: &str =
    "select enumtypid, oid from pg_catalog.pg_enum order by enumtypid, enumsortorder";

const COLLATIONS: &str =
    "select oid, collversion from pg_catalog.pg_collation where collversion is not null";

const EXTENSIONS: &str = "select oid, extconfig, extcondition from pg_catalog.pg_extension";

const SUBSCRIPTIONS: &str = "select s.oid, s.subenabled, o.remote_lsn
    from pg_catalog.pg_subscription s
    left join pg_catalog.pg_replication_origin_status o on o.external_id = 'pg_' || s.oid::text
    where s.subdbid = (select d.oid from pg_catalog.pg_database d
        where d.datname = current_database())";

const SUBSCRIPTION_TABLES: &str = "select srsubid, srrelid, srsubstate, srsublsn
    from pg_catalog.pg_subscription_rel order by srsubid";

pub(super) async fn read_binary_upgrade(reader: &mut Reader<'_>) -> Result<()> {
    let mut upgrade = BinaryUpgrade::default();
    read_database(reader, &mut upgrade).await?;
    read_relations(reader, &mut upgrade).await?;
    read_types(reader, &mut upgrade).await?;
    let session = reader.session;
    for row in session.query("read versions of collations", COLLATIONS).await?.iter() {
        upgrade.collation_versions.insert(row.oid("oid")?, row.text("collversion")?.to_owned());
    }
    for row in session.query("read configurations of extensions", EXTENSIONS).await?.iter() {
        let text = |column: &str| row.optional(column).unwrap_or_default().to_owned();
        let configuration = (text("extconfig"), text("extcondition"));
        upgrade.configurations.insert(row.oid("oid")?, configuration);
    }
    let subscribes = |object: &crate::model::Object| matches!(object.kind, Kind::Subscription(_));
    if reader.version().upgrades_subscriptions() && reader.database.objects().iter().any(subscribes)
    {
        for row in session.query("read states of subscriptions", SUBSCRIPTIONS).await?.iter() {
            let running = RunningSubscription {
                remote_lsn: row.optional("remote_lsn").map(str::to_owned),
                enabled: row.boolean("subenabled")?,
            };
            upgrade.subscriptions.insert(row.oid("oid")?, running);
        }
        read_subscription_tables(reader).await?;
    }
    reader.database.upgrade = Some(upgrade);
    Ok(())
}

async fn read_database(reader: &Reader<'_>, upgrade: &mut BinaryUpgrade) -> Result<()> {
    let version = reader.version().has_database_collation_version();
    let sql = format!(
        "select datfrozenxid, datminmxid, {} as datcollversion from pg_catalog.pg_database
        where datname = current_database()",
        if version { "datcollversion" } else { "null" }
    );
    let rows = reader.session.query("read the horizon of the database", &sql).await?;
    let row = rows.single()?;
    upgrade.horizon = horizon(&row, "datfrozenxid", "datminmxid")?;
    upgrade.collation_version = row.optional("datcollversion").map(str::to_owned);
    Ok(())
}

fn horizon(row: &Row<'_>, transaction: &str, multixact: &str) -> Result<Horizon> {
    Ok(Horizon { transaction: row.integer(transaction)?, multixact: row.integer(multixact)? })
}

async fn read_relations(reader: &Reader<'_>, upgrade: &mut BinaryUpgrade) -> Result<()> {
    let rows = reader.session.query("read the storage of relations", RELATIONS).await?;
    for row in rows.iter() {
        let oid = row.oid("oid")?;
        upgrade.relations.insert(oid, storage(&row)?);
    }
    let rows = reader.session.query("read the storage of large objects", LARGE_OBJECTS).await?;
    for row in rows.iter() {
        let oid = row.oid("oid")?;
        upgrade.large_objects.extend(upgrade.relations.get(&oid).map(|&storage| (oid, storage)));
    }
    for row in reader.session.query("read the storage of columns", COLUMNS).await?.iter() {
        let column = StoredColumn {
            number: row.integer("attnum")?,
            name: row.text("attname")?.to_owned(),
            dropped: row.boolean("attisdropped")?,
            length: row.integer("attlen")?,
            alignment: row.character("attalign")?,
            missing_value: row.optional("missing").map(str::to_owned),
        };
        upgrade.columns.entry(row.oid("attrelid")?).or_default().push(column);
    }
    Ok(())
}

fn storage(row: &Row<'_>) -> Result<RelationStorage> {
    let oid_or_zero = |column: &str| match row.optional(column) {
        Some(_) => row.oid(column),
        None => Ok(Oid::ZERO),
    };
    let toast = match row.optional("toast") {
        None => None,
        Some(_) => Some(ToastStorage {
            oid: row.oid("toast")?,
            file: row.oid("toast_file")?,
            index: oid_or_zero("toast_index")?,
            index_file: oid_or_zero("toast_index_file")?,
            horizon: horizon(row, "toast_frozenxid", "toast_minmxid")?,
        }),
    };
    Ok(RelationStorage {
        relkind: row.character("relkind")?,
        file: row.oid("relfilenode")?,
        row_type: row.oid("reltype")?,
        horizon: horizon(row, "relfrozenxid", "relminmxid")?,
        toast,
    })
}

async fn read_types(reader: &Reader<'_>, upgrade: &mut BinaryUpgrade) -> Result<()> {
    for row in reader.session.query("read array types", TYPES).await?.iter() {
        let (oid, array) = (row.oid("oid")?, row.oid("typarray")?);
        upgrade.types.insert(oid);
        if !array.is_zero() {
            upgrade.array_types.insert(oid, array);
        }
    }
    if reader.version().has_multiranges() {
        for row in reader.session.query("read multirange types", MULTIRANGES).await?.iter() {
            let multirange = (row.oid("oid")?, row.oid("typarray")?);
            upgrade.multiranges.insert(row.oid("rngtypid")?, multirange);
        }
    }
    for row in reader.session.query("read oids of enum labels", ENUM_LABELS).await?.iter() {
        upgrade.enum_labels.entry(row.oid("enumtypid")?).or_default().push(row.oid("oid")?);
    }
    Ok(())
}

async fn read_subscription_tables(reader: &mut Reader<'_>) -> Result<()> {
    let subscriptions: std::collections::HashMap<Oid, DumpId> = reader
        .database
        .objects()
        .iter()
        .filter(|object| matches!(object.kind, Kind::Subscription(_)))
        .map(|object| (object.catalog_id.oid, object.id))
        .collect();
    let sql = SUBSCRIPTION_TABLES;
    let rows = reader.session.query("read tables of subscriptions", sql).await?;
    for row in rows.iter() {
        let (oid, relation) = (row.oid("srsubid")?, row.oid("srrelid")?);
        // Subscriptions of every database are in one catalog, their tables are not.
        let Some(&subscription) = subscriptions.get(&oid) else {
            return Err(inconsistent(format!("subscription with oid {oid} does not exist")));
        };
        let Some(&table) = reader.tables.get(&relation) else {
            return Err(inconsistent(format!("table with oid {relation} does not exist")));
        };
        let kind = Kind::SubscriptionTable(Box::new(SubscriptionTable {
            subscription,
            table,
            state: row.character("srsubstate")?,
            lsn: row.optional("srsublsn").map(str::to_owned),
        }));
        let wanted = reader.selection.outside_schemas();
        let name = reader.database.object(table).name.clone();
        let place = CatalogId { class: relation, oid };
        let id = reader.add_part_at(place, name, table, wanted, kind);
        let owner = reader.database.object(subscription).owner.clone();
        reader.database.object_mut(id).owner = owner;
    }
    Ok(())
}
