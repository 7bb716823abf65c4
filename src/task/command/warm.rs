//! A process that is kept: it does one job after the other, and speaks in lines of JSON.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;

use super::super::{Context, TaskError};
use super::ended::explained;
use super::heard::{Heard, Hearing};
use super::output::{Line, Lines, Output, PIECE, Tail, write};
use super::process::{Pipes, Process, Third};
use super::said::{Said, What};
use super::{Command, deadline};

/// How long one may take from its last word to its end.
const MOMENT: Duration = Duration::from_millis(500);

/// One process.
#[derive(Debug)]
pub(super) struct Warm {
    process: Process,
    input: pipe::Sender,
    output: Output,
    errors: Output,
    lines: Lines,
    hearing: Hearing,
    /// How many it has done.
    jobs: u32,
    /// Whether it has answered before it had read all of a request, or has said its last.
    spent: bool,
}

/// What became of a job.
pub(super) enum Ended {
    /// It was answered.
    Answered(Result<Value, TaskError>),
    /// What it said cannot be its answer; it may not know that.
    Misspoken(TaskError),
    /// The process has ended, or said its last, before it answered.
    Died(Tail),
    /// The same of one that had done others before, and has said nothing since this one was asked for: it may have ended
    /// before it had heard of it.
    DiedBefore(Tail),
    /// The process was told to end.
    Cancelled(Tail),
}

/// How it is with one that has no job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It waits for one.
    In,
    /// It has answered one that it did not have, and would answer wrongly ever after.
    Out,
    /// It has said its last.
    Over,
}

impl Warm {
    pub(super) fn start(command: &Command, task: &str) -> io::Result<Self> {
        let variables = [("RINGBACK_TASK", task.to_owned())];
        let (process, pipes, _) = Process::start(command, &variables, &Third::Closed)?;
        let Pipes {
            input,
            output,
            errors,
        } = pipes;
        Ok(Self {
            process,
            input,
            output,
            errors,
            lines: Lines::default(),
            hearing: Hearing::default(),
            jobs: 0,
            spent: false,
        })
    }

    /// Asks for one job, and passes on what is said until it is answered.
    pub(super) async fn work(&mut self, input: &Value, context: &Context, longest: usize) -> Ended {
        let mut request = json!({
            "job": context.job,
            "attempt": context.attempt,
            "input": input,
            "deadline": deadline(context),
        });
        if let Some(traceparent) = context.traceparent() {
            request["traceparent"] = traceparent.into();
        }
        let mut request = request.to_string();
        request.push('\n');
        let (done, over) = (CancellationToken::new(), CancellationToken::new());
        let Self {
            process,
            input,
            output,
            errors,
            lines,
            hearing,
            ..
        } = self;
        let watch = async {
            let cancelled = tokio::select! {
                () = process.ended() => false,
                () = done.cancelled() => false,
                () = context.cancelled() => {
                    process.end().await;
                    true
                }
            };
            over.cancel();
            cancelled
        };
        let talk = async {
            let (mut buffer, mut answer) = (Box::new([0; PIECE]), None);
            let (mut silent, mut last) = (true, false);
            'job: loop {
                let bytes = output.next(&mut buffer, &over).await;
                silent &= bytes.is_empty();
                lines.add(bytes);
                while let Some(line) = lines.next(longest) {
                    answer = hearing.hear(&line, longest, context).await;
                    if answer.is_some() {
                        break 'job;
                    }
                }
                if bytes.is_empty() {
                    last = true;
                    // A line that nobody has ended may be whole all the same.
                    if let Some(line) = lines.last() {
                        let heard = hearing.hear(&line, longest, context).await;
                        answer = heard.filter(|heard| matches!(heard, Heard::Answer(_)));
                    }
                    break;
                }
            }
            done.cancel();
            (answer, silent, last)
        };
        let (cancelled, (answer, silent, last), errors, unread) = tokio::join!(
            watch,
            talk,
            Tail::read(errors, &over),
            write(input, request.as_bytes(), &over)
        );
        let is_used = self.jobs > 0;
        self.jobs += 1;
        self.spent = last || !unread.is_empty();
        match answer {
            _ if cancelled => Ended::Cancelled(errors),
            Some(Heard::Answer(result)) => Ended::Answered(result),
            Some(Heard::Misspoken(error)) => Ended::Misspoken(explained(error, &errors)),
            None if is_used && silent => Ended::DiedBefore(errors),
            None => Ended::Died(errors),
        }
    }

    /// Whether it has done all that it is to do: so many jobs, or one of which there is still something in its input, or
    /// after which it has said its last.
    pub(super) fn is_worn(&self, jobs_per_process: u32) -> bool {
        self.spent || self.jobs >= jobs_per_process
    }

    /// Drops what was said while there was no job, and says how it is.
    pub(super) fn step(&mut self, longest: usize) -> Step {
        let mut buffer = Box::new([0; PIECE]);
        self.output.begin();
        self.errors.begin();
        while let Some([_, ..]) = self.errors.rest(&mut buffer) {}
        loop {
            let Some(bytes) = self.output.rest(&mut buffer) else {
                return Step::Over;
            };
            self.lines.add(bytes);
            while let Some(line) = self.lines.next(longest) {
                let said = match &line {
                    Line::Whole(line) => Said::parse(line),
                    Line::TooLong => Ok(None),
                };
                if let Err(_)
                | Ok(Some(Said {
                    what: What::Answer(_),
                    ..
                })) = said
                {
                    return Step::Out;
                }
            }
            if bytes.is_empty() {
                return Step::In;
            }
        }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    /// Waits a moment for the end of one that has said its last; gives whether it has come.
    pub(super) async fn ends_now(&mut self) -> bool {
        let over = CancellationToken::new();
        let end = async {
            let _ = tokio::time::timeout(MOMENT, self.process.ended()).await;
            over.cancel();
        };
        tokio::join!(end, self.output.drain(&over), self.errors.drain(&over));
        self.has_ended()
    }

    /// The end of one that has ended.
    pub(super) fn close(mut self) -> io::Result<ExitStatus> {
        self.process.close()
    }

    /// Tells it to end.
    pub(super) async fn end(self) {
        let grace = self.process.grace();
        self.leave(Duration::ZERO, grace).await;
    }

    /// Says that there are no more jobs; what does not end by that within its grace is told.
    pub(super) async fn retire(self) {
        let grace = self.process.grace();
        self.leave(grace, grace).await;
    }

    /// The same, within its grace in all.
    pub(super) async fn retire_soon(self) {
        let half = self.process.grace() / 2;
        self.leave(half, half).await;
    }

    /// Closes its input, and has so much patience until it is told. What it still says is read, so that it can end.
    async fn leave(self, patience: Duration, grace: Duration) {
        let Self {
            mut process,
            input,
            mut output,
            mut errors,
            ..
        } = self;
        drop(input);
        let over = CancellationToken::new();
        let end = async {
            if tokio::time::timeout(patience, process.ended())
                .await
                .is_err()
            {
                process.end_within(grace).await;
            }
            over.cancel();
        };
        tokio::join!(end, output.drain(&over), errors.drain(&over));
        if let Err(error) = process.close() {
            tracing::debug!(%error, "a process was lost");
        }
    }
}
