//! A process that is kept: it does one job after the other, and speaks in lines of JSON.

use std::io;
use std::process::ExitStatus;

use serde_json::{Value, json};
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;

use super::super::{Context, TaskError};
use super::ended::{invalid, too_large};
use super::output::{Line, Lines, Output, PIECE, Tail, write};
use super::process::{Pipes, Process, Third};
use super::said::Said;
use super::{Command, deadline};

/// One process.
#[derive(Debug)]
pub(super) struct Warm {
    process: Process,
    input: pipe::Sender,
    output: Output,
    errors: Output,
    lines: Lines,
    /// How many it has done.
    jobs: u32,
    /// Whether it has answered before it had read all of a request.
    hasty: bool,
}

/// What became of a job.
pub(super) enum Ended {
    /// It was answered.
    Answered(Result<Value, TaskError>),
    /// What it said cannot be its answer; it may not know that.
    Misspoken(TaskError),
    /// The process has ended before it answered.
    Died(Tail),
    /// The process was told to end.
    Cancelled,
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
            jobs: 0,
            hasty: false,
        })
    }

    /// Asks for one job, and passes on what is said until it is answered.
    pub(super) async fn work(&mut self, input: &Value, context: &Context, longest: usize) -> Ended {
        let mut request = json!({
            "job": context.job,
            "attempt": context.attempt,
            "input": input,
            "deadline": deadline(context),
        })
        .to_string();
        request.push('\n');
        let (done, over) = (CancellationToken::new(), CancellationToken::new());
        let Self {
            process,
            input,
            output,
            errors,
            lines,
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
            'job: loop {
                let bytes = output.next(&mut buffer, &over).await;
                lines.add(bytes);
                while let Some(line) = lines.next(longest) {
                    answer = hear(line, longest, context).await;
                    if answer.is_some() {
                        break 'job;
                    }
                }
                if bytes.is_empty() {
                    break;
                }
            }
            done.cancel();
            answer
        };
        let errors = async {
            let (mut tail, mut buffer) = (Tail::default(), Box::new([0; PIECE]));
            loop {
                let bytes = errors.next(&mut buffer, &over).await;
                if bytes.is_empty() {
                    return tail;
                }
                tail.add(bytes);
            }
        };
        let (cancelled, answer, errors, unread) =
            tokio::join!(watch, talk, errors, write(input, request.as_bytes(), &over));
        self.jobs += 1;
        self.hasty = !unread.is_empty();
        match answer {
            _ if cancelled => Ended::Cancelled,
            Some(answer) => answer,
            None => Ended::Died(errors),
        }
    }

    /// Whether it has done all that it is to do: so many jobs, or one of which there is still something in its input.
    pub(super) fn is_worn(&self, jobs_per_process: u32) -> bool {
        self.hasty || self.jobs >= jobs_per_process
    }

    /// Drops what was said while there was no job. A process that has answered then, would answer wrongly ever after.
    pub(super) fn is_in_step(&mut self, longest: usize) -> bool {
        let mut buffer = Box::new([0; PIECE]);
        self.output.begin();
        self.errors.begin();
        while !self.errors.rest(&mut buffer).is_empty() {}
        loop {
            let bytes = self.output.rest(&mut buffer);
            self.lines.add(bytes);
            while let Some(line) = self.lines.next(longest) {
                if let Line::Whole(line) = line
                    && !matches!(
                        Said::parse(&line),
                        Ok(None | Some(Said::Progress { .. } | Said::Chunk(_)))
                    )
                {
                    return false;
                }
            }
            if bytes.is_empty() {
                return true;
            }
        }
    }

    /// Says that there are no more jobs.
    pub(super) async fn retire(self) {
        noted(self.lost().await);
    }

    /// Ends it.
    pub(super) async fn end(self) {
        self.process.end().await;
        self.close();
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    /// What became of one that has said its last; what does not end by itself is ended.
    pub(super) async fn lost(self) -> io::Result<ExitStatus> {
        let Self {
            mut process, input, ..
        } = self;
        drop(input);
        process.may_end().await;
        if !process.has_ended() {
            process.end().await;
        }
        process.close()
    }

    /// The end of one that has ended.
    pub(super) fn close(mut self) {
        noted(self.process.close());
    }
}

fn noted(ended: io::Result<ExitStatus>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a process was lost");
    }
}

/// Passes on what is said; gives what ends the job.
async fn hear(line: Line, longest: usize, context: &Context) -> Option<Ended> {
    let line = match line {
        Line::Whole(line) => line,
        Line::TooLong => return Some(Ended::Misspoken(too_large(longest))),
    };
    let said = match Said::parse(&line) {
        Ok(said) => said,
        Err(error) => {
            let message = format!("a line of the process cannot be read: {error}");
            return Some(Ended::Misspoken(invalid(&message)));
        }
    };
    match said {
        Some(Said::Progress { percent, note }) => {
            context.progress(percent, note.as_deref().unwrap_or_default());
        }
        Some(Said::Chunk(text)) => context.chunk(&text).await,
        Some(Said::Answer { job, result })
            if job
                .as_ref()
                .is_none_or(|job| *job == context.job.to_string()) =>
        {
            return Some(Ended::Answered(result));
        }
        Some(Said::Answer { .. }) => {
            tracing::warn!("a process has answered another job than the one that it has");
        }
        None => {
            tracing::debug!("a line of a process is neither progress, nor a chunk, nor an answer");
        }
    }
    None
}
