//! A response that comes piece by piece (`text/event-stream`): progress, text, and at last a result.

mod events;

use reqwest::Response;
use serde::Deserialize;
use serde_json::Value;

use super::super::{Again, Context, TaskError};
use super::answer::{self, Failed};
use events::{Event, Events};

/// The longest code of an error.
const LONGEST_CODE: usize = 64;

/// How far a job is.
#[derive(Debug, Deserialize)]
struct Progress {
    percent: Option<f64>,
    #[serde(default)]
    note: String,
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
    #[serde(default = "yes")]
    retry: bool,
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
        "progress" => {
            let progress: Progress = parsed(event)?;
            context.progress(progress.percent, &answer::readable(&progress.note));
        }
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
    let again = match (said.retry, said.after.and_then(answer::bounded)) {
        (false, _) => Again::Never,
        (true, Some(delay)) => Again::After(delay),
        (true, None) => Again::Backoff,
    };
    let error = TaskError {
        again,
        ..TaskError::new(answer::readable(&said.message))
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

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
                r#"{"message": "a", "after": 1e9}"#,
                "task_failed",
                Again::After(seconds(3_600)),
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
