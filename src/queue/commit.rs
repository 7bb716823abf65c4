//! Committing a batch, with both kinds of error.
//!
//! When the database is away the same batch is tried again, with growing delays. When something in the batch is at
//! fault, it is halved until the culprit stands alone, and the rest is committed: one client's or one job's bad row
//! never fails another's.

use std::time::{Duration, Instant};

use super::callback::{Waits, wait};
use super::enqueue::{NewJob, Stored, enqueue};
use super::finish::{Ended, PutBack, finish, put_back};
use super::keys::Repeat;
use super::refusal::Refusal;
use super::report::{Report, report};
use super::{Try, partitions};
use crate::ids::{ClaimId, JobId};
use crate::postgres::hints::Hinting;
use crate::postgres::link::NotSent;
use crate::postgres::{Advised, Backoff, Fault, Link};
use crate::telemetry::FIGURES;

/// Rows of one kind, to be committed together.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// New jobs.
    New(&'a [NewJob]),
    /// Jobs that are over.
    Ended(&'a [Ended]),
    /// Jobs that go back to their queue.
    PutBack(&'a [PutBack]),
    /// Jobs that wait to be called back.
    Waits(&'a [Waits]),
    /// What running jobs say.
    Reports(&'a [Report]),
}

/// What became of a row.
#[derive(Debug)]
pub enum Answer {
    /// It is committed.
    Stored,
    /// It was left out: its key was used before, for this job.
    Repeats {
        /// The job of the earlier submission.
        job: JobId,
        /// Whether it is what was asked for now.
        same: bool,
    },
    /// It is not committed.
    Refused(Refusal),
}

/// Commits `rows`, and answers for each, in their order.
///
/// While the database is away it tries for `patience`, or for ever. When this ends, the fate of every row is known, or
/// said to be unknown.
pub async fn commit(link: &mut Link, rows: Rows<'_>, patience: Option<Duration>) -> Vec<Answer> {
    let mut answers: Vec<Answer> = (0..rows.len()).map(|_| Answer::Stored).collect();
    let give_up = patience.map(|patience| Instant::now() + patience);
    let mut backoff = Backoff::new();
    // The part whose partitions were made just now.
    let mut made_for = None;
    // Parts of the batch still to be written, as positions in it, with what is known of each.
    let mut parts = vec![(0, rows.len(), Try::first(link.hints().hinting()))];
    while let Some((from, to, this)) = parts.pop() {
        if from == to {
            continue;
        }
        let part = rows.part(from, to);
        let result = write(link, part, this).await;
        let error = match result {
            Ok(Stored { repeats, hints }) => {
                link.hints().send(&hints);
                backoff.reset();
                FIGURES.batch(part.verb(), part.len());
                note(&mut answers[from..to], part, &repeats);
                continue;
            }
            Err(error) => error,
        };
        match Fault::of(&error) {
            Fault::Hints if this.hints.is_on() => {
                FIGURES.lost_hints();
                tracing::warn!(%error, "hints could not be sent; the work goes on, and is found by polling");
                parts.push((
                    from,
                    to,
                    Try {
                        hints: Hinting::Nothing,
                        ..this
                    },
                ));
            }
            Fault::Partition => {
                let made = make_partitions(link, part).await;
                parts.push((from, to, this));
                // Made, and missing again: a partition is on its way out, and a reader holds it up.
                let again = made_for.replace((from, to)) == Some((from, to));
                if again || made.is_err() {
                    pause(&mut backoff, &made.err().unwrap_or(error), part).await;
                }
            }
            Fault::There if !this.again => parts.push((
                from,
                to,
                Try {
                    again: true,
                    ..this
                },
            )),
            // Looked for and not seen: it is in here twice, or was stored meanwhile, and the next look sees it.
            Fault::There if to - from > 1 => {
                let middle = from.midpoint(to);
                parts.push((middle, to, this));
                parts.push((from, middle, this));
            }
            Fault::There => {
                tracing::debug!(%error, what = part.what(), "stored meanwhile, looking again");
                tokio::time::sleep(backoff.delay()).await;
                parts.push((from, to, this));
            }
            // Full of notifications that are not ours, such as those of somebody's trigger: it is read some time.
            Fault::Away | Fault::Hints
                if give_up.is_some_and(|give_up| Instant::now() >= give_up) =>
            {
                let maybe = this.again || may_have_committed(&error);
                answers[from..to].fill_with(|| Answer::Refused(Refusal::Away { maybe }));
            }
            Fault::Away | Fault::Hints => {
                pause(&mut backoff, &error, part).await;
                let again = this.again || may_have_committed(&error);
                let this = Try { again, ..this };
                if is_slow(&error) && to - from > 1 {
                    // Perhaps it is too much at once.
                    let middle = from.midpoint(to);
                    parts.push((middle, to, this));
                    parts.push((from, middle, this));
                } else {
                    parts.push((from, to, this));
                }
            }
            Fault::Locked if to - from == 1 => {
                answers[from] = Answer::Refused(Refusal::Locked);
            }
            Fault::Data if to - from == 1 => {
                tracing::warn!(%error, what = part.what(), "the database refused one row; the others are not affected");
                answers[from] = Answer::Refused(Refusal::Data(error));
            }
            Fault::Data | Fault::Locked => {
                let middle = from.midpoint(to);
                parts.push((middle, to, this));
                parts.push((from, middle, this));
            }
        }
    }
    answers
}

/// Whether a statement was given up because it took too long.
fn is_slow(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut)
}

/// Notes which of the new jobs repeat earlier ones.
fn note(answers: &mut [Answer], rows: Rows<'_>, repeats: &[Repeat]) {
    let Rows::New(jobs) = rows else { return };
    for repeat in repeats {
        let position = jobs.iter().position(|job| job.id == repeat.submitted);
        if let Some(position) = position {
            answers[position] = Answer::Repeats {
                job: repeat.job,
                same: repeat.same,
            };
        }
    }
}

async fn pause(backoff: &mut Backoff, error: &sqlx::Error, rows: Rows<'_>) {
    let delay = backoff.delay();
    if backoff.tells() {
        tracing::warn!(
            error = %Advised(error), delay_ms = delay.as_millis(), rows = rows.len(), what = rows.what(),
            "the database is away, trying again"
        );
    }
    tokio::time::sleep(delay).await;
}

async fn write(link: &mut Link, rows: Rows<'_>, this: Try) -> Result<Stored, sqlx::Error> {
    link.run(async |connection| {
        let mut hints = Vec::new();
        match rows {
            Rows::New(jobs) => return enqueue(connection, jobs, this).await,
            Rows::Ended(jobs) => hints = finish(connection, jobs, this).await?,
            Rows::PutBack(jobs) => put_back(connection, jobs, this).await?,
            Rows::Waits(jobs) => wait(connection, jobs, this).await?,
            Rows::Reports(reports) => hints = report(connection, reports, this).await?,
        }
        let repeats = Vec::new();
        Ok(Stored { repeats, hints })
    })
    .await
}

async fn make_partitions(link: &mut Link, rows: Rows<'_>) -> Result<(), sqlx::Error> {
    let ids: Vec<_> = match rows {
        Rows::New(jobs) => jobs.iter().map(|job| job.id).collect(),
        Rows::Ended(jobs) => jobs.iter().map(|job| job.id).collect(),
        Rows::PutBack(jobs) => jobs.iter().map(|job| job.id).collect(),
        Rows::Waits(jobs) => jobs.iter().map(|job| job.id).collect(),
        Rows::Reports(reports) => reports.iter().map(|report| report.id).collect(),
    };
    link.run(async |connection| partitions::make_for(connection, &ids).await)
        .await
}

/// Whether a batch that met this error may have been committed all the same: always, when the connection was lost after
/// something was sent. An administrator's stop (class 57) can also come between the commit and its answer, and so can a pooler's word that its
/// server is gone (class 08).
pub(super) fn may_have_committed(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            code.starts_with("57") || code.starts_with("08")
        }
        error => !NotSent::is(error),
    }
}

impl<'a> Rows<'a> {
    /// The jobs of outcomes, and the claims that they are under.
    #[must_use]
    pub fn claims(self) -> Vec<(JobId, ClaimId)> {
        match self {
            Self::New(_) | Self::Reports(_) => Vec::new(),
            Self::Ended(jobs) => jobs.iter().map(|job| (job.id, job.claim_id)).collect(),
            Self::PutBack(jobs) => jobs.iter().map(|job| (job.id, job.claim_id)).collect(),
            Self::Waits(jobs) => jobs.iter().map(|job| (job.id, job.claim_id)).collect(),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::New(jobs) => jobs.len(),
            Self::Ended(jobs) => jobs.len(),
            Self::PutBack(jobs) => jobs.len(),
            Self::Waits(jobs) => jobs.len(),
            Self::Reports(reports) => reports.len(),
        }
    }

    fn part(self, from: usize, to: usize) -> Self {
        match self {
            Self::New(jobs) => Self::New(&jobs[from..to]),
            Self::Ended(jobs) => Self::Ended(&jobs[from..to]),
            Self::PutBack(jobs) => Self::PutBack(&jobs[from..to]),
            Self::Waits(jobs) => Self::Waits(&jobs[from..to]),
            Self::Reports(reports) => Self::Reports(&reports[from..to]),
        }
    }

    /// What is done to them, for the figures.
    fn verb(self) -> &'static str {
        match self {
            Self::New(_) => "enqueue",
            Self::Ended(_) => "finish",
            Self::PutBack(_) => "put_back",
            Self::Waits(_) => "wait",
            Self::Reports(_) => "report",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::New(_) => "new jobs",
            Self::Ended(_) => "outcomes",
            Self::PutBack(_) => "jobs put back",
            Self::Waits(_) => "jobs that wait to be called back",
            Self::Reports(_) => "reports of running jobs",
        }
    }
}
