//! How far the one transaction of `--single-transaction` has come, which decides what an error leaves behind.

use crate::connect::is_connection_lost;
use crate::error::{Error, ErrorKind};

/// How far the transaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Commit {
    #[default]
    Open,
    /// COMMIT was sent and not answered.
    Asked,
    Done,
}

impl Commit {
    /// Adds to an error that ended the run what has become of the transaction.
    pub(super) fn explain(self, error: Error) -> Error {
        let unanswered = is_connection_lost(&error) || error.kind() == ErrorKind::Interrupted;
        match self {
            Commit::Done => error.context(
                "everything is restored and committed, but what comes after that is not done",
            ),
            Commit::Asked if unanswered => error
                .context("it is not known whether the restore was committed")
                .with_hint("all of it is there, or nothing: look for one of its tables"),
            Commit::Open | Commit::Asked => {
                let kind = match error.kind() {
                    ErrorKind::Interrupted => ErrorKind::Interrupted,
                    _ => ErrorKind::RolledBack,
                };
                let what = "the restore was rolled back, the target is as it was before";
                let mut outer = Error::new(kind, what);
                for hint in error.hints() {
                    outer = outer.with_hint(hint.clone());
                }
                outer.with_source(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_committed_is_rolled_back() {
        let explained = |commit: Commit, kind| commit.explain(Error::new(kind, "it failed"));
        let rolled_back = explained(Commit::Open, ErrorKind::Connection);
        assert_eq!(rolled_back.kind(), ErrorKind::RolledBack);
        assert_eq!(explained(Commit::Asked, ErrorKind::Server).kind(), ErrorKind::RolledBack);
        assert_eq!(explained(Commit::Open, ErrorKind::Interrupted).kind(), ErrorKind::Interrupted);
        for (commit, words) in [
            (Commit::Asked, "it is not known"),
            (Commit::Done, "everything is restored and committed"),
        ] {
            let error = explained(commit, ErrorKind::Interrupted);
            assert_eq!(error.kind(), ErrorKind::Interrupted);
            assert!(error.message().starts_with(words), "{error}");
        }
    }
}
