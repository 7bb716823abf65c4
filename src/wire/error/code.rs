//! The codes of what can be wrong.

use schemars::JsonSchema;
use serde::Serialize;

/// The codes of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    /// The frame is not JSON text.
    JsonInvalid,
    /// There is no action.
    UnionTagNotFound,
    /// The action is not known.
    UnionTagInvalid,
    /// A field is not there.
    Missing,
    /// A field must be a string that can be stored.
    StringType,
    /// A value must be a number.
    FloatType,
    /// A value must be a whole number.
    IntType,
    /// A value must be true or false.
    BoolType,
    /// A value must be a time.
    DatetimeParsing,
    /// A number is too small.
    GreaterThanEqual,
    /// A number, or a time, is too large.
    LessThanEqual,
    /// A value does not go with another.
    ValueError,
    /// A value must be a list.
    ListType,
    /// A value must be an object.
    ModelType,
    /// There must be no value.
    NoneRequired,
    /// The frame, or a field, is too large.
    TooLarge,
    /// Too much is waiting; try again.
    Busy,
    /// Too much is asked for at once; try again.
    RateLimited,
    /// A value must be a UUID.
    UuidParsing,
    /// It is not known who asks: there is no token, or it is not taken.
    Unauthorized,
    /// Who asks may not do this.
    Forbidden,
    /// There is no such job, or it is another's.
    NotFound,
    /// No such task, and no default task.
    TaskUnknown,
    /// The key was used before, for something else; or the job is over.
    Conflict,
    /// The database refused this job, and it was not stored.
    Unstorable,
    /// The database cannot be reached, or has no room; try again.
    Unavailable,
}

impl ErrorType {
    /// What it is called on the wire.
    #[must_use]
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            other => unreachable!("a code is a string, and not {other:?}"),
        }
    }
}
