//! What one socket has asked for and heard: nothing is counted as well that was lost, came twice, or was another's.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::super::socket::Heard;

/// What one socket has seen, or all of them.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) queued: Vec<Duration>,
    pub(super) results: Vec<Duration>,
    pub(super) last: Option<Instant>,
    /// Stored, and without a result.
    pub(super) lost: usize,
    /// Sent, and without any answer.
    pub(super) unanswered: usize,
    pub(super) duplicated: usize,
    pub(super) misrouted: usize,
    pub(super) refused: usize,
    pub(super) failed: usize,
}

impl Seen {
    pub(super) fn add(&mut self, mut other: Self) {
        self.queued.append(&mut other.queued);
        self.results.append(&mut other.results);
        self.last = self.last.max(other.last);
        self.lost += other.lost;
        self.unanswered += other.unanswered;
        self.duplicated += other.duplicated;
        self.misrouted += other.misrouted;
        self.refused += other.refused;
        self.failed += other.failed;
    }
}

/// What one socket has asked for, and what came of it.
#[derive(Default)]
pub(super) struct Ledger {
    /// When each was sent, by its number, and whether it was answered.
    sent: Vec<(Instant, bool)>,
    /// The numbers of those that are stored, and whether they are over.
    stored: HashMap<Uuid, (usize, bool)>,
    out: usize,
    seen: Seen,
}

impl Ledger {
    /// How many have been sent.
    pub(super) fn sent(&self) -> usize {
        self.sent.len()
    }

    /// How many of them are neither over nor refused.
    pub(super) fn out(&self) -> usize {
        self.out
    }

    /// The next one is sent.
    pub(super) fn send(&mut self, now: Instant) {
        self.sent.push((now, false));
        self.out += 1;
    }

    /// Something has come.
    pub(super) fn hear(&mut self, heard: &Heard<'_>, now: Instant) {
        let number = heard.reference.as_ref().and_then(|mark| mark.parse().ok());
        match &*heard.action {
            "job_queued" => self.queued(number, heard.job_id, now),
            "job_result" => self.over(heard.job_id, now),
            "job_failed" | "job_cancelled" => {
                self.seen.failed += 1;
                self.over(heard.job_id, now);
            }
            "error" => {
                if let Some((_, answered)) =
                    number.and_then(|number: usize| self.sent.get_mut(number))
                {
                    *answered = true;
                    self.out -= 1;
                    self.seen.refused += 1;
                }
            }
            _ => {}
        }
    }

    /// What was seen, now that nothing more is waited for.
    pub(super) fn close(mut self) -> Seen {
        self.seen.lost = self.stored.values().filter(|(_, over)| !over).count();
        self.seen.unanswered = self.sent.iter().filter(|(_, answered)| !answered).count();
        self.seen
    }

    fn queued(&mut self, number: Option<usize>, job: Option<Uuid>, now: Instant) {
        let Some((number, job)) = number.zip(job) else {
            return;
        };
        if let Some((sent, answered)) = self.sent.get_mut(number) {
            *answered = true;
            self.seen.queued.push(now - *sent);
            self.stored.insert(job, (number, false));
        }
    }

    fn over(&mut self, job: Option<Uuid>, now: Instant) {
        match job.and_then(|job| self.stored.get_mut(&job)) {
            None => self.seen.misrouted += 1,
            Some((_, true)) => self.seen.duplicated += 1,
            Some((number, over)) => {
                *over = true;
                self.out -= 1;
                self.seen.results.push(now - self.sent[*number].0);
                self.seen.last = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::socket::read;
    use super::*;

    const JOB: &str = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1";
    const OTHER: &str = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b2";

    /// A ledger of this many submissions that has heard these messages.
    fn ledger(submissions: usize, messages: &[&str]) -> Seen {
        let mut ledger = Ledger::default();
        for _ in 0..submissions {
            ledger.send(Instant::now());
        }
        for message in messages {
            let message = message.replace("JOB", JOB).replace("OTHER", OTHER);
            ledger.hear(&read(&message).unwrap(), Instant::now());
        }
        ledger.close()
    }

    const QUEUED: &str = r#"{"action":"job_queued","payload":"…","ref":"0","job_id":"JOB"}"#;
    const RESULT: &str = r#"{"action":"job_result","payload":"…","id":"JOB","job_id":"JOB"}"#;

    #[test]
    fn a_job_that_came_back_once_is_one_result() {
        let seen = ledger(1, &[QUEUED, RESULT]);
        assert_eq!((seen.queued.len(), seen.results.len()), (1, 1));
        let wrong = [
            seen.lost,
            seen.unanswered,
            seen.duplicated,
            seen.misrouted,
            seen.refused,
            seen.failed,
        ];
        assert_eq!(wrong, [0; 6]);
    }

    #[test]
    fn what_goes_wrong_is_counted_as_what_it_is() {
        assert_eq!(ledger(1, &[QUEUED]).lost, 1);
        assert_eq!(ledger(2, &[QUEUED, RESULT]).unanswered, 1);
        let twice = ledger(1, &[QUEUED, RESULT, RESULT]);
        assert_eq!((twice.results.len(), twice.duplicated), (1, 1));
        let stray = r#"{"action":"job_result","payload":"…","id":"OTHER","job_id":"OTHER"}"#;
        assert_eq!(ledger(1, &[QUEUED, stray, RESULT]).misrouted, 1);
        let refused = r#"{"action":"error","payload":[],"ref":"0"}"#;
        let refused = ledger(1, &[refused]);
        assert_eq!((refused.refused, refused.unanswered), (1, 0));
        let failed = r#"{"action":"job_failed","payload":"…","id":"JOB","job_id":"JOB"}"#;
        assert_eq!(ledger(1, &[QUEUED, failed]).failed, 1);
    }
}
