//! The entries of the database itself (`dumpDatabase`, `dumpDatabaseConfig` in `pg_dump.c`).
//!
//! Every archive holds them; a restore or a script uses them only when the database is to be created.

use super::shared;
use super::writer::{AclTarget, Target};
use super::{Writer, binary_upgrade};
use crate::error::Result;
use crate::model::database::DatabaseProperties;
use crate::model::{Section, TocEntry};

pub(super) fn create_database(writer: &mut Writer<'_>) -> Result<()> {
    let database = writer.database;
    let properties = &database.properties;
    let raw_name = &database.facts.database;
    let name = writer.identifier(raw_name);

    let id = writer.next_id();
    let mut entry = TocEntry::new(id, "DATABASE", raw_name);
    entry.catalog_id = properties.catalog_id;
    entry.owner = Some(properties.owner.clone());
    entry.definition = definition(writer, &name, properties);
    entry.drop_statement = Some(format!("DROP DATABASE {name};\n"));
    writer.push(entry);

    let target = Target {
        word: "DATABASE".to_owned(),
        name: name.clone(),
        tag: name.clone(),
        namespace: None,
        owner: Some(properties.owner.clone()),
        entry: id,
    };
    if let Some(comment) = &properties.comment {
        writer.database_comment(&target, comment);
    }
    if writer.options.security_labels {
        let labels = shared::security_labels(
            writer.quoting,
            &format!("DATABASE {name}"),
            &properties.security_labels,
        );
        writer.push_security_labels(labels, &target);
    }
    writer.database_acl(
        &AclTarget {
            word: "DATABASE",
            name: &name,
            schema: None,
            column: None,
            tag: None,
            owner: Some(&properties.owner),
            entries: &[id],
        },
        &properties.acl,
    )?;

    let definition = settings(writer, &name, properties);
    if !definition.is_empty() {
        let mut entry = TocEntry::new(writer.next_id(), "DATABASE PROPERTIES", raw_name);
        entry.section = Section::PreData;
        entry.owner = Some(properties.owner.clone());
        entry.definition = definition;
        // DROP DATABASE refuses templates, and drops run in reverse.
        entry.drop_statement = Some(if properties.is_template {
            format!(
                "UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = {};\n",
                writer.literal(raw_name)
            )
        } else {
            String::new()
        });
        writer.push(entry);
    }
    if let Some(upgrade) = writer.upgrade {
        binary_upgrade::large_object_files(writer, upgrade);
    }
    Ok(())
}

fn definition(writer: &Writer<'_>, name: &str, properties: &DatabaseProperties) -> String {
    let mut text = format!("CREATE DATABASE {name} WITH TEMPLATE = template0");
    if writer.upgrade.is_some() {
        // Its files are found by its oid; copying them is the quicker way for a server that is upgraded.
        text.push_str(&format!(" OID = {} STRATEGY = FILE_COPY", properties.catalog_id.oid));
    }
    let mut clause = |clause: &str, value: &str| {
        text.push_str(&format!(" {clause} = {value}"));
    };
    if !properties.encoding.is_empty() {
        clause("ENCODING", &writer.literal(&properties.encoding));
    }
    let provider = match properties.locale_provider {
        'b' => "builtin",
        'i' => "icu",
        _ => "libc",
    };
    clause("LOCALE_PROVIDER", provider);
    let DatabaseProperties { collate, ctype, .. } = properties;
    if !collate.is_empty() && collate == ctype {
        clause("LOCALE", &writer.literal(collate));
    } else {
        if !collate.is_empty() {
            clause("LC_COLLATE", &writer.literal(collate));
        }
        if !ctype.is_empty() {
            clause("LC_CTYPE", &writer.literal(ctype));
        }
    }
    if let Some(locale) = &properties.locale {
        let word = if properties.locale_provider == 'b' { "BUILTIN_LOCALE" } else { "ICU_LOCALE" };
        clause(word, &writer.literal(locale));
    }
    if let Some(rules) = &properties.icu_rules {
        clause("ICU_RULES", &writer.literal(rules));
    }
    if let Some(version) = writer.upgrade.and_then(|upgrade| upgrade.collation_version.as_ref()) {
        clause("COLLATION_VERSION", &writer.literal(version));
    }
    let tablespace = &properties.tablespace;
    if writer.options.tablespaces && !tablespace.is_empty() && tablespace != "pg_default" {
        clause("TABLESPACE", &writer.identifier(tablespace));
    }
    text.push_str(";\n");
    text
}

fn settings(writer: &Writer<'_>, name: &str, properties: &DatabaseProperties) -> String {
    let mut text = String::new();
    if properties.connection_limit != -1 {
        let limit = properties.connection_limit;
        text.push_str(&format!("ALTER DATABASE {name} CONNECTION LIMIT = {limit};\n"));
    }
    if properties.is_template {
        text.push_str(&format!("ALTER DATABASE {name} IS_TEMPLATE = true;\n"));
    }
    for (role, setting, value) in &properties.settings {
        let scope = match role {
            Some(role) => format!("ROLE {} IN DATABASE {name}", writer.identifier(role)),
            None => format!("DATABASE {name}"),
        };
        text.push_str(&shared::alter_setting(writer.quoting, &scope, setting, value));
    }
    if let Some(upgrade) = writer.upgrade {
        text.push_str(&binary_upgrade::database_horizon(writer, upgrade));
    }
    text
}
