//! What a check has found, and how bad that is.

use serde::Serialize;

use super::Check;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// This login may not look, or looking took too long.
    Unseen,
    /// It works, and may not for long.
    Warning,
    /// Something does not work, or may be lost.
    Problem,
}

impl Status {
    /// Its name, for people and scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unseen => "unseen",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How it is.
    pub status: Status,
    /// What was found, with figures and their units.
    pub found: String,
    /// What to do: a statement, a setting, a command; nothing, where all is well.
    pub advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: Check, found: impl Into<String>) -> Self {
        Self {
            check,
            status: Status::Ok,
            found: found.into(),
            advice: None,
        }
    }

    pub(super) fn new(
        check: Check,
        status: Status,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            check,
            status,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }
}

/// What was found; or that all is well, where that is nothing.
pub(super) fn or_ok(
    findings: Vec<Finding>,
    check: Check,
    found: impl Into<String>,
) -> Vec<Finding> {
    match findings.is_empty() {
        true => vec![Finding::ok(check, found)],
        false => findings,
    }
}
