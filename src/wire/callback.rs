//! What a function says about a job that waits to be called back.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// How a job went, or how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum CallBackBody {
    /// It is done.
    Done {
        /// What it gives.
        #[schemars(title = "ResultValue")]
        result: Value,
    },
    /// It has failed.
    Failed {
        /// A sentence.
        error: String,
        /// Whether it is to be tried again; it is, if nothing is said.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry: Option<bool>,
        /// After how many seconds; by itself after growing delays.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<f64>,
        /// A stable code, of letters, digits and `_`, at most 64; `task_failed`, if nothing is said.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// It is worked on.
    Progress {
        /// From 0 to 100.
        #[serde(skip_serializing_if = "Option::is_none")]
        percent: Option<f64>,
        /// What is being done.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
}
