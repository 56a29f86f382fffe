//! The properties that a database takes over from the one it replaces.
//!
//! They are those that pg_dump writes: owner, privileges, comment, security labels, connection limit, settings for
//! everybody and for single roles. The statements are made by the same code, for a database of another name.

use crate::catalog::read_database_properties;
use crate::connect::Session;
use crate::ddl::{self, DdlOptions};
use crate::error::Result;
use crate::model::database::DatabaseProperties;
use crate::model::{Database, SessionFacts};
use crate::restore::definition_for_target;
use crate::sql::quote_identifier;

/// What a server knows of one of its databases.
#[derive(Debug, Clone)]
pub(super) struct Properties {
    facts: SessionFacts,
    properties: DatabaseProperties,
}

impl Properties {
    /// Reads them; none when there is no such database.
    pub(super) async fn read(session: &Session, database: &str) -> Result<Option<Properties>> {
        let Some(properties) = read_database_properties(session, database).await? else {
            return Ok(None);
        };
        Ok(Some(Properties {
            facts: SessionFacts {
                version: session.version(),
                version_text: session.version_text(),
                encoding: session.parameter("client_encoding").unwrap_or_default(),
                standard_conforming_strings: session
                    .parameter("standard_conforming_strings")
                    .is_some_and(|value| value == "on"),
                database: database.to_owned(),
                in_recovery: false,
            },
            properties,
        }))
    }

    /// Returns the owner.
    pub(super) fn owner(&self) -> &str {
        &self.properties.owner
    }

    /// Returns the comment.
    pub(super) fn comment(&self) -> Option<&str> {
        self.properties.comment.as_deref()
    }

    /// Tells whether single roles have settings in the database.
    pub(super) fn has_role_settings(&self) -> bool {
        self.properties.settings.iter().any(|(role, ..)| role.is_some())
    }

    /// Returns the statement that creates an empty database like it under another name.
    pub(super) fn create_statement(&self, name: &str) -> Result<String> {
        let entries = self.entries(name)?;
        let definition = entries.into_iter().find(|(desc, _)| desc == "DATABASE");
        let definition = definition.map(|(_, sql)| sql).unwrap_or_default();
        Ok(definition_for_target(&definition, self.facts.version))
    }

    /// Returns the statements that give a database of another name everything that can be changed of it.
    pub(super) fn statements(&self, name: &str) -> Result<Vec<String>> {
        let owner = quote_identifier(&self.properties.owner);
        let mut statements =
            vec![format!("ALTER DATABASE {} OWNER TO {owner}", quote_identifier(name))];
        for (desc, definition) in self.entries(name)? {
            if matches!(desc.as_str(), "COMMENT" | "SECURITY LABEL" | "ACL" | "DATABASE PROPERTIES")
            {
                statements.push(definition);
            }
        }
        if self.properties.comment.is_none() {
            statements.push(format!("COMMENT ON DATABASE {} IS NULL", quote_identifier(name)));
        }
        Ok(statements)
    }

    fn entries(&self, name: &str) -> Result<Vec<(String, String)>> {
        let facts = SessionFacts { database: name.to_owned(), ..self.facts.clone() };
        let mut database = Database::new(facts);
        database.properties = self.properties.clone();
        let entries = ddl::all_entries(&database, &[], &DdlOptions::default())?;
        Ok(entries.into_iter().map(|entry| (entry.desc, entry.definition)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ServerVersion;
    use crate::model::acl::Acl;

    fn shop() -> Properties {
        Properties {
            facts: SessionFacts {
                version: ServerVersion(120_022),
                version_text: "12.22".into(),
                encoding: "UTF8".into(),
                standard_conforming_strings: true,
                database: "shop".into(),
                in_recovery: false,
            },
            properties: DatabaseProperties {
                owner: "Boss".into(),
                encoding: "UTF8".into(),
                locale_provider: 'c',
                collate: "C".into(),
                ctype: "C".into(),
                connection_limit: 7,
                acl: Acl {
                    current: Some("{=T/Boss,Boss=CTc/Boss,app=c/Boss}".into()),
                    default: Some("{=Tc/Boss,Boss=CTc/Boss}".into()),
                    initial: None,
                    initial_kind: None,
                },
                comment: Some("our shop".into()),
                settings: vec![
                    (None, "work_mem".into(), "8MB".into()),
                    (Some("app".into()), "search_path".into(), "a, b".into()),
                ],
                ..DatabaseProperties::default()
            },
        }
    }

    #[test]
    fn the_new_database_is_created_like_the_old_one() {
        assert_eq!(
            shop().create_statement("side").expect("text"),
            "CREATE DATABASE side WITH TEMPLATE = template0 ENCODING = 'UTF8' LC_COLLATE = 'C' LC_CTYPE = 'C';\n"
        );
    }

    #[test]
    fn everything_that_can_be_changed_is_given_to_the_new_database() {
        let text = shop().statements("New").expect("text").join("\n");
        for part in [
            "ALTER DATABASE \"New\" OWNER TO \"Boss\"",
            "COMMENT ON DATABASE \"New\" IS 'our shop';",
            "GRANT CONNECT ON DATABASE \"New\" TO app;",
            "ALTER DATABASE \"New\" CONNECTION LIMIT = 7;",
            "ALTER DATABASE \"New\" SET work_mem TO '8MB';",
            "ALTER ROLE app IN DATABASE \"New\" SET search_path TO 'a', 'b';",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
