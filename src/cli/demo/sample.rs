//! The sample database that is built into the program, and its loading.
//!
//! The files of `fixtures/demo` say in a `-- needs:` line what a server must have for them; the script
//! `fixtures/demo/load` reads the same lines.

use crate::connect::{Session, server_error};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, Progress};

/// A file of the sample database.
struct Part {
    name: &'static str,
    sql: &'static str,
}

macro_rules! part {
    ($name:literal) => {
        Part { name: $name, sql: include_str!(concat!("../../../fixtures/demo/", $name, ".sql")) }
    };
}

/// The files in the order of their numbers.
const PARTS: &[Part] = &[
    part!("00_roles"),
    part!("10_line"),
    part!("20_values"),
    part!("30_rows"),
    part!("35_scale"),
    part!("40_logic"),
    part!("51_since_14"),
    part!("52_since_15"),
    part!("53_since_17"),
    part!("54_since_18"),
    part!("60_contrib"),
    part!("61_xml"),
    part!("62_superuser"),
];

/// The roles that the sample database needs, in an order in which they can be dropped.
pub(super) const ROLES: [&str; 4] =
    ["pgark_demo_auditor", "pgark_demo_clerk", "pgark_demo_Odd \"Role\"", "pgark_demo_owner"];

/// What a server must have for a part.
#[derive(Debug, PartialEq, Eq)]
enum Need<'a> {
    /// At least this major version.
    Server(u32),
    /// An extension that the role may create.
    Extension(&'a str),
    /// A server that was built with libxml.
    Xml,
    /// A superuser.
    Superuser,
    /// A role that may create roles.
    CreateRole,
}

impl Part {
    /// Returns what the part needs; the first unknown need as an error.
    fn needs(&self) -> Result<Vec<Need<'static>>, &'static str> {
        let list = self.sql.lines().find_map(|line| line.strip_prefix("-- needs: "));
        list.unwrap_or_default().split(", ").map(need).collect()
    }
}

fn need(text: &'static str) -> Result<Need<'static>, &'static str> {
    match text.split_once(' ') {
        Some(("server", major)) => major.parse().map(Need::Server).map_err(|_| text),
        Some(("extension", name)) => Ok(Need::Extension(name)),
        _ => match text {
            "xml" => Ok(Need::Xml),
            "superuser" => Ok(Need::Superuser),
            "createrole" => Ok(Need::CreateRole),
            _ => Err(text),
        },
    }
}

/// What a server has.
struct Facts {
    major: u32,
    superuser: bool,
    creates_roles: bool,
    extensions: Vec<String>,
    xml: bool,
}

impl Facts {
    async fn read(session: &Session) -> Result<Facts> {
        let role = session
            .query(
                "ask what the role may do",
                "select rolsuper, rolsuper or rolcreaterole as creates from pg_catalog.pg_roles
                 where rolname = current_user",
            )
            .await?;
        let role = role.single()?;
        let superuser = role.boolean("rolsuper")?;
        let trusted = superuser || session.version().has_trusted_extensions();
        let rows = session
            .query(
                "list the extensions",
                "select name::text as name from pg_catalog.pg_available_extensions",
            )
            .await?;
        let mut extensions = Vec::new();
        for row in rows.iter().filter(|_| trusted) {
            extensions.push(row.text("name")?.to_owned());
        }
        let xml = match session.query("try XML", "select '<a/>'::xml as value").await {
            Ok(_) => true,
            Err(error) if server_error(&error).is_some() => false,
            Err(error) => return Err(error),
        };
        Ok(Facts {
            major: session.version().major(),
            superuser,
            creates_roles: role.boolean("creates")?,
            extensions,
            xml,
        })
    }

    fn meet(&self, need: &Need<'_>) -> bool {
        match need {
            Need::Server(major) => self.major >= *major,
            Need::Extension(name) => self.extensions.iter().any(|available| available == name),
            Need::Xml => self.xml,
            Need::Superuser => self.superuser,
            Need::CreateRole => self.creates_roles,
        }
    }
}

/// What was loaded.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct Loaded {
    pub(super) schemas: u64,
    pub(super) tables: u64,
    pub(super) bytes: u64,
}

/// Loads the sample database into the empty database of a session; the large tables get `rows` rows.
pub(super) async fn load(
    session: &Session,
    rows: u64,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Loaded> {
    let facts = Facts::read(session).await?;
    if !facts.creates_roles {
        return Err(Error::new(
            ErrorKind::Refused,
            "the sample database needs roles, and this role may not create any",
        )
        .with_hint("log in as a role with CREATEDB and CREATEROLE"));
    }
    session
        .execute(
            "prepare the session",
            &format!("set client_min_messages = warning; set pgark_demo.rows = '{rows}'"),
        )
        .await?;
    progress.phase("loading", PARTS.len() as u64, 0);
    for part in PARTS {
        let needs = part.needs().map_err(|need| {
            Error::new(ErrorKind::Internal, format!("{} has the unknown need {need}", part.name))
        })?;
        if let Some(need) = needs.iter().find(|need| !facts.meet(need)) {
            progress.info(&format!("{} left out: the server lacks {need:?}", part.name));
            continue;
        }
        progress.started(part.name, 0);
        let purpose = format!("load {} of the sample database", part.name);
        tokio::select! {
            outcome = session.execute(&purpose, part.sql) => outcome?,
            () = interrupt.wait() => {
                // The connection is dropped with the run; the server would work on without this.
                let _ = session.canceller().cancel().await;
                interrupt.check()?;
            }
        }
        progress.finished(part.name);
    }
    let counts = session
        .query(
            "count what was loaded",
            "select count(*) as tables, count(distinct relnamespace) as schemas,
                    pg_catalog.pg_database_size(pg_catalog.current_database()) as bytes
             from pg_catalog.pg_class where relkind in ('r', 'p') and oid >= 16384",
        )
        .await?;
    let counts = counts.single()?;
    Ok(Loaded {
        schemas: counts.integer("schemas")?,
        tables: counts.integer("tables")?,
        bytes: counts.integer("bytes")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_a_part_and_its_needs_are_known() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/demo");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder exists")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".sql").map(str::to_owned))
            .filter(|name| name != "99_drop_roles")
            .collect();
        files.sort();
        let parts: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        assert_eq!(files, parts);
        for part in PARTS {
            assert!(part.needs().is_ok_and(|needs| !needs.is_empty()), "{}", part.name);
        }
    }
}
