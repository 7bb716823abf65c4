//! What there is to look at, gathered from hints and polls.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use crate::ids::{JobId, SessionId};
use crate::postgres::listener::Wake;

/// What there is to look at.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Jobs that may be over, and why to look at them.
    pub(super) jobs: BTreeMap<JobId, Why>,
    /// Jobs that may have said something.
    pub(super) said: BTreeSet<JobId>,
    /// Sessions that have gone to another gateway, with their new epoch.
    pub(super) taken: Vec<(SessionId, i64)>,
    pub(super) notices: bool,
    /// The number of the newest notice, as far as it is known.
    pub(super) newest_notice: i64,
    pub(super) unheard: Option<Unheard>,
}

/// Why to look at a job; what says more comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Somebody has come who asks for it.
    Asked,
    /// Nobody has told of it for a while.
    Polled,
    /// Another gateway has passed on that it is over.
    PassedOn,
    /// A hint was about it; where its session is elsewhere, that is passed on.
    Hinted,
}

/// Which of the jobs that sockets wait for to ask for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unheard {
    /// All: hints may have been missed.
    All,
    /// Those that have waited longest: as many as are due in the time between two polls.
    Longest(Duration),
}

impl Look {
    /// Notes a reason to look; `done_channel` is this gateway's own.
    pub(super) fn note(&mut self, wake: Wake, done_channel: &str) {
        match wake {
            Wake::Sweep => {
                self.notices = true;
                self.unheard = Some(Unheard::All);
            }
            // Whether there are notices is answered with the other questions of a poll.
            Wake::Poll { every } => {
                self.unheard.get_or_insert(Unheard::Longest(every));
            }
            Wake::Hint { channel, payload } if channel == done_channel => {
                if self.note_done(&payload).is_none() {
                    // A hint in words we do not know says at least that there is something.
                    self.unheard = Some(Unheard::All);
                }
            }
            Wake::Hint { .. } => self.notices = true,
        }
    }

    /// Notes jobs that may be over.
    pub(super) fn note_jobs(&mut self, jobs: impl IntoIterator<Item = JobId>, why: Why) {
        for job in jobs {
            let known = self.jobs.entry(job).or_insert(why);
            *known = why.max(*known);
        }
    }

    /// Reads `ID ID …`, the same after a `+` when another gateway has passed it on, or after a `*` where they have only
    /// said something; or `session ID EPOCH`.
    fn note_done(&mut self, payload: &str) -> Option<()> {
        let mut words = payload.split(' ').peekable();
        if words.next_if_eq(&"session").is_some() {
            let session = SessionId(Uuid::parse_str(words.next()?).ok()?);
            self.taken.push((session, words.next()?.parse().ok()?));
            return Some(());
        }
        let said = words.next_if_eq(&"*").is_some();
        let passed_on = words.next_if_eq(&"+").is_some();
        let ids: Result<Vec<Uuid>, _> = words.map(Uuid::parse_str).collect();
        let ids = ids.ok()?.into_iter().map(JobId);
        if said {
            self.said.extend(ids);
            return Some(());
        }
        let why = if passed_on {
            Why::PassedOn
        } else {
            Why::Hinted
        };
        self.note_jobs(ids, why);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(payload: &str) -> Look {
        let mut look = Look::default();
        let wake = Wake::Hint {
            channel: "done".to_owned(),
            payload: payload.to_owned(),
        };
        look.note(wake, "done");
        look
    }

    #[test]
    fn a_hint_names_jobs_that_may_be_passed_on_once() {
        let ids = [JobId(Uuid::from_u128(1)), JobId(Uuid::from_u128(2))];
        let why = |look: Look| look.jobs.into_values().collect::<Vec<_>>();
        let both = heard(&format!("{} {}", ids[0], ids[1]));
        assert_eq!(why(both), [Why::Hinted, Why::Hinted]);
        let mut look = heard(&format!("+ {}", ids[0]));
        look.note_jobs(ids, Why::Polled);
        assert_eq!(why(look), [Why::PassedOn, Why::Polled]);
    }

    #[test]
    fn a_hint_names_a_session_that_was_taken_over() {
        let session = SessionId(Uuid::from_u128(1));
        assert_eq!(
            heard(&format!("session {} 7", session.0)).taken,
            [(session, 7)]
        );
    }

    #[test]
    fn a_hint_names_jobs_that_have_said_something() {
        let ids = [JobId(Uuid::from_u128(1)), JobId(Uuid::from_u128(2))];
        let look = heard(&format!("* {} {}", ids[0], ids[1]));
        assert_eq!((look.said.len(), look.jobs.len()), (2, 0));
    }

    #[test]
    fn a_hint_in_unknown_words_says_to_look_at_everything() {
        for payload in ["", "look", "session x 7", "+ x", "* x"] {
            assert!(
                matches!(heard(payload).unheard, Some(Unheard::All)),
                "{payload}"
            );
        }
    }
}
