//! Default privileges (`dumpDefaultACL` in `pg_dump.c`, `buildDefaultACLCommands` in `dumputils.c`).

use super::{Writer, acl};
use crate::error::{Error, ErrorKind, Result};
use crate::model::default_acl::DefaultAcl;
use crate::model::{Components, Object, Section};

pub(super) fn create_default_acl(
    writer: &mut Writer<'_>,
    object: &Object,
    default: &DefaultAcl,
) -> Result<()> {
    if !writer.options.schema || !writer.options.privileges || !object.emits(Components::ACL) {
        return Ok(());
    }
    let word = word(default.object_type)?;
    let owner = object.owner.as_deref().unwrap_or_default();
    let mut prefix = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {} ", writer.identifier(owner));
    if let Some(schema) = &object.schema {
        prefix.push_str(&format!("IN SCHEMA {} ", writer.identifier(schema)));
    }
    let target = acl::Target {
        quoting: writer.quoting,
        word,
        schema: None,
        name: "",
        column: None,
        owner,
        prefix: &prefix,
    };
    let definition = acl::statements(&target, object.acl()).map_err(|source| {
        let message = format!("could not understand the default privileges of role {owner}");
        Error::new(ErrorKind::Server, message).with_source(source)
    })?;
    if definition.is_empty() {
        return Ok(());
    }
    let tag = format!("DEFAULT PRIVILEGES FOR {word}");
    let mut entry = writer.entry(object, "DEFAULT ACL", &tag, Section::PostData);
    entry.definition = definition;
    writer.push(entry);
    Ok(())
}

fn word(object_type: char) -> Result<&'static str> {
    Ok(match object_type {
        'r' => "TABLES",
        'S' => "SEQUENCES",
        'f' => "FUNCTIONS",
        'T' => "TYPES",
        'n' => "SCHEMAS",
        'L' => "LARGE OBJECTS",
        _ => {
            return Err(Error::new(
                ErrorKind::Server,
                format!("unrecognized object type in default privileges: {object_type}"),
            ));
        }
    })
}
