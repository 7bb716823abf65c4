//! Where claims start looking.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Claimed;

/// Where the next claim of each queue starts looking.
///
/// Jobs that were claimed long ago stay in the index for as long as anyone holds an old snapshot of
/// the database, and they pile up at its head. A scan therefore starts where the last one found
/// work; earlier when a hint names an earlier rank; and from the beginning every few seconds, for
/// what committed late or was put back.
#[derive(Debug)]
pub struct Cursor {
    queues: BTreeMap<String, Start>,
    /// When everything is looked at again.
    next_whole: Instant,
}

#[derive(Debug)]
struct Start {
    /// Where the last scan found work.
    place: Place,
    /// The earliest rank that was hinted at since the last scan began.
    hinted: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) rank: i64,
    pub(super) id: Uuid,
}

const BEGINNING: Place = Place {
    rank: i64::MIN,
    id: Uuid::nil(),
};

impl Cursor {
    /// How often to scan from the beginning, at least.
    const WHOLE_EVERY: Duration = Duration::from_secs(5);
    /// A scan from the beginning that is slow is made less often: at most this part of the time goes into it.
    const WHOLE_SHARE: u32 = 50;

    /// At the beginning of these queues.
    #[must_use]
    pub fn new(queues: impl IntoIterator<Item = String>) -> Self {
        let start = || Start {
            place: BEGINNING,
            hinted: None,
        };
        Self {
            queues: queues.into_iter().map(|queue| (queue, start())).collect(),
            next_whole: Instant::now(),
        }
    }

    /// A hint: `queue` has work at `rank`.
    pub fn look_at(&mut self, queue: &str, rank: i64) {
        if let Some(start) = self.queues.get_mut(queue) {
            start.hinted = Some(start.hinted.map_or(rank, |hinted| hinted.min(rank)));
        }
    }

    /// Look at everything next time.
    pub fn rewind(&mut self) {
        self.next_whole = Instant::now();
    }

    /// Where to start now.
    pub(super) fn start(&mut self) -> Scan {
        let whole = Instant::now() >= self.next_whole;
        let from = self.queues.iter_mut().map(|(queue, start)| {
            let hinted = start.hinted.take().map(|rank| Place {
                rank,
                id: Uuid::nil(),
            });
            let from = if whole {
                BEGINNING
            } else {
                hinted.map_or(start.place, |hinted| hinted.min(start.place))
            };
            (queue.clone(), from)
        });
        Scan {
            started: Instant::now(),
            whole,
            from: from.collect(),
        }
    }

    /// What was found: the next scan starts there. A queue where nothing was found keeps its place.
    pub(super) fn found(&mut self, scan: &Scan, jobs: &[Claimed]) {
        if scan.whole {
            let cost = scan.started.elapsed() * Self::WHOLE_SHARE;
            self.next_whole = Instant::now() + cost.max(Self::WHOLE_EVERY);
        }
        for (queue, start) in &mut self.queues {
            let places = jobs.iter().filter(|job| job.queue == *queue);
            let last = places.map(|job| Place {
                rank: job.rank,
                id: job.id.0,
            });
            if let Some(last) = last.max() {
                start.place = last;
            }
        }
    }
}

/// A look at the queues.
#[derive(Debug)]
pub(super) struct Scan {
    started: Instant,
    whole: bool,
    /// Where it starts in each.
    pub(super) from: BTreeMap<String, Place>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ClaimId, JobId};

    fn job(rank: i64) -> Claimed {
        Claimed {
            id: JobId(Uuid::from_u128(7)),
            claim_id: ClaimId(Uuid::nil()),
            queue: "a".to_owned(),
            rank,
            task: String::new(),
            task_type: String::new(),
            input: String::new(),
            attempt: 1,
            failures: 0,
            max_attempts: 1,
            connection_id: None,
            traceparent: None,
            stream: false,
            waited: Duration::ZERO,
        }
    }

    fn cursor() -> Cursor {
        let mut cursor = Cursor::new(["a".to_owned()]);
        let scan = cursor.start();
        cursor.found(&scan, &[job(10), job(12), job(11)]);
        cursor
    }

    #[test]
    fn the_first_scan_starts_at_the_beginning_and_the_next_where_it_found_work() {
        let mut cursor = cursor();
        let scan = cursor.start();
        assert!(!scan.whole);
        assert_eq!(
            scan.from["a"],
            Place {
                rank: 12,
                id: Uuid::from_u128(7)
            }
        );
    }

    #[test]
    fn a_hint_moves_the_start_back_and_never_ahead() {
        let mut cursor = cursor();
        cursor.look_at("a", 50);
        assert_eq!(cursor.start().from["a"].rank, 12);
        cursor.look_at("a", 5);
        assert_eq!(
            cursor.start().from["a"],
            Place {
                rank: 5,
                id: Uuid::nil()
            }
        );
        cursor.look_at("unknown", 5);
    }

    #[test]
    fn a_hint_that_comes_during_a_whole_scan_is_kept() {
        let mut cursor = Cursor::new(["a".to_owned()]);
        let scan = cursor.start();
        assert!(scan.whole);
        cursor.look_at("a", 3);
        cursor.found(&scan, &[job(20)]);
        assert_eq!(cursor.start().from["a"].rank, 3);
        assert_eq!(cursor.start().from["a"].rank, 20);
    }

    #[test]
    fn a_hint_that_comes_during_a_scan_is_kept() {
        let mut cursor = cursor();
        let scan = cursor.start();
        cursor.look_at("a", 3);
        cursor.found(&scan, &[job(20)]);
        assert_eq!(cursor.start().from["a"].rank, 3);
    }

    #[test]
    fn a_hint_between_where_a_scan_began_and_what_it_found_is_kept() {
        let mut cursor = cursor();
        let scan = cursor.start();
        cursor.look_at("a", 15);
        cursor.found(&scan, &[job(20)]);
        assert_eq!(cursor.start().from["a"].rank, 15);
    }

    #[test]
    fn a_rewound_cursor_looks_at_everything_once() {
        let mut cursor = cursor();
        cursor.rewind();
        let scan = cursor.start();
        assert_eq!((scan.whole, scan.from["a"]), (true, BEGINNING));
        cursor.found(&scan, &[]);
        assert!(!cursor.start().whole);
    }
}
