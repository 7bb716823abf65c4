//! What is wrong with an HTTP request, as RFC 9457 has it.

use schemars::JsonSchema;
use serde::Serialize;

use super::{ErrorItem, ErrorType};

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// Which kind of problem: `urn:ringback:error:` and the type of the first of its errors; `about:blank` where there is
    /// none, and the status says it all.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status of the answer.
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    /// A sentence for people, that says what to do.
    pub detail: String,
    /// Everything that is wrong, as the socket says it; `loc` begins with `body`, `query`, `path` or `header`.
    pub errors: Vec<ErrorItem>,
}

impl Problem {
    /// What is wrong with what was asked. There is at least one error.
    #[must_use]
    pub fn new(status: u16, errors: Vec<ErrorItem>) -> Self {
        let code = errors.first().map(|error| error.kind.name());
        let detail = errors.iter().map(sentence).collect::<Vec<_>>().join("; ");
        Self {
            kind: code.map_or_else(blank, |code| format!("urn:ringback:error:{code}")),
            title: title(status).to_owned(),
            status,
            detail,
            errors,
        }
    }

    /// What is wrong with the request as such, in a sentence.
    #[must_use]
    pub fn of_the_request(status: u16, detail: impl Into<String>) -> Self {
        Self {
            kind: blank(),
            title: title(status).to_owned(),
            status,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// When it is worth trying again, in seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        self.errors
            .iter()
            .filter_map(|error| error.retry_after)
            .max()
    }
}

impl From<Vec<ErrorItem>> for Problem {
    /// With the status of the first.
    fn from(errors: Vec<ErrorItem>) -> Self {
        let status = errors.first().map_or(500, |error| status(error.kind));
        Self::new(status, errors)
    }
}

impl From<ErrorItem> for Problem {
    fn from(error: ErrorItem) -> Self {
        vec![error].into()
    }
}

fn status(kind: ErrorType) -> u16 {
    match kind {
        ErrorType::JsonInvalid => 400,
        ErrorType::Unauthorized => 401,
        ErrorType::Forbidden => 403,
        ErrorType::NotFound => 404,
        ErrorType::Conflict => 409,
        ErrorType::RateLimited => 429,
        ErrorType::Busy | ErrorType::Unavailable => 503,
        ErrorType::UnionTagNotFound
        | ErrorType::UnionTagInvalid
        | ErrorType::Missing
        | ErrorType::StringType
        | ErrorType::FloatType
        | ErrorType::IntType
        | ErrorType::BoolType
        | ErrorType::DatetimeParsing
        | ErrorType::GreaterThanEqual
        | ErrorType::LessThanEqual
        | ErrorType::ValueError
        | ErrorType::ListType
        | ErrorType::ModelType
        | ErrorType::NoneRequired
        | ErrorType::TooLarge
        | ErrorType::UuidParsing
        | ErrorType::TaskUnknown
        | ErrorType::Unstorable => 422,
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Error",
    }
}

fn blank() -> String {
    "about:blank".to_owned()
}

fn sentence(error: &ErrorItem) -> String {
    if error.loc.is_empty() {
        error.msg.clone()
    } else {
        format!("{}: {}", error.loc.join("."), error.msg)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_says_what_the_socket_says() {
        let errors = vec![
            ErrorItem::new(ErrorType::Missing, &["body", "content"], "Field required"),
            ErrorItem::busy(),
        ];
        let problem = Problem::from(errors.clone());
        assert_eq!(problem.retry_after(), Some(1));
        assert_eq!(
            json!(problem),
            json!({
                "type": "urn:ringback:error:missing", "title": "Unprocessable Content", "status": 422,
                "detail": "body.content: Field required; Too many jobs are waiting; try again",
                "errors": errors,
            })
        );
        let problem = Problem::of_the_request(405, "use POST");
        assert_eq!(
            (problem.kind.as_str(), problem.retry_after()),
            ("about:blank", None)
        );
    }
}
