//! A response that comes piece by piece (`text/event-stream`): progress, text, and at last a result.

mod events;

use std::time::Duration;

use reqwest::Response;
use serde::Deserialize;
use serde_json::Value;

use super::super::words::readable;
use super::super::{Again, Context, TaskError};
use super::answer::{self, Failed};
use events::{Event, Events};

/// The longest time that a job may be asked to wait for, as in a callback.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// The longest code of an error.
const LONGEST_CODE: usize = 64;

/// How far a job is.
#[derive(Debug, Deserialize)]
struct Progress {
    percent: Option<f64>,
    note: Option<String>,
}

/// The next piece of its text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Chunk {
    Text(String),
    Field { text: String },
}

/// How it has failed.
#[derive(Debug, Deserialize)]
struct Error {
    message: String,
    retry: Option<bool>,
    /// In seconds.
    after: Option<f64>,
    code: Option<String>,
}

/// Tells what a function says, until it gives its result.
pub(super) async fn read(
    mut response: Response,
    max: usize,
    context: &Context,
) -> Result<Value, Failed> {
    let mut events = Events::default();
    let mut length = 0;
    while let Some(part) = answer::next(&mut response).await? {
        length += part.len();
        if length > max {
            return Err(answer::too_large(max));
        }
        for event in events.add(&part) {
            if let Some(result) = hear(&event, context).await? {
                return Ok(result);
            }
        }
    }
    let message = "the function ended its response without an event result or error";
    Err(Failed::Away(
        TaskError::new(message).with_code("http_unreachable"),
    ))
}

/// Tells one event; the result, if it is that.
async fn hear(event: &Event, context: &Context) -> Result<Option<Value>, Failed> {
    match event.name.as_str() {
        "progress" => match serde_json::from_str::<Progress>(&event.data) {
            Ok(Progress { percent, note }) => {
                context.progress(percent, &readable(&note.unwrap_or_default()));
            }
            // The result does not hang on it.
            Err(error) => {
                tracing::debug!(job.id = %context.job, %error, "what a function said of its progress cannot be read");
            }
        },
        "chunk" => match parsed(event)? {
            Chunk::Text(text) | Chunk::Field { text } => context.chunk(&text).await,
        },
        "result" => return parsed(event).map(Some),
        "error" => return Err(Failed::Answered(error(parsed(event)?))),
        // Others may come to mean something.
        _ => {}
    }
    Ok(None)
}

fn parsed<'de, T: Deserialize<'de>>(event: &'de Event) -> Result<T, Failed> {
    serde_json::from_str(&event.data).map_err(|error| {
        answer::no_result(&format!(
            "the data of its event {} is not what it should be: {error}",
            event.name
        ))
    })
}

fn error(said: Error) -> TaskError {
    let again = match (said.retry, said.after.and_then(bounded)) {
        (Some(false), _) => Again::Never,
        (_, Some(delay)) => Again::After(delay),
        (_, None) => Again::Backoff,
    };
    let error = TaskError {
        again,
        ..TaskError::new(readable(&said.message))
    };
    let is_code = |code: &String| {
        let is_in_it = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !code.is_empty() && code.len() <= LONGEST_CODE && code.chars().all(is_in_it)
    };
    match said.code.filter(is_code) {
        Some(code) => error.with_code(code),
        None => error,
    }
}

/// A time that a function asks for, in seconds.
fn bounded(seconds: f64) -> Option<Duration> {
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    Some(time.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(data: &str) -> TaskError {
        error(serde_json::from_str(data).unwrap())
    }

    #[test]
    fn an_error_says_whether_and_when_to_try_again() {
        let seconds = Duration::from_secs;
        for (data, code, again) in [
            (r#"{"message": "a"}"#, "task_failed", Again::Backoff),
            (
                r#"{"message": "a", "retry": false, "after": 5}"#,
                "task_failed",
                Again::Never,
            ),
            (
                r#"{"message": "a", "after": 5, "code": "full"}"#,
                "full",
                Again::After(seconds(5)),
            ),
            (
                r#"{"message": "a", "after": 1e9, "retry": null}"#,
                "task_failed",
                Again::After(seconds(2_592_000)),
            ),
            (
                r#"{"message": "a", "after": -1, "code": "a b"}"#,
                "task_failed",
                Again::Backoff,
            ),
        ] {
            let error = told(data);
            assert_eq!((&*error.code, error.again), (code, again), "{data}");
        }
        assert_eq!(told(r#"{"message": "a\u0000b"}"#).message, "a\\u{0}b");
    }
}
