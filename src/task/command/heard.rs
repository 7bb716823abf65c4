//! What the lines mean that a process says which is kept, amid a job.

use serde_json::Value;

use super::super::{Context, TaskError};
use super::ended::{invalid, too_large};
use super::output::Line;
use super::result::check;
use super::said::{Said, What};

/// How much is logged of a line that means nothing.
const SHOWN: usize = 100;

/// Hears one process.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// Whether one of its lines has been logged that mean nothing.
    noted: bool,
}

/// What ends a job.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// Its answer.
    Answer(Result<Value, TaskError>),
    /// What cannot be its answer, and may have been meant to be.
    Misspoken(TaskError),
}

impl Hearing {
    /// Passes on what is said; gives what ends the job.
    pub(super) async fn hear(
        &mut self,
        line: &Line,
        longest: usize,
        context: &Context,
    ) -> Option<Heard> {
        let line = match line {
            Line::Whole(line) => line,
            Line::TooLong => return Some(Heard::Misspoken(too_large(longest))),
        };
        let said = match Said::parse(line) {
            Ok(said) => said,
            Err(error) => {
                let message = format!("a line of the process cannot be read: {error}");
                return Some(Heard::Misspoken(invalid(&message)));
            }
        };
        let Some(Said { job, what }) = said else {
            return self.note(line);
        };
        if let Err(error) = is_of(job.as_ref(), &context.job.to_string()) {
            return Some(Heard::Misspoken(error));
        }
        match what {
            What::Progress { percent, note } => {
                context.progress(percent, note.as_deref().unwrap_or_default());
                None
            }
            What::Chunk(text) => {
                context.chunk(&text).await;
                None
            }
            What::Answer(result) => Some(Heard::Answer(
                result.and_then(|result| check(&result, line).map(|()| result)),
            )),
        }
    }

    /// Of a line that means nothing.
    fn note(&mut self, line: &[u8]) -> Option<Heard> {
        let is_object = line.trim_ascii_start().starts_with(b"{");
        if !is_object && line.windows(2).any(|two| two == b"{\"") {
            let message = "a line of the process has JSON, and something before it; write an answer as a line of its own, and print-outs to standard error";
            return Some(Heard::Misspoken(invalid(message)));
        }
        let is_new = !std::mem::replace(&mut self.noted, true);
        if is_new && !line.trim_ascii().is_empty() {
            let line = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
            tracing::warn!(
                ?line,
                "a line of a process is neither progress, nor a chunk, nor an answer, and is left out like all such lines after it"
            );
        }
        None
    }
}

/// Whether a line that says `said` for its job is about this one.
fn is_of(said: Option<&Value>, job: &str) -> Result<(), TaskError> {
    match said {
        Some(Value::String(said)) if said == job => Ok(()),
        None | Some(Value::Null) => Err(invalid(
            "a line of the process says no job; give each line the \"job\" of the request that it is about",
        )),
        // The mistake of another job, for which this one need not fail.
        Some(_) => Err(TaskError::new(
            "a line of the process is about another job than the one that it has",
        )
        .with_code("result_invalid")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::super::{Again, Reporter};
    use super::*;
    use crate::ids::JobId;

    const JOB: &str = "00000000-0000-0000-0000-000000000000";

    async fn heard(line: &str) -> Option<Heard> {
        let (job, reporter) = (JobId(uuid::Uuid::nil()), Reporter::new(Arc::default()));
        let context = Context::new(job, 1, false, crate::shutdown::Stop::new(), reporter);
        let line = Line::Whole(line.replace("JOB", JOB).into_bytes());
        Hearing::default().hear(&line, 1_000, &context).await
    }

    #[tokio::test]
    async fn an_answer_is_one_of_the_job_that_is_there_alone() {
        assert_eq!(
            heard(r#"{"job": "JOB", "result": 5}"#).await,
            Some(Heard::Answer(Ok(json!(5))))
        );
        for (line, words, again) in [
            (r#"{"result": 5}"#, "says no job", Again::Never),
            (r#"{"job": null, "result": 5}"#, "says no job", Again::Never),
            (r#"{"chunk": "a"}"#, "says no job", Again::Never),
            (r#"{"percent": 5}"#, "says no job", Again::Never),
            (r#"{"error": "no"}"#, "says no job", Again::Never),
            (
                r#"{"job": "a", "result": 5}"#,
                "another job",
                Again::Backoff,
            ),
            (r#"{"job": 5, "percent": 5}"#, "another job", Again::Backoff),
            (
                r#"loading... {"job": "JOB", "result": 5}"#,
                "something before it",
                Again::Never,
            ),
        ] {
            let Some(Heard::Misspoken(error)) = heard(line).await else {
                panic!("{line} should be no answer");
            };
            assert!(
                error.message.contains(words) && error.again == again,
                "{line}: {error:?}"
            );
            assert_eq!(error.code, "result_invalid");
        }
    }

    #[tokio::test]
    async fn what_no_result_can_be_is_an_answer_all_the_same() {
        for (line, words) in [
            (r#"{"job": "JOB", "result": "a\u0000"}"#, "NUL"),
            (
                r#"{"job": "JOB", "result": 18446744073709551616}"#,
                "write it as a text",
            ),
        ] {
            let Some(Heard::Answer(Err(error))) = heard(line).await else {
                panic!("{line} should be an answer");
            };
            assert!(error.message.contains(words), "{error}");
        }
    }

    #[tokio::test]
    async fn other_lines_are_left_out() {
        for line in ["", "loading {a}", r#"{"level": "info"}"#, "[1]"] {
            assert_eq!(heard(line).await, None, "{line}");
        }
    }
}
