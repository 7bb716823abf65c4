//! The processes of one task, which are kept and do one job after the other.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tracing::Instrument;

use super::super::{Context, TaskError};
use super::Command;
use super::ended::{failed, not_started, with_errors};
use super::warm::{Ended, Warm};

/// How long the third process waits that is to follow two which died without having done a job.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// How long any does.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The processes of one task.
#[derive(Debug)]
pub(super) struct Pool {
    command: Arc<Command>,
    task: Arc<str>,
    /// One for each process that there may be; whoever waits, waits for a job to end.
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Warm>,
    /// How many have died since the last job was done.
    deaths: u32,
    /// When the next one may be started.
    not_before: Option<Instant>,
}

/// Does one job.
///
/// The process belongs to a task of its own meanwhile, as a process for one job does.
pub(super) async fn run(
    pool: Arc<Pool>,
    input: Value,
    context: Context,
) -> Result<Value, TaskError> {
    let (answer, answered) = oneshot::channel();
    let job = pool.serve(input, context, answer);
    Handle::current().spawn(job.in_current_span());
    match answered.await {
        Ok(result) => result,
        Err(_) => Err(TaskError::new(
            "the attempt was to end before it was answered",
        )),
    }
}

impl Pool {
    pub(super) fn new(command: Arc<Command>, task: Arc<str>, processes: NonZeroUsize) -> Self {
        Self {
            command,
            task,
            places: Arc::new(Semaphore::new(processes.get())),
            state: Mutex::default(),
        }
    }

    /// Answers as soon as that can be, and takes its time with a process that is to end: it keeps its place until then.
    async fn serve(
        self: Arc<Self>,
        input: Value,
        context: Context,
        answer: oneshot::Sender<Result<Value, TaskError>>,
    ) {
        let place = tokio::select! {
            place = self.places.acquire() => place,
            () = context.cancelled() => return,
        };
        let _place = place.expect("the places are never closed");
        let mut warm = match self.take(&context).await {
            Ok(Some(warm)) => warm,
            Ok(None) => return,
            Err(error) => {
                self.died();
                let _ = answer.send(Err(not_started(&error)));
                return;
            }
        };
        match warm.work(&input, &context, self.command.max_output).await {
            Ended::Answered(result) => {
                let worn = self.done(warm);
                let _ = answer.send(result);
                drop(context);
                if let Some(worn) = worn {
                    worn.retire().await;
                }
            }
            Ended::Misspoken(error) => {
                let _ = answer.send(Err(error));
                warm.end().await;
            }
            Ended::Cancelled => warm.close(),
            Ended::Died(errors) => {
                self.died();
                let error = match warm.lost().await {
                    Ok(status) => failed(status, &errors),
                    Err(error) => TaskError::new(with_errors(&error.to_string(), &errors)),
                };
                let message = format!("the process ended amid the job: {}", error.message);
                let _ = answer.send(Err(TaskError::new(message).with_code(error.code)));
            }
        }
    }

    /// A process that waits for a job: one of those that are there, or another. None when the attempt is to end first.
    async fn take(&self, context: &Context) -> std::io::Result<Option<Warm>> {
        loop {
            let idle = self.lock().idle.pop();
            let Some(mut warm) = idle else { break };
            if warm.has_ended() {
                warm.close();
            } else if warm.is_in_step(self.command.max_output) {
                return Ok(Some(warm));
            } else {
                tracing::warn!(
                    task.name = &*self.task,
                    "a process has answered a job that it did not have; another takes its place"
                );
                warm.end().await;
            }
        }
        let not_before = self.lock().not_before;
        if let Some(not_before) = not_before {
            tokio::select! {
                () = tokio::time::sleep_until(not_before) => {}
                () = context.cancelled() => return Ok(None),
            }
        }
        Warm::start(&self.command, &self.task).map(Some)
    }

    /// One has done its job, and may do another; it is given back where it has done enough.
    fn done(&self, warm: Warm) -> Option<Warm> {
        let mut state = self.lock();
        (state.deaths, state.not_before) = (0, None);
        if warm.is_worn(self.command.jobs_per_process) {
            return Some(warm);
        }
        state.idle.push(warm);
        None
    }

    /// One has died without an answer: others follow it later and later, until one does a job.
    fn died(&self) {
        let mut state = self.lock();
        state.deaths = state.deaths.saturating_add(1);
        state.not_before = Some(Instant::now() + delay(state.deaths));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let lock = self.state.lock();
        lock.expect("nobody panics while holding the pool")
    }
}

/// How long the next one waits after so many deaths.
fn delay(deaths: u32) -> Duration {
    match deaths.checked_sub(2) {
        None => Duration::ZERO,
        Some(more) => FIRST_DELAY
            .saturating_mul(1 << more.min(16))
            .min(LONGEST_DELAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_die_at_once_are_followed_later_and_later() {
        let delays = [0, 1, 2, 3, 4, 20, u32::MAX].map(|deaths| delay(deaths).as_millis());
        assert_eq!(delays, [0, 0, 100, 200, 400, 10_000, 10_000]);
    }
}
