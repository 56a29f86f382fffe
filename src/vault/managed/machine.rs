//! What a managed restore does next, and what it does to go back: pure.
//!
//! ```text
//!            create, restore          prove           fence            swap            accept
//!   nothing ----------------> restoring ----> proved -------> fenced --------> swapped -------> kept
//!      ^                          |             |   <-------- |                |  ^              |
//!      |                          |             |    unfence                   |  | reopen       | close
//!      +---------- drop ----------+-------------+                              v  |              v
//!                                                                 undone <---- returning <-------+
//!                                                                       swap back
//! ```
//!
//! A stage is what the comments on the server say, and nothing else is needed to go on. Each arrow is one
//! transaction, or (to create, restore and drop) something that is begun again from nothing. So wherever a
//! process is killed, what is found is one of these stages, and both ends can be reached: forwards to the restored
//! database, backwards to the one that was there.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The side database is there and is not known to be whole.
    Restoring,
    /// The side database is proved; the old one has not been touched.
    Proved,
    /// As [`Stage::Proved`], and the old one takes no connections.
    Fenced,
    /// The names are exchanged; nobody has looked at the new one under its name yet.
    Swapped,
    /// The new one is in its place, the old one is kept for a while.
    Kept,
    /// The new one takes no connections, because the old one is to come back.
    Returning,
    /// The old one is back; the one that was restored is kept for a while.
    Undone,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Creates the side database, with the encoding, locale and tablespace of the one it will replace.
    CreateSide,
    /// Restores into it.
    Restore,
    /// Compares it with the backup, and writes down that it is equal.
    Prove,
    /// Closes the old database for new connections.
    Fence,
    /// Ends the sessions that are connected to the database that will be renamed, or refuses.
    EndSessions,
    /// Exchanges the names and gives the new database the properties of the old one, in one transaction.
    Swap,
    /// Looks at the new database under its name, and writes down that it is there.
    Accept,
    /// Drops the side database.
    DropSide,
    /// Opens the old database again.
    Unfence,
    /// Closes the new database, because the old one is to come back.
    Close,
    /// Opens the new database again.
    Reopen,
    /// Exchanges the names back, in one transaction.
    SwapBack,
}

/// Returns the steps from a stage to the restored database.
pub(super) fn forwards(stage: Option<Stage>) -> &'static [Step] {
    use Step::*;
    match stage {
        None => &[CreateSide, Restore, Prove, Fence, EndSessions, Swap, Accept],
        // What is there of the side database tells nothing, so it is made again.
        Some(Stage::Restoring) => {
            &[DropSide, CreateSide, Restore, Prove, Fence, EndSessions, Swap, Accept]
        }
        Some(Stage::Proved) => &[Fence, EndSessions, Swap, Accept],
        Some(Stage::Fenced) => &[EndSessions, Swap, Accept],
        Some(Stage::Swapped) => &[Accept],
        Some(Stage::Returning) => &[Reopen, Accept],
        Some(Stage::Kept | Stage::Undone) => &[],
    }
}

/// Returns the steps from a stage to the database that was there.
pub(super) fn backwards(stage: Option<Stage>) -> &'static [Step] {
    use Step::*;
    match stage {
        Some(Stage::Restoring | Stage::Proved) => &[DropSide],
        Some(Stage::Fenced) => &[Unfence, DropSide],
        Some(Stage::Swapped | Stage::Kept) => &[Close, EndSessions, SwapBack],
        Some(Stage::Returning) => &[EndSessions, SwapBack],
        None | Some(Stage::Undone) => &[],
    }
}

impl Stage {
    /// Tells whether a run at this stage waits for somebody to say which way it ends.
    pub(super) fn is_open(self) -> bool {
        !matches!(self, Stage::Kept | Stage::Undone)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Restoring => "restoring",
            // Whether there was anything to prove it with depends on the archive.
            Stage::Proved => "ready",
            Stage::Fenced => "fenced",
            Stage::Swapped => "swapped",
            Stage::Kept => "kept",
            Stage::Returning => "returning",
            Stage::Undone => "undone",
        })
    }
}

impl Step {
    /// Returns the stage that the step ends with when it begins with `stage`; none when nothing is left of the run.
    pub(super) fn leads_to(self, stage: Stage) -> Option<Stage> {
        match self {
            Step::CreateSide => Some(Stage::Restoring),
            Step::Prove | Step::Unfence => Some(Stage::Proved),
            Step::Fence => Some(Stage::Fenced),
            Step::Swap | Step::Reopen => Some(Stage::Swapped),
            Step::Accept => Some(Stage::Kept),
            Step::Close => Some(Stage::Returning),
            Step::SwapBack => Some(Stage::Undone),
            Step::Restore | Step::EndSessions => Some(stage),
            Step::DropSide => None,
        }
    }

    /// Returns the words for a person who waits.
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Step::CreateSide => "create the side database",
            Step::Restore => "restore into it",
            Step::Prove => "prove it equal to the backup",
            Step::Fence => "close the old database for new connections",
            Step::EndSessions => "see that nobody is connected",
            Step::Swap => "exchange the names",
            Step::Accept => "look at the new database",
            Step::DropSide => "drop the side database",
            Step::Unfence => "open the old database again",
            Step::Close => "close the new database for new connections",
            Step::Reopen => "open the new database again",
            Step::SwapBack => "exchange the names back",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.phrase())
    }
}

#[cfg(test)]
mod tests;
