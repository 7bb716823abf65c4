//! The ids of messages that may be sent again: a repeat has the same one.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::ids::JobId;

/// Names a message that may be sent again. To clients it is just a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(into = "String")]
#[schemars(with = "String")]
pub enum MessageId {
    /// How a job ended; it ends once.
    Outcome(JobId),
    /// A notice, by its number.
    Notice(i64),
}

impl MessageId {
    /// Reads what a client sends back; nothing, where it is none of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("notice-") {
            Some(number) => number.parse().ok().map(Self::Notice),
            None => Uuid::parse_str(text)
                .ok()
                .map(|id| Self::Outcome(JobId(id))),
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome(job) => write!(f, "{job}"),
            Self::Notice(number) => write!(f, "notice-{number}"),
        }
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written() {
        for id in [
            MessageId::Outcome(JobId(Uuid::from_u128(7))),
            MessageId::Notice(7),
        ] {
            assert_eq!(MessageId::parse(&id.to_string()), Some(id));
        }
        for other in ["", "notice-", "notice-x", "7"] {
            assert_eq!(MessageId::parse(other), None, "{other}");
        }
    }
}
