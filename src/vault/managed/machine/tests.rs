//! A server in miniature: every run is killed before and after every step, and must still reach both ends.

use super::*;

/// Everything that can be found; `None` is a server that knows nothing of the run.
const STAGES: [Option<Stage>; 8] = [
    None,
    Some(Stage::Restoring),
    Some(Stage::Proved),
    Some(Stage::Fenced),
    Some(Stage::Swapped),
    Some(Stage::Kept),
    Some(Stage::Returning),
    Some(Stage::Undone),
];

/// What a server holds, as far as a restore is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Server {
    /// What stands under the name of the target.
    target: Content,
    target_open: bool,
    /// The side database, and what its comment says.
    side: Option<(Content, Stage)>,
    /// The old database, and what its comment says.
    old: Option<Stage>,
    undone: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Original,
    Backup,
    Part,
}

const BEFORE: Server =
    Server { target: Content::Original, target_open: true, side: None, old: None, undone: false };

impl Server {
    /// Finds the stage as the program does: by the comments.
    fn stage(self) -> Option<Stage> {
        match (self.side, self.old, self.undone) {
            (Some((_, stage)), None, false) => Some(stage),
            (None, Some(stage), false) => Some(stage),
            (None, None, true) => Some(Stage::Undone),
            (None, None, false) => None,
            contradiction => panic!("{contradiction:?}"),
        }
    }

    /// Does a step; `None` when it finds something that it cannot work with.
    fn step(self, step: Step) -> Option<Server> {
        let mut next = self;
        match (step, self.side, self.old) {
            (Step::CreateSide, None, None) => next.side = Some((Content::Part, Stage::Restoring)),
            (Step::Restore, Some((Content::Part, Stage::Restoring)), None) => {
                next.side = Some((Content::Backup, Stage::Restoring));
            }
            (Step::Prove, Some((Content::Backup, Stage::Restoring)), None) => {
                next.side = Some((Content::Backup, Stage::Proved));
            }
            (Step::Fence, Some((Content::Backup, Stage::Proved)), None) => {
                next.side = Some((Content::Backup, Stage::Fenced));
                next.target_open = false;
            }
            (Step::EndSessions, _, _) if !self.target_open => {}
            (Step::Swap, Some((Content::Backup, Stage::Fenced)), None) if !self.target_open => {
                next.target = Content::Backup;
                next.target_open = true;
                next.side = None;
                next.old = Some(Stage::Swapped);
            }
            (Step::Accept, None, Some(Stage::Swapped)) if self.target_open => {
                next.old = Some(Stage::Kept);
            }
            (Step::DropSide, Some((_, Stage::Restoring | Stage::Proved)), None) => next.side = None,
            (Step::Unfence, Some((content, Stage::Fenced)), None) => {
                next.side = Some((content, Stage::Proved));
                next.target_open = true;
            }
            (Step::Close, None, Some(Stage::Swapped | Stage::Kept)) => {
                next.old = Some(Stage::Returning);
                next.target_open = false;
            }
            (Step::Reopen, None, Some(Stage::Returning)) => {
                next.old = Some(Stage::Swapped);
                next.target_open = true;
            }
            (Step::SwapBack, None, Some(Stage::Returning)) if !self.target_open => {
                next.old = None;
                next.target = Content::Original;
                next.target_open = true;
                next.undone = true;
            }
            _ => return None,
        }
        Some(next)
    }

    fn walk(self, steps: &[Step]) -> Server {
        steps.iter().fold(self, |server, step| {
            server.step(*step).unwrap_or_else(|| panic!("{step:?} in {server:?}"))
        })
    }
}

/// Returns every state in which a kill can leave a server, over any number of runs and kills.
fn reachable() -> Vec<Server> {
    let mut found = vec![BEFORE];
    let mut at = 0;
    while let Some(server) = found.get(at).copied() {
        at += 1;
        for steps in [forwards(server.stage()), backwards(server.stage())] {
            for count in 0..=steps.len() {
                let next = server.walk(&steps[..count]);
                if !found.contains(&next) {
                    found.push(next);
                }
            }
        }
    }
    found
}

#[test]
fn from_wherever_a_run_is_killed_both_ends_can_be_reached() {
    let found = reachable();
    for server in &found {
        let back = server.walk(backwards(server.stage()));
        assert_eq!((back.target, back.target_open), (Content::Original, true), "{server:?}");
        assert!(back.side.is_none() && back.old.is_none(), "{server:?}");
        if server.stage() == Some(Stage::Undone) {
            continue;
        }
        let forth = server.walk(forwards(server.stage()));
        assert_eq!((forth.target, forth.target_open), (Content::Backup, true), "{server:?}");
        assert_eq!(forth.stage(), Some(Stage::Kept), "{server:?}");
    }
    for stage in STAGES {
        assert!(found.iter().any(|server| server.stage() == stage), "{stage:?} is never reached");
    }
}

#[test]
fn the_name_never_stands_for_something_unproved() {
    for server in reachable() {
        assert_ne!(server.target, Content::Part, "{server:?}");
        if server.target == Content::Backup {
            assert!(server.old.is_some(), "the original is gone: {server:?}");
        }
    }
}

#[test]
fn a_step_leads_to_the_stage_that_it_writes_down() {
    for server in reachable() {
        for steps in [forwards(server.stage()), backwards(server.stage())] {
            let mut now = server;
            for &step in steps {
                let next = now.walk(&[step]);
                // Without a journal there is nothing before the first step, and its stage does not matter.
                let before = now.stage().unwrap_or(Stage::Restoring);
                assert_eq!(step.leads_to(before), next.stage(), "{step:?} in {now:?}");
                now = next;
            }
        }
    }
}
