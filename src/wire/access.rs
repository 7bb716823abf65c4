//! Who asks, and how a socket is told so.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A ticket for a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ticket {
    /// The ticket itself, a secret: it is good once, on any gateway, for a socket of whoever bought it.
    pub ticket: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// When the token ends that it was bought with, and with it the socket; null where it does not.
    pub token_ends_at: Option<Timestamp>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Me {
    /// The owner of what they submit.
    pub subject: String,
    /// What they may do; `admin` is everything.
    pub scopes: Vec<String>,
    /// When their token ends; null where there is none.
    pub token_ends_at: Option<Timestamp>,
    /// Among how many databases owners are spread: an operator can name one of them by `shard`.
    pub shards: u32,
}

/// A fresh ticket for an open socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthenticatePayload {
    /// The ticket.
    pub ticket: String,
}

/// Until when the socket may stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AuthenticatedPayload {
    /// When the token ends that the ticket was bought with, and with it the socket; null where it does not.
    pub token_ends_at: Option<Timestamp>,
}
