//! Who asks, and tickets for sockets.

use schemars::generate::SchemaGenerator;

use super::answer::json_of;
use super::{Row, without};
use crate::wire::{Me, Ticket};

pub(super) fn ticket(schemas: &mut SchemaGenerator) -> Row {
    Row {
        answers: vec![json_of::<Ticket>(schemas, 201, "A ticket.")],
        ..without(
            "Buy a ticket for a socket",
            "For pages, whose sockets cannot carry a token: the socket is opened with the protocols `ringback` and \
             `ringback.ticket.` with the ticket after it, once, within 30 seconds, on any gateway. Programs open theirs \
             with the header `Authorization` instead.",
            &[],
        )
    }
}

pub(super) fn me(schemas: &mut SchemaGenerator) -> Row {
    Row {
        answers: vec![json_of::<Me>(schemas, 200, "Who asks.")],
        ..without(
            "Say who asks",
            "The subject of the token, what it may do, and when it ends. Without authentication, everybody is `anonymous`.",
            &[],
        )
    }
}
