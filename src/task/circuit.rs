//! A circuit breaker: while what a task calls seems to be away, its jobs wait, and are not burned on it.
//!
//! It opens after a run of failures, for a time that grows. When that is over, one job is tried; if it is answered, the
//! circuit is closed again. Each worker has its own.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::ids::JobId;

/// For how long it opens at first; twice as long each time that the job that was tried has failed.
const FIRST: Duration = Duration::from_secs(10);

/// For how long at most.
const LONGEST: Duration = Duration::from_secs(300);

/// How long the others wait while one is tried: a part of the time for which it was open, which is this,
const PART: u32 = 10;

/// and this at least.
const SHORTEST: Duration = Duration::from_secs(1);

/// Whether what a task calls is there.
#[derive(Debug)]
pub(super) struct Circuit {
    task: String,
    /// After how many failures in a row it opens.
    after: u32,
    first: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many calls have failed in a row.
    failures: u32,
    /// How often it has opened in a row.
    openings: u32,
    /// Until when it is open, if it is; then one may try.
    until: Option<Instant>,
    /// Whether one tries.
    tried: bool,
    /// The job that was tried last.
    last_tried: Option<JobId>,
}

/// That one call is made, and has to be answered for: whether whoever is called is there.
#[derive(Debug)]
pub(super) struct Passage {
    circuit: Arc<Circuit>,
    /// From when on it has taken too long.
    deadline: Option<Instant>,
    trial: Option<Trial>,
    is_over: bool,
}

/// A call that finds out whether whoever did not answer is there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// By another job than the last one.
    First,
    /// By the same job once more.
    Again,
}

/// What becomes of a job whose call has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// It has failed.
    Job,
    /// It has only found out that nobody is there yet, and waits so long.
    Nobody(Duration),
}

/// One that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The task whose jobs wait.
    pub task: String,
    /// How many calls have failed in a row.
    pub failures: u32,
    /// Until when it is; after that, the next job is tried.
    pub until: Instant,
}

impl Circuit {
    /// That of a task, which opens after so many failures.
    pub(super) fn new(task: &str, after: u32) -> Arc<Self> {
        Self::opening_for(task, after, FIRST)
    }

    fn opening_for(task: &str, after: u32, first: Duration) -> Arc<Self> {
        Arc::new(Self {
            task: task.to_owned(),
            after: after.max(1),
            first,
            state: Mutex::default(),
        })
    }

    /// Lets a call for a job through, or says how long the job waits.
    pub(super) fn enter(
        self: &Arc<Self>,
        job: JobId,
        deadline: Option<Instant>,
    ) -> Result<Passage, Duration> {
        let mut state = self.lock();
        let trial = match state.until {
            None => None,
            Some(until) => {
                let remaining = until.saturating_duration_since(Instant::now());
                if !remaining.is_zero() {
                    return Err(spread(remaining));
                }
                if state.tried {
                    return Err(spread((self.time(state.openings) / PART).max(SHORTEST)));
                }
                state.tried = true;
                match state.last_tried.replace(job) {
                    Some(last) if last == job => Some(Trial::Again),
                    _ => Some(Trial::First),
                }
            }
        };
        drop(state);
        Ok(Passage {
            circuit: Arc::clone(self),
            deadline,
            trial,
            is_over: false,
        })
    }

    /// What there is to say of it, if it is open.
    pub(super) fn open(&self) -> Option<Open> {
        let state = self.lock();
        Some(Open {
            task: self.task.clone(),
            failures: state.failures,
            until: state.until?,
        })
    }

    /// Its task, while no call is made for the jobs of that.
    pub(super) fn paused(&self) -> Option<&str> {
        let until = self.lock().until;
        let is_paused = until.is_some_and(|until| until > Instant::now());
        is_paused.then_some(&self.task)
    }

    fn close(&self) {
        let was_open = std::mem::take(&mut *self.lock()).until.is_some();
        if was_open {
            tracing::info!(
                task.name = self.task,
                "the function answers again; its jobs go on"
            );
        }
    }

    fn count(&self, trial: Option<Trial>) -> Blame {
        let mut state = self.lock();
        let was_open = state.until.is_some();
        // An answer that was late may have closed it under a trial.
        let trial = trial.filter(|_| was_open);
        // Others that were called before it opened say nothing new.
        if was_open && trial.is_none() {
            return Blame::Job;
        }
        state.failures = state.failures.saturating_add(1);
        if trial.is_none() && state.failures < self.after {
            return Blame::Job;
        }
        state.openings = state.openings.saturating_add(1);
        state.tried = false;
        let time = self.time(state.openings);
        state.until = Some(Instant::now() + time);
        let failures = state.failures;
        drop(state);
        if was_open {
            tracing::debug!(
                task.name = self.task,
                failures,
                pause_s = time.as_secs(),
                "the function does not answer yet"
            );
        } else {
            tracing::warn!(
                task.name = self.task,
                failures,
                pause_s = time.as_secs(),
                "the function does not answer; its jobs are paused"
            );
        }
        match trial {
            Some(Trial::First) => Blame::Nobody(spread(time)),
            // With nobody else to be tried, it may be the job that is to blame.
            Some(Trial::Again) | None => Blame::Job,
        }
    }

    /// For how long it opens the `opening`th time, from 1.
    fn time(&self, opening: u32) -> Duration {
        let doublings = opening.saturating_sub(1).min(16);
        self.first.saturating_mul(1 << doublings).min(LONGEST)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nobody panics while holding the state of a circuit")
    }
}

impl Passage {
    /// Whoever was called has answered, whatever they said.
    pub(super) fn answered(mut self) {
        self.is_over = true;
        self.circuit.close();
    }

    /// They seem to be away.
    pub(super) fn failed(mut self) -> Blame {
        self.is_over = true;
        self.circuit.count(self.trial)
    }
}

/// A call that was dropped has failed where it took too long; else nothing is known, and another may try.
impl Drop for Passage {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            self.circuit.count(self.trial);
        } else if self.trial.is_some() {
            self.circuit.lock().tried = false;
        }
    }
}

/// A little longer, so that those who wait do not come back all at once.
fn spread(time: Duration) -> Duration {
    time + time.mul_f64(fastrand::f64() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(30);

    fn job() -> JobId {
        JobId(uuid::Uuid::new_v4())
    }

    fn fail(circuit: &Arc<Circuit>, times: u32) {
        for _ in 0..times {
            circuit
                .enter(job(), None)
                .expect("it should be closed")
                .failed();
        }
    }

    #[test]
    fn it_opens_after_a_run_of_failures_and_closes_when_one_is_answered() {
        let circuit = Circuit::opening_for("a", 3, MOMENT);
        fail(&circuit, 2);
        circuit.enter(job(), None).unwrap().answered();
        fail(&circuit, 2);
        assert_eq!(circuit.open(), None, "the run was broken");
        fail(&circuit, 1);
        let open = circuit.open().unwrap();
        assert_eq!((open.task.as_str(), open.failures), ("a", 3));
        assert!(circuit.enter(job(), None).unwrap_err() <= MOMENT * 2);

        std::thread::sleep(MOMENT);
        let trial = circuit.enter(job(), None).expect("one may try");
        assert!(
            circuit.enter(job(), None).unwrap_err() >= SHORTEST,
            "and no more"
        );
        assert!(
            matches!(trial.failed(), Blame::Nobody(_)),
            "whoever tried costs nothing"
        );
        assert!(
            circuit.enter(job(), None).unwrap_err() > MOMENT,
            "it is open twice as long"
        );
        std::thread::sleep(2 * MOMENT);
        circuit.enter(job(), None).unwrap().answered();
        assert_eq!(circuit.open(), None);
        fail(&circuit, 2);
        assert_eq!(circuit.open(), None, "it counts anew");
    }

    #[test]
    fn a_call_that_was_dropped_has_failed_only_where_it_took_too_long() {
        let circuit = Circuit::opening_for("a", 1, Duration::ZERO);
        let later = Instant::now() + Duration::from_secs(60);
        drop(circuit.enter(job(), Some(later)).unwrap());
        assert_eq!(circuit.open(), None);
        drop(circuit.enter(job(), Some(Instant::now())).unwrap());
        assert_eq!(circuit.open().unwrap().failures, 1);
        // Whoever tries and is dropped lets another try.
        drop(circuit.enter(job(), Some(later)).unwrap());
        circuit.enter(job(), None).unwrap().answered();
    }

    #[test]
    fn what_was_called_before_it_opened_does_not_open_it_again() {
        let circuit = Circuit::opening_for("a", 1, MOMENT);
        let [first, second] = [(); 2].map(|()| circuit.enter(job(), None).unwrap());
        first.failed();
        second.failed();
        assert_eq!(circuit.open().unwrap().failures, 1);
    }

    #[test]
    fn the_time_for_which_it_opens_grows_to_a_bound() {
        let circuit = Circuit::new("a", 5);
        let times = [1, 2, 3, 6, 7, u32::MAX].map(|opening| circuit.time(opening).as_secs());
        assert_eq!(times, [10, 20, 40, 300, 300, 300]);
    }
}
