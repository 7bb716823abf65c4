//! What a socket takes up: its connection, its places, and how fast it may send.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;

use super::super::Shared;
use super::super::api::Refused;
use super::super::crowd::Place;
use super::super::door::{Visit, kind_of};
use super::super::forwarded;
use super::super::front::Front;
use super::super::identify::{LATER, Who};
use super::super::rate::Rate;
use super::super::subjects::Subject;
use crate::wire::ErrorItem;

/// What a socket takes up for as long as it is open.
#[derive(Debug)]
pub(super) struct Guest {
    subject: Option<Arc<Subject>>,
    rate: Rate,
    _places: (Option<Place<Arc<str>>>, Option<Place<IpAddr>>),
    _visit: Arc<Visit>,
}

impl Guest {
    /// Takes places for a socket, or says which there are none of. Boxed, so that little of it is part of the socket.
    pub(super) fn receive(
        front: &Front,
        shared: &Shared,
        visit: Arc<Visit>,
        who: &Who,
        headers: &HeaderMap,
    ) -> Result<Box<Self>, Refused> {
        let limits = &shared.settings.limits;
        let full = |msg: &str| Refused::from(ErrorItem::rate_limited(msg, LATER));
        let peer = visit.peer.ip();
        let client = forwarded::client(peer, headers, &limits.trusted_proxies);
        // Who comes without a proxy has a place since the connection was let in.
        let of_address = if client == peer {
            None
        } else {
            let place = front.proxied.enter(kind_of(client));
            Some(place.ok_or_else(|| full("Too many sockets of this address are open"))?)
        };
        let subject = who.subject(shared);
        let of_subject = who.stay(shared)?;
        Ok(Box::new(Self {
            subject,
            rate: Rate::new(limits.rate_per_socket),
            _places: (of_subject, of_address),
            _visit: visit,
        }))
    }

    /// Whether it may send one more message; if not, after what time.
    pub(super) fn ask(&self) -> Result<(), Duration> {
        self.rate.take()?;
        self.subject().map_or(Ok(()), Subject::ask)
    }

    /// Whose it is; none, where that is everybody.
    pub(super) fn subject(&self) -> Option<&Subject> {
        self.subject.as_deref()
    }
}
