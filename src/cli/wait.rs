//! Waiting for a job: how far it is on the terminal, and its result when it is over.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::database::Open;
use super::exit::Exit;
use super::jobs::shown;
use super::output::{on_one_line, say, say_json, say_part};
use crate::ids::JobId;
use crate::postgres::Fault;
use crate::queue::follow::{Event, Follower};
use crate::queue::jobs;
use crate::queue::report::Position;
use crate::wire::{Job, JobState, ProgressPayload};

/// How soon a job is looked at again: first, and when nothing has happened for long.
const SOONEST: Duration = Duration::from_millis(20);
const LATEST: Duration = Duration::from_millis(500);

/// How long the last look may take, when the time is over.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// What is printed of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// Its result.
    Result,
    /// Its text, piece by piece, instead.
    Text,
    /// All of it, as JSON.
    Json,
}

impl Shows {
    /// What `--json` and `--stream` ask for.
    pub(super) fn asked(json: bool, stream: bool) -> Self {
        match (json, stream) {
            (true, _) => Self::Json,
            (false, true) => Self::Text,
            (false, false) => Self::Result,
        }
    }
}

/// Waits until the job is over, and prints what there is to print; how it ended is how this ends.
pub(super) async fn wait(
    open: &Open,
    id: JobId,
    timeout: Option<Duration>,
    shows: Shows,
) -> anyhow::Result<()> {
    let bar = Bar::new();
    let give_up = timeout.map(|timeout| Instant::now() + timeout);
    let mut text = Text::of(id, shows);
    let mut delay = SOONEST;
    let mut before = None;
    let job = loop {
        let looked = async {
            // Of a job that is over all text is there, so it is looked at first.
            let job = look(open, id).await?;
            text.catch_up(open, &bar).await?;
            anyhow::Ok(job)
        };
        // However long the database takes, nobody waits longer than they said; but everybody looks once.
        let looked = match give_up {
            Some(give_up) => {
                let limit = give_up.max(Instant::now() + LAST_LOOK);
                tokio::time::timeout_at(limit, looked)
                    .await
                    .unwrap_or(Ok(None))
            }
            None => looked.await,
        };
        let state = match looked? {
            Some(job) if job.state.is_over() => break job,
            Some(job) => {
                bar.show(&job);
                let now = (job.state, job.attempts, job.progress);
                if before.as_ref() != Some(&now) {
                    delay = SOONEST;
                    before = Some(now);
                }
                job.state.name()
            }
            // The database is away: it is waited for as well.
            None => {
                bar.say("waiting for the database");
                "the database is away"
            }
        };
        if give_up.is_some_and(|give_up| Instant::now() >= give_up) {
            bar.clear();
            let waited = timeout.unwrap_or_default();
            let text = format!("job {id} is not over after {waited:?} ({state})");
            return Err(Exit::NotOver(text).into());
        }
        let next = Instant::now() + delay;
        tokio::time::sleep_until(give_up.map_or(next, |give_up| next.min(give_up))).await;
        delay = delay.mul_f64(1.3).min(LATEST);
    };
    bar.clear();
    text.end()?;
    ended(job, shows)
}

/// The job as it is; none, while the database is away.
async fn look(open: &Open, id: JobId) -> anyhow::Result<Option<Job>> {
    match open
        .database
        .run(async |connection| jobs::find(connection, id).await)
        .await
    {
        Ok(Some(job)) => Ok(Some(job)),
        Ok(None) => Err(Exit::NotDone(format!("{id} is no job")).into()),
        Err(error) if Fault::of(&error) == Fault::Away => Ok(None),
        Err(error) => Err(error).context("could not look at the job"),
    }
}

/// Prints what there is to print of a job that is over.
fn ended(job: Job, shows: Shows) -> anyhow::Result<()> {
    match (shows, job.state, &job.result) {
        (Shows::Json, ..) => say_json(&job)?,
        (Shows::Result, JobState::Succeeded, Some(result)) => say(shown(result))?,
        _ => {}
    }
    let id = job.id;
    match job.state {
        JobState::Failed => {
            let code = job.error_code.unwrap_or_default();
            let error = job.error.unwrap_or_default();
            let error = on_one_line(&error, usize::MAX);
            Err(Exit::JobFailed(format!("job {id} failed ({code}): {error}")).into())
        }
        JobState::Cancelled => Err(Exit::JobCancelled(format!("job {id} was cancelled")).into()),
        JobState::Succeeded
        | JobState::Scheduled
        | JobState::Held
        | JobState::Ready
        | JobState::Running
        | JobState::Waiting => Ok(()),
    }
}

/// The text of a job, as far as it is printed.
struct Text {
    follower: Option<Follower>,
    /// The attempt whose text stands there.
    attempt: Option<i32>,
}

impl Text {
    fn of(id: JobId, shows: Shows) -> Self {
        Self {
            follower: (shows == Shows::Text).then(|| Follower::new(id, Position::default())),
            attempt: None,
        }
    }

    /// Prints what is new.
    async fn catch_up(&mut self, open: &Open, bar: &Bar) -> anyhow::Result<()> {
        let Some(follower) = &mut self.follower else {
            return Ok(());
        };
        loop {
            let events = open
                .database
                .run(async |connection| follower.look(connection).await);
            let events = match events.await {
                Ok(events) => events,
                Err(error) if Fault::of(&error) == Fault::Away => return Ok(()),
                Err(error) => return Err(error).context("could not read the text of the job"),
            };
            let mut pieces = 0;
            for event in events {
                let Event::Chunk(chunk) = event else { continue };
                pieces += 1;
                bar.clear();
                if self
                    .attempt
                    .is_some_and(|attempt| attempt != chunk.at.attempt)
                {
                    // What was printed cannot be taken back.
                    say_part("\n")?;
                }
                self.attempt = Some(chunk.at.attempt);
                say_part(&chunk.text)?;
            }
            if pieces == 0 {
                return Ok(());
            }
        }
    }

    fn end(&self) -> anyhow::Result<()> {
        match self.attempt {
            Some(_) => say_part("\n"),
            None => Ok(()),
        }
    }
}

/// How far the job is, on a terminal; nothing anywhere else.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stderr());
        bar.set_style(spinner());
        if std::io::stderr().is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self(bar)
    }

    fn show(&self, job: &Job) {
        let progress: Option<ProgressPayload> = job
            .progress
            .clone()
            .and_then(|progress| serde_json::from_value(progress).ok());
        let state = if job.is_cancelling {
            "being cancelled"
        } else {
            job.state.name()
        };
        let progress = progress.unwrap_or_default();
        let note = progress.note.unwrap_or_default();
        let line = on_one_line(format!("{state} {note}").trim_end(), 60);
        match progress.percent {
            Some(percent) => {
                self.0.set_style(whole());
                self.0.set_position(hundredths(percent));
            }
            None => self.0.set_style(spinner()),
        }
        self.0.set_message(line);
    }

    fn say(&self, text: &'static str) {
        self.0.set_style(spinner());
        self.0.set_message(text);
    }

    fn clear(&self) {
        self.0.finish_and_clear();
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
        .expect("the template has only what there is")
}

fn whole() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30} {percent:>3} % {msg} ({elapsed})")
        .expect("the template has only what there is")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is from 0 to 100"
)]
fn hundredths(percent: f64) -> u64 {
    percent.clamp(0.0, 100.0) as u64
}
