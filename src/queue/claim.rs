//! Taking jobs to run them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::{ClaimId, ConnectionId, JobId, WorkerId};

/// A job that a worker holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The job.
    pub id: JobId,
    /// The fence of every later write.
    pub claim_id: ClaimId,
    /// Where it waited.
    pub queue: String,
    /// Its place there.
    pub rank: i64,
    /// What runs it.
    pub task: String,
    /// The name it was asked by.
    pub task_type: String,
    /// What it works on, as JSON.
    pub input: String,
    /// Which start of it this is, from 1.
    pub attempt: i32,
    /// How often it has failed before.
    pub failures: i32,
    /// How often it may fail.
    pub max_attempts: i32,
    /// The socket that asked.
    pub connection_id: Option<ConnectionId>,
    /// Whether whoever asked wants to hear of it while it runs.
    pub stream: bool,
}

/// What one claim gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// The jobs, in the order they waited in.
    pub jobs: Vec<Claimed>,
    /// Whether one of the queues is paused: nobody may say when it no longer is.
    pub paused: bool,
}

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
struct Place {
    rank: i64,
    id: Uuid,
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
    fn start(&mut self) -> Scan {
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
    fn found(&mut self, scan: &Scan, jobs: &[Claimed]) {
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

#[derive(Debug)]
struct Scan {
    started: Instant,
    whole: bool,
    from: BTreeMap<String, Place>,
}

/// What a worker may claim, and how.
#[derive(Debug)]
pub struct Want<'a> {
    /// The worker.
    pub worker: WorkerId,
    /// What it can run.
    pub tasks: &'a [String],
    /// For how many jobs it has room.
    pub width: usize,
    /// For how many of each queue, where that is less.
    pub widths: BTreeMap<String, usize>,
    /// How the claim is committed.
    pub commit: Commit,
}

impl<'a> Want<'a> {
    /// At most so many jobs of any queue, in a claim that may be lost.
    #[must_use]
    pub fn any(worker: WorkerId, tasks: &'a [String], width: usize) -> Self {
        Self {
            worker,
            tasks,
            width,
            widths: BTreeMap::new(),
            commit: Commit::Soon,
        }
    }
}

/// How a claim is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Before it is answered.
    Durable,
    /// A little later: a crash of the server may undo it, and another worker then claims the same job.
    Soon,
}

/// Claims ready jobs.
///
/// # Errors
/// Those of the database.
pub async fn claim(
    connection: &mut PgConnection,
    cursor: &std::sync::Mutex<Cursor>,
    want: &Want<'_>,
) -> Result<Claims, sqlx::Error> {
    let scan = lock(cursor).start();
    let width = i64::try_from(want.width).unwrap_or(i64::MAX);
    let mut places: Vec<(&String, &Place)> = scan.from.iter().collect();
    // Another queue is asked first each time, so that a backlog in one does not starve the others.
    let first = fastrand::usize(..places.len().max(1));
    places.rotate_left(first);
    let queues: Vec<String> = places.iter().map(|(queue, _)| (*queue).clone()).collect();
    let ranks: Vec<i64> = places.iter().map(|(_, place)| place.rank).collect();
    let ids: Vec<Uuid> = places.iter().map(|(_, place)| place.id).collect();
    let width_of = |queue: &String| match want.widths.get(queue) {
        Some(width) => i64::try_from(*width).unwrap_or(i64::MAX),
        None => width,
    };
    let widths: Vec<i64> = queues.iter().map(width_of).collect();
    let rows = sqlx::query_file_as!(
        Row,
        "src/queue/claim.sql",
        &queues,
        &ranks,
        &ids,
        want.worker.0,
        want.tasks,
        &widths,
        want.commit == Commit::Soon,
        width
    )
    .fetch_all(connection)
    .await
    // The hints that it used up are not to be lost.
    .inspect_err(|_| lock(cursor).rewind())?;
    let paused = rows.iter().any(|row| row.paused);
    let mut jobs: Vec<Claimed> = rows.into_iter().filter_map(Row::claimed).collect();
    lock(cursor).found(&scan, &jobs);
    // An update returns its rows in no order; they start in the order they waited in.
    jobs.sort_by_key(|job| (job.rank, job.id));
    Ok(Claims { jobs, paused })
}

/// A job that was claimed, if there is one, and whether a queue is paused.
struct Row {
    id: Option<JobId>,
    claim_id: Option<ClaimId>,
    queue: Option<String>,
    rank: Option<i64>,
    task: Option<String>,
    task_type: Option<String>,
    input: Option<String>,
    attempt: Option<i32>,
    failures: Option<i32>,
    max_attempts: Option<i32>,
    connection_id: Option<ConnectionId>,
    stream: Option<bool>,
    paused: bool,
}

impl Row {
    fn claimed(self) -> Option<Claimed> {
        Some(Claimed {
            id: self.id?,
            claim_id: self.claim_id?,
            queue: self.queue?,
            rank: self.rank?,
            task: self.task?,
            task_type: self.task_type?,
            input: self.input?,
            attempt: self.attempt?,
            failures: self.failures?,
            max_attempts: self.max_attempts?,
            connection_id: self.connection_id,
            stream: self.stream?,
        })
    }
}

fn lock(cursor: &std::sync::Mutex<Cursor>) -> std::sync::MutexGuard<'_, Cursor> {
    cursor
        .lock()
        .expect("nobody panics while holding the cursor")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            stream: false,
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
