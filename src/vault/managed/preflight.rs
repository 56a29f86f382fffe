//! What stands in the way of a swap, all of it at once and before anything is changed.

use super::found::Found;
use super::properties::Properties;
use super::server::{self, Ties};
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};

/// The way that needs none of what a swap needs.
const OTHER_MODE: &str = "what remains is to replace the objects inside the database: \"pgark backup --type safety\" first, then \"pgark restore --clean --if-exists -1 -d\", which leaves everything as it was when it fails";

/// Looks for everything that forbids to put another database in the place of `target`.
///
/// Who is connected now does not: they may be gone by the time of the swap, and what is restored waits for that.
///
/// # Errors
///
/// [`ErrorKind::Refused`] that names all of it.
pub(super) async fn check(
    session: &Session,
    found: &Found,
    properties: Option<&Properties>,
    target: &str,
) -> Result<()> {
    let mut obstacles = Obstacles::default();
    let rights = server::rights(session, target).await?;
    if !rights.creates {
        obstacles.add(format!("the role {:?} may not create databases", rights.role), OTHER_MODE);
    }
    if !rights.owns {
        let owner = properties.map_or("", Properties::owner);
        let what =
            format!("the database belongs to {owner:?}, and {:?} is no member of it", rights.role);
        obstacles.add(what, OTHER_MODE);
    }
    if !rights.settles_roles && properties.is_some_and(Properties::has_role_settings) {
        let what = format!(
            "roles have settings of their own in the database, which {:?} may not make for the new one",
            rights.role
        );
        obstacles.add(what, OTHER_MODE);
    }
    add_ties(&mut obstacles, &server::ties(session, target).await?);
    if ["template0", "template1"].contains(&target) {
        obstacles.add("it is a template that the server itself needs".into(), OTHER_MODE);
    }
    obstacles.refuse(target)?;
    found.refuse_open()
}

/// Refuses when something ties a database to what it is, and not to its name.
pub(super) async fn check_ties(session: &Session, database: &str) -> Result<()> {
    let mut obstacles = Obstacles::default();
    add_ties(&mut obstacles, &server::ties(session, database).await?);
    obstacles.refuse(database)
}

fn add_ties(obstacles: &mut Obstacles, ties: &Ties) {
    if !ties.slots.is_empty() {
        let what = format!(
            "logical replication slots read from it and would go on with the old one: {}",
            ties.slots.join(", ")
        );
        obstacles.add(what, OTHER_MODE);
    }
    if !ties.subscriptions.is_empty() {
        let what = format!(
            "subscriptions write into it and would go on with the old one: {}",
            ties.subscriptions.join(", ")
        );
        obstacles.add(what, "ALTER SUBSCRIPTION ... DISABLE stops a subscription");
        obstacles.add_hint(OTHER_MODE);
    }
    if !ties.prepared.is_empty() {
        let what = format!("transactions are prepared in it: {}", ties.prepared.join(", "));
        obstacles.add(what, "end them with COMMIT PREPARED or ROLLBACK PREPARED");
    }
}

#[derive(Default)]
struct Obstacles {
    obstacles: Vec<String>,
    hints: Vec<&'static str>,
}

impl Obstacles {
    fn add(&mut self, what: String, hint: &'static str) {
        self.obstacles.push(what);
        self.add_hint(hint);
    }

    fn add_hint(&mut self, hint: &'static str) {
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
    }

    fn refuse(self, target: &str) -> Result<()> {
        if self.obstacles.is_empty() {
            return Ok(());
        }
        let mut message = format!("the database {target:?} cannot be replaced by a swap");
        for obstacle in &self.obstacles {
            message.push_str(&format!("\n  - {obstacle}"));
        }
        let error = Error::new(ErrorKind::Refused, message);
        Err(self.hints.into_iter().fold(error, Error::with_hint))
    }
}
