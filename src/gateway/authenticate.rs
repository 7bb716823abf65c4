//! Whose a socket is: as it opens, by a token or a ticket; and while it is open, by a fresh ticket.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use jiff::Timestamp;

use super::Shared;
use super::access::Auth;
use super::api::Refused;
use super::connection::Connection;
use super::front::Front;
use super::identify::{self, Who};
use crate::auth::{Identity, Secret};
use crate::postgres::link::limited_to;
use crate::ticket;
use crate::wire::{AuthenticatedPayload, ErrorItem, Frame, ServerMessage};

/// The protocol of the socket, for those who name one.
pub(super) const PROTOCOL: &str = "ringback";

/// What stands before a ticket among the protocols.
const TICKET: &str = "ringback.ticket.";

/// How many tickets are looked for at once: strangers must not take up the connections that the others need.
pub(super) const AT_ONCE: usize = 2;

/// How long a socket that gives a ticket waits for the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose the socket is that these headers ask for.
pub(super) async fn opening(headers: &HeaderMap, front: &Front) -> Result<Who, Refused> {
    let ticket = match front.settings.access.auth {
        Auth::None => None,
        Auth::Tokens(_) => ticket_of(headers),
    };
    let Some(ticket) = ticket else {
        return identify::of(headers, front).await;
    };
    match redeem_anywhere(front, ticket).await {
        Ok(Some(identity)) => Ok(Who(Arc::new(identity))),
        Ok(None) => {
            let reason = "there is no such ticket; a ticket is good once, for 30 seconds";
            Err(ErrorItem::unauthorized(reason).into())
        }
        Err(refused) => Err(refused),
    }
}

/// Takes a ticket of whichever shard has sold it: nothing about it says whose it is.
async fn redeem_anywhere(front: &Front, ticket: Secret) -> Result<Option<Identity>, Refused> {
    let redeemed = front.first(|shared| {
        let ticket = ticket.clone();
        async move {
            let redeemed = redeem(&shared, ticket).await;
            redeemed.map_err(|error| Refused::by_the_database(&error, "take a ticket"))
        }
    });
    redeemed.await
}

/// Takes a ticket. What cannot be one is not looked for, and few are at once: strangers can send any number.
async fn redeem(shared: &Shared, ticket: Secret) -> Result<Option<Identity>, sqlx::Error> {
    if !ticket.is_well_formed() {
        return Ok(None);
    }
    // The wait for a turn as well: those before may all be waiting for a database that hangs.
    limited_to(PATIENCE, async {
        let _turn = shared.tickets.acquire().await;
        shared
            .database
            .run(async |database| ticket::redeem(database, &ticket).await)
            .await
    })
    .await
}

/// Takes a fresh ticket for an open socket, and answers.
pub(super) async fn authenticate(
    shared: &Shared,
    connection: &Arc<Connection>,
    reference: Option<String>,
    ticket: String,
) {
    let message = match redeem(shared, Secret::given(ticket)).await {
        Ok(Some(fresh)) if fresh.subject == connection.identity().subject => {
            let token_ends_at = fresh
                .until
                .and_then(|until| Timestamp::try_from(until).ok());
            shared.hub.renew(connection, Arc::new(fresh));
            ServerMessage::Authenticated(AuthenticatedPayload { token_ends_at })
        }
        Ok(Some(_)) => ServerMessage::Error(vec![ErrorItem::other_subject()]),
        Ok(None) => ServerMessage::Error(vec![ErrorItem::no_ticket()]),
        Err(error) => {
            tracing::warn!(%error, connection.id = %connection.id, "could not take a ticket");
            ServerMessage::Error(vec![ErrorItem::not_authenticated()])
        }
    };
    connection.send(Frame::answering(message, reference).encode().into());
}

/// The ticket among the protocols: the only header that a page can set on its socket.
fn ticket_of(headers: &HeaderMap) -> Option<Secret> {
    let protocols = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut tickets = protocols
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|protocol| protocol.trim().strip_prefix(TICKET));
    tickets
        .next()
        .map(|ticket| Secret::given(ticket.to_owned()))
}
