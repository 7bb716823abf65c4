//! What a function answers: a result, or how its attempt has failed.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::super::words::readable;
use super::super::{Again, Context, TaskError};
use super::stream;

/// The longest time that a response may ask to be left alone for.
const LONGEST: Duration = Duration::from_secs(3_600);

/// How much of a text is kept of an answer that is no result, in bytes.
const QUOTED: usize = 1_024;

/// How long the text of an answer that is no result is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// How an attempt has failed,
#[derive(Debug, PartialEq)]
pub(super) enum Failed {
    /// and that the function has answered,
    Answered(TaskError),
    /// or that it seems to be away;
    Away(TaskError),
    /// or that it was not called.
    Before(TaskError),
}

/// What a response says.
pub(super) async fn read(
    response: Response,
    max: usize,
    context: &Context,
) -> Result<Value, Failed> {
    let status = response.status();
    if status == StatusCode::ACCEPTED {
        let message = "it answered 202 Accepted, and was told nowhere to say how it went; say callback = true, and --public-url where workers start";
        return Err(refused(status, message));
    }
    if !status.is_success() {
        return Err(failure(response).await);
    }
    match Form::of(&response) {
        Form::Events => stream::read(response, max, context).await,
        Form::Json => {
            let body = body(response, max).await?;
            if body.is_empty() {
                return Ok(Value::Null);
            }
            // A byte order mark is none of the JSON.
            let json = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&body);
            serde_json::from_slice(json).map_err(|error| {
                no_result(&format!("it says that it is JSON, and is not: {error}"))
            })
        }
        Form::Text => match String::from_utf8(body(response, max).await?) {
            Ok(text) if text.is_empty() => Ok(Value::Null),
            Ok(text) => Ok(Value::String(text)),
            Err(_) => Err(no_result("it is neither JSON nor a text in UTF-8")),
        },
    }
}

/// It was never answered, or not to the end.
pub(super) fn unreachable(error: reqwest::Error, what: &str) -> Failed {
    let error = anyhow::Error::from(error.without_url());
    let message = format!("the function {what}: {error:#}");
    Failed::Away(TaskError::new(message).with_code("http_unreachable"))
}

/// It leads elsewhere, to where it is not followed.
pub(super) fn elsewhere(status: StatusCode, why: &str) -> Failed {
    refused(status, &format!("it answered {status}, which leads {why}"))
}

/// What it gave back is no result.
pub(super) fn no_result(why: &str) -> Failed {
    let message = format!("the response of the function is no result: {why}");
    Failed::Answered(TaskError::permanent(message).with_code("result_invalid"))
}

pub(super) fn too_large(max: usize) -> Failed {
    let message = format!(
        "the response of the function is larger than {max} bytes; let it store it elsewhere and say where, or raise max_response"
    );
    Failed::Answered(TaskError::permanent(message).with_code("result_too_large"))
}

/// In what form a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Events,
    Text,
}

impl Form {
    fn of(response: &Response) -> Self {
        let kind = response.headers().get(CONTENT_TYPE);
        Self::named(kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default())
    }

    fn named(kind: &str) -> Self {
        let kind = kind.split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        match kind.as_str() {
            "text/event-stream" => Self::Events,
            "application/json" => Self::Json,
            kind if kind.ends_with("+json") => Self::Json,
            _ => Self::Text,
        }
    }
}

/// The whole body; no more of it is read than may be.
async fn body(mut response: Response, max: usize) -> Result<Vec<u8>, Failed> {
    let is_over = |bytes: u64| usize::try_from(bytes).map_or(true, |bytes| bytes > max);
    if response.content_length().is_some_and(is_over) {
        return Err(too_large(max));
    }
    let mut body = Vec::new();
    while let Some(part) = next(&mut response).await? {
        if body.len() + part.len() > max {
            return Err(too_large(max));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// The next part of a body.
pub(super) async fn next(
    response: &mut Response,
) -> Result<Option<impl std::ops::Deref<Target = [u8]> + use<>>, Failed> {
    let part = response.chunk().await;
    part.map_err(|error| unreachable(error, "broke off its response"))
}

/// What a status that is no success means.
async fn failure(mut response: Response) -> Failed {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|text| wait(text.to_str().ok()?, Timestamp::now()));
    let mut text = Vec::new();
    let whole = async {
        while text.len() < QUOTED
            && let Ok(Some(part)) = next(&mut response).await
        {
            text.extend_from_slice(&part);
        }
    };
    // The status is known: what breaks off or does not come is said as far as it has.
    let _ = tokio::time::timeout(PATIENCE, whole).await;
    let text = quoted(&text);
    let message = match text.as_str() {
        "" => format!("the function answered {status}"),
        text => format!("the function answered {status}: {text}"),
    };
    told(status, retry_after, message)
}

fn told(status: StatusCode, retry_after: Option<Duration>, message: String) -> Failed {
    let is_busy = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
    );
    if !is_busy && !status.is_server_error() {
        return refused(status, &message);
    }
    // At once is what a clock that is a little slow says as well.
    let retry_after = retry_after.filter(|delay| is_busy && !delay.is_zero());
    let again = match retry_after {
        Some(delay) => Again::After(delay),
        None => Again::Backoff,
    };
    let error = TaskError {
        again,
        ..TaskError::new(message).with_code(code(status))
    };
    // Whoever says when to come again is there.
    if status.is_server_error() && again == Again::Backoff {
        Failed::Away(error)
    } else {
        Failed::Answered(error)
    }
}

fn refused(status: StatusCode, message: &str) -> Failed {
    Failed::Answered(TaskError::permanent(message).with_code(code(status)))
}

fn code(status: StatusCode) -> String {
    format!("http_{}", status.as_u16())
}

/// How long `Retry-After` says: seconds, or until a date.
fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    // Whether the day of the week is right is not our business.
    let dates = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let date = dates.parse_timestamp(text.trim()).ok()?;
    let wait = Duration::try_from(date.duration_since(now)).unwrap_or_default();
    Some(wait.min(LONGEST))
}

/// The beginning of a text, on one line.
fn quoted(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(QUOTED)];
    readable(String::from_utf8_lossy(bytes).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_means() {
        let seconds = Duration::from_secs;
        for (status, retry_after, again, is_there) in [
            (400, None, Again::Never, true),
            (404, Some(seconds(1)), Again::Never, true),
            (302, None, Again::Never, true),
            (408, None, Again::Backoff, true),
            (425, None, Again::Backoff, true),
            (429, Some(seconds(7)), Again::After(seconds(7)), true),
            (503, Some(seconds(7)), Again::After(seconds(7)), true),
            (429, Some(seconds(0)), Again::Backoff, true),
            (503, Some(seconds(0)), Again::Backoff, false),
            (503, None, Again::Backoff, false),
            (500, Some(seconds(7)), Again::Backoff, false),
            (502, None, Again::Backoff, false),
        ] {
            let code = format!("http_{status}");
            let failed = told(
                StatusCode::from_u16(status).unwrap(),
                retry_after,
                "why".to_owned(),
            );
            let (error, was_there) = match failed {
                Failed::Answered(error) => (error, true),
                Failed::Away(error) | Failed::Before(error) => (error, false),
            };
            assert_eq!(
                (error.again, was_there, &*error.code),
                (again, is_there, &*code)
            );
        }
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date_and_has_a_bound() {
        let now: Timestamp = "2015-10-21T07:27:30Z".parse().unwrap();
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999", Some(3_600)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(30)),
            ("Mon, 21 Oct 2015 07:28:00 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("Wed, 21 Oct 2099 07:28:00 GMT", Some(3_600)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn the_form_of_a_response_is_what_it_says() {
        for (kind, form) in [
            ("application/json", Form::Json),
            ("Application/JSON; charset=utf-8", Form::Json),
            ("application/problem+json", Form::Json),
            ("text/event-stream;charset=utf-8", Form::Events),
            ("text/plain", Form::Text),
            ("application/jsonl", Form::Text),
            ("", Form::Text),
        ] {
            assert_eq!(Form::named(kind), form, "{kind}");
        }
    }

    #[test]
    fn what_is_quoted_of_an_answer_is_short_and_on_one_line() {
        assert_eq!(quoted(b" a\r\nb\x1b[31m\0 "), "a\\r\\nb\\u{1b}[31m\\u{0}");
        assert_eq!(
            quoted("é".repeat(QUOTED).as_bytes()).chars().count(),
            QUOTED / 2
        );
        assert_eq!(quoted(b""), "");
    }
}
