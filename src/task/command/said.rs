//! What a process says in lines of JSON.

use std::time::Duration;

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Map, Value};

use super::super::TaskError;

/// The longest code of an error.
const LONGEST_CODE: usize = 64;

/// The longest that an error may ask to wait, in seconds: thirty days, as for whoever calls back.
const LONGEST_AFTER: f64 = 2_592_000.0;

/// One line.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    /// The job, where it says so.
    pub(super) job: Option<Value>,
    pub(super) what: What,
}

/// What it says.
#[derive(Debug, PartialEq)]
pub(super) enum What {
    Progress {
        percent: Option<f64>,
        note: Option<String>,
    },
    Chunk(String),
    /// The end of a job; only a process that does many says so.
    Answer(Result<Value, TaskError>),
}

impl Said {
    /// What a line means, if it is one of these.
    ///
    /// # Errors
    /// When it was meant to be one, and cannot be read.
    pub(super) fn parse(line: &[u8]) -> serde_json::Result<Option<Self>> {
        if !line.trim_ascii_start().starts_with(b"{") {
            return Ok(None);
        }
        let mut line: Map<String, Value> = serde_json::from_slice(line)?;
        let job = line.remove("job");
        Ok(What::of(line)?.map(|what| Self { job, what }))
    }
}

impl What {
    fn of(mut line: Map<String, Value>) -> serde_json::Result<Option<Self>> {
        // As many write it who have one of the two: with a null for the other.
        if line.get("error").is_some_and(|error| !error.is_null()) {
            let failed: Failed = serde_json::from_value(line.into())?;
            return Ok(Some(Self::Answer(Err(failed.into()))));
        }
        if let Some(result) = line.remove("result") {
            return Ok(Some(Self::Answer(Ok(result))));
        }
        if line.contains_key("error") {
            let error = "its error is null, and it has no result";
            return Err(serde_json::Error::custom(error));
        }
        if let Some(chunk) = line.remove("chunk") {
            return Ok(Some(Self::Chunk(serde_json::from_value(chunk)?)));
        }
        if !line.contains_key("percent") && !line.contains_key("note") {
            return Ok(None);
        }
        let Progress { percent, note } = serde_json::from_value(line.into())?;
        Ok(Some(Self::Progress { percent, note }))
    }
}

#[derive(Deserialize)]
struct Progress {
    percent: Option<f64>,
    note: Option<String>,
}

#[derive(Deserialize)]
struct Failed {
    error: String,
    retry: Option<bool>,
    /// In seconds.
    after: Option<f64>,
    code: Option<String>,
}

impl From<Failed> for TaskError {
    fn from(failed: Failed) -> Self {
        let message = failed.error.replace('\0', "\u{fffd}");
        let after = failed
            .after
            .and_then(|after| Duration::try_from_secs_f64(after.min(LONGEST_AFTER)).ok());
        let error = match (failed.retry, after) {
            (Some(false), _) => Self::permanent(message),
            (Some(true) | None, Some(after)) => Self::after(message, after),
            (Some(true) | None, None) => Self::new(message),
        };
        match failed.code {
            Some(code) if is_code(&code) => error.with_code(code),
            Some(_) | None => error,
        }
    }
}

fn is_code(code: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !code.is_empty() && code.len() <= LONGEST_CODE && code.chars().all(letters)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(line: &str) -> Option<What> {
        Said::parse(line.as_bytes()).unwrap().map(|said| said.what)
    }

    #[test]
    fn an_error_that_is_there_wins_and_one_that_is_null_is_not_there() {
        let error = Some(What::Answer(Err(TaskError::new("boom"))));
        assert_eq!(parse(r#"{"result": null, "error": "boom"}"#), error);
        assert_eq!(parse(r#"{"error": "boom", "result": 5}"#), error);
        let result = Some(What::Answer(Ok(json!(5))));
        assert_eq!(parse(r#"{"result": 5, "error": null}"#), result);
        assert!(Said::parse(br#"{"error": null}"#).is_err());
    }

    #[test]
    fn a_line_says_of_which_job_it_is() {
        for (line, job) in [
            (r#"{"job": "a", "result": 5}"#, Some(json!("a"))),
            (r#"{"job": null, "error": "no"}"#, Some(json!(null))),
            (r#"{"percent": 5, "job": "a"}"#, Some(json!("a"))),
            (r#"{"chunk": "a"}"#, None),
        ] {
            assert_eq!(Said::parse(line.as_bytes()).unwrap().unwrap().job, job);
        }
    }

    #[test]
    fn lines_are_what_they_say_and_others_are_nothing() {
        let progress = |percent, note: Option<&str>| {
            let note = note.map(str::to_owned);
            Some(What::Progress { percent, note })
        };
        assert_eq!(
            parse(r#"{"percent": 50, "note": "half"}"#),
            progress(Some(50.0), Some("half"))
        );
        assert_eq!(parse(r#"{"note": "begun"}"#), progress(None, Some("begun")));
        assert_eq!(
            parse(r#"{"percent": 1, "more": [1]}"#),
            progress(Some(1.0), None)
        );
        assert_eq!(
            parse(r#"{"chunk": "a\nb"}"#),
            Some(What::Chunk("a\nb".to_owned()))
        );
        assert_eq!(
            parse(r#"{"result": null}"#),
            Some(What::Answer(Ok(json!(null))))
        );
        for nothing in [
            "",
            "50",
            "{}",
            r#"{"more": 1}"#,
            r#"["result"]"#,
            "starting up",
        ] {
            assert_eq!(parse(nothing), None, "{nothing}");
        }
        let deep = format!(r#"{{"result": {}{}}}"#, "[".repeat(200), "]".repeat(200));
        for unreadable in [
            "{",
            r#"{"result": NaN}"#,
            r#" {"chunk": 5}"#,
            r#"{"percent": "half"}"#,
            r#"{"error": 5}"#,
            &deep,
        ] {
            assert!(Said::parse(unreadable.as_bytes()).is_err(), "{unreadable}");
        }
    }

    #[test]
    fn an_error_is_tried_again_unless_it_says_otherwise() {
        for (line, error) in [
            (r#"{"error": "no"}"#, TaskError::new("no")),
            (r#"{"error": "no", "retry": true}"#, TaskError::new("no")),
            (
                r#"{"error": "no", "retry": false, "code": "bad_input"}"#,
                TaskError::permanent("no").with_code("bad_input"),
            ),
            (
                r#"{"error": "no", "after": 1.5}"#,
                TaskError::after("no", Duration::from_millis(1_500)),
            ),
            (
                r#"{"error": "no", "after": 1e300}"#,
                TaskError::after("no", Duration::from_secs(2_592_000)),
            ),
            (
                r#"{"error": "no", "after": -1, "code": "not a code"}"#,
                TaskError::new("no"),
            ),
        ] {
            assert_eq!(parse(line), Some(What::Answer(Err(error))), "{line}");
        }
    }
}
