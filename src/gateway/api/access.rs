//! Who asks, and tickets for sockets.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use jiff::Timestamp;

use super::super::Shared;
use super::super::front::Front;
use super::super::identify::Who;
use super::Refused;
use super::answer::{Answer, json};
use crate::auth::Secret;
use crate::ticket;
use crate::wire::{ErrorItem, Me, Ticket};

pub(super) async fn ticket(Extension(shared): Extension<Shared>, who: Who) -> Answer {
    if let Some(subject) = who.subject(&shared)
        && let Err(after) = subject.buy()
    {
        let msg = "Too many tickets in a second; buy one for each socket";
        return Err(ErrorItem::rate_limited(msg, after).into());
    }
    let Who(who) = who;
    let secret = Secret::random();
    let good_for = shared.settings.keep.tickets;
    let issued = shared
        .database
        .run(async |connection| ticket::issue(connection, &secret, &who, good_for).await);
    let issued = issued.await;
    let expires = issued.map_err(|error| Refused::by_the_database(&error, "sell a ticket"))?;
    let ticket = Ticket {
        ticket: secret.reveal().to_owned(),
        expires_at: timestamp(expires),
        token_ends_at: who.until.map(timestamp),
    };
    Ok(json(StatusCode::CREATED, &ticket))
}

pub(super) async fn me(State(front): State<Arc<Front>>, Who(who): Who) -> Answer {
    let me = Me {
        subject: who.subject.to_string(),
        scopes: who.scopes.names().map(str::to_owned).collect(),
        token_ends_at: who.until.map(timestamp),
        shards: u32::try_from(front.count()).unwrap_or(u32::MAX),
    };
    Ok(json(StatusCode::OK, &me))
}

/// A time that no calendar has is as good as never.
fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::MAX)
}
