//! The steps of a run in words, for whoever is asked whether to go on.

use super::journal::Journal;
use super::machine::Step;
use super::options::ManagedOptions;
use crate::sql::quote_identifier;
use crate::vault::side::Sessions;

/// Where the lines of a step begin after the first one.
const INDENT: &str = "     ";

/// Tells what a step does in this run; none for what happens only with a database to replace.
pub(super) fn in_words(step: Step, journal: &Journal, options: &ManagedOptions) -> Option<String> {
    let names = journal.names();
    let [target, side, old, undone] =
        [&names.target, &names.side, &names.old, &names.undone].map(|name| quote_identifier(name));
    let replaces = journal.target_oid.is_some();
    let needs_target = matches!(step, Step::Fence | Step::EndSessions | Step::Accept);
    if needs_target && !replaces {
        return None;
    }
    Some(match step {
        Step::CreateSide => format!("create {side}, like {target}"),
        Step::Restore => format!("restore into it over {} connections", options.jobs),
        Step::Prove if journal.provable => "prove it equal to the backup".to_owned(),
        Step::Prove => "nothing to compare it with: the archive has no manifest".to_owned(),
        Step::Fence => format!("close {target} for new connections"),
        Step::EndSessions if options.sessions == Sessions::Ended => {
            format!("end the sessions that are connected to {target}")
        }
        Step::EndSessions => format!("make sure that nobody is connected to {target}"),
        Step::Swap if replaces => format!(
            "exchange the names in one transaction:\n\
             {INDENT}  {target} -> {old}\n\
             {INDENT}  {side} -> {target}\n\
             {INDENT}with owner, privileges, comment, labels, settings and limits of the old one"
        ),
        Step::Swap => format!("{side} becomes {target}"),
        Step::Accept => format!(
            "look at {target}; the old one is kept, closed, for {}",
            humantime::format_duration(std::time::Duration::from_secs(
                u64::try_from(journal.keep_seconds).unwrap_or_default()
            ))
        ),
        Step::DropSide => format!("drop {side}"),
        Step::Unfence | Step::Reopen => format!("open {target} again"),
        Step::Close => format!("close {target}, which was restored, for new connections"),
        Step::SwapBack => format!(
            "exchange the names back in one transaction:\n\
             {INDENT}  {target} -> {undone}\n\
             {INDENT}  {old} -> {target}"
        ),
    })
}
