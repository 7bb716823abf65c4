//! The processes of one task, which are kept and do one job after the other.

use std::io;
use std::num::NonZeroUsize;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tracing::Instrument;

use super::super::{Again, Context, TaskError};
use super::Command;
use super::ended::{failed, not_started, with_errors};
use super::output::Tail;
use super::warm::{Ended, Step, Warm};

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
    /// Whether those that are idle are watched.
    watched: bool,
    /// Whether no more jobs come.
    closing: bool,
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
            () = context.cancelled() => {
                let _ = answer.send(Err(TaskError::new("it waited for a process")));
                return;
            }
        };
        let _place = place.expect("the places are never closed");
        // One that ends before it has heard of the job costs it no attempt; once, since it may have heard.
        let mut spared = false;
        loop {
            let mut warm = match self.take(&context).await {
                Ok(Some(warm)) => warm,
                Ok(None) => {
                    let _ = answer.send(Err(TaskError::new("it waited for a process")));
                    return;
                }
                Err(error) => {
                    let error = not_started(&error);
                    if !matches!(error.again, Again::Postponed(_)) {
                        self.died();
                    }
                    let _ = answer.send(Err(error));
                    return;
                }
            };
            match warm.work(&input, &context, self.command.max_output).await {
                Ended::Answered(result) => {
                    let worn = self.done(warm);
                    let _ = answer.send(result);
                    drop(context);
                    if let Some(worn) = worn {
                        self.retire(worn).await;
                    }
                    return;
                }
                Ended::Misspoken(error) => {
                    // It may still be at work.
                    warm.end().await;
                    let _ = answer.send(Err(error));
                    return;
                }
                Ended::Cancelled(errors) => {
                    noted(warm.close());
                    let message = with_errors("its process was ended", &errors);
                    let _ = answer.send(Err(TaskError::new(message)));
                    return;
                }
                Ended::DiedBefore(errors) if !spared && !context.is_cancelled() => {
                    spared = true;
                    self.died();
                    tracing::info!(
                        task.name = &*self.task,
                        stderr = ?errors.text(),
                        "a process has ended between two jobs; another does the next one"
                    );
                    warm.end().await;
                }
                Ended::Died(errors) | Ended::DiedBefore(errors) => {
                    self.died();
                    let (error, left) = last_words(warm, &errors).await;
                    let _ = answer.send(Err(error));
                    if let Some(left) = left {
                        left.retire().await;
                    }
                    return;
                }
            }
        }
    }

    /// A process that waits for a job: one of those that are there, or another. None when the attempt is to end first.
    async fn take(&self, context: &Context) -> io::Result<Option<Warm>> {
        loop {
            let idle = self.lock().idle.pop();
            let Some(mut warm) = idle else { break };
            if warm.has_ended() {
                noted(warm.close());
                continue;
            }
            match warm.step(self.command.max_output) {
                Step::In => return Ok(Some(warm)),
                Step::Over => {}
                Step::Out => tracing::warn!(
                    task.name = &*self.task,
                    "a process has answered a job that it did not have; another takes its place"
                ),
            }
            warm.end().await;
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
    fn done(self: &Arc<Self>, warm: Warm) -> Option<Warm> {
        let mut state = self.lock();
        (state.deaths, state.not_before) = (0, None);
        if state.closing || warm.is_worn(self.command.jobs_per_process) {
            return Some(warm);
        }
        state.idle.push(warm);
        if !std::mem::replace(&mut state.watched, true) {
            Handle::current().spawn(watch(Arc::downgrade(self)));
        }
        None
    }

    /// No more jobs come: those that wait for one end.
    pub(super) fn close(&self) {
        let idle = {
            let mut state = self.lock();
            state.closing = true;
            std::mem::take(&mut state.idle)
        };
        for warm in idle {
            Handle::current().spawn(warm.retire_soon());
        }
    }

    async fn retire(&self, warm: Warm) {
        let closing = self.lock().closing;
        match closing {
            true => warm.retire_soon().await,
            false => warm.retire().await,
        }
    }

    /// Those that have ended while they had no job.
    fn take_dead(&self) -> Vec<Warm> {
        let mut state = self.lock();
        state.idle.extract_if(.., |warm| warm.has_ended()).collect()
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

/// Takes those away at once that end while they have no job, with what they have started.
async fn watch(pool: Weak<Pool>) {
    let Ok(mut children) = signal(SignalKind::child()) else {
        return;
    };
    while let Some(pool) = pool.upgrade() {
        for dead in pool.take_dead() {
            noted(dead.close());
        }
        drop(pool);
        children.recv().await;
    }
}

/// What is said of one that has ended amid a job; given back where it has only said its last.
async fn last_words(mut warm: Warm, errors: &Tail) -> (TaskError, Option<Warm>) {
    let (error, left) = match warm.ends_now().await {
        true => match warm.close() {
            Ok(status) => (failed(status, errors), None),
            Err(error) => (
                TaskError::new(with_errors(&error.to_string(), errors)),
                None,
            ),
        },
        false => {
            let message = with_errors("it has closed its output", errors);
            (TaskError::new(message), Some(warm))
        }
    };
    let message = format!("the process ended amid the job: {}", error.message);
    (TaskError::new(message).with_code(error.code), left)
}

fn noted(ended: io::Result<ExitStatus>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a process was lost");
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
