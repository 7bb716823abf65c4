//! The contract of the socket: an AsyncAPI document, as a pure function of the types in `wire`.
//!
//! Names, fields and descriptions come from the types and their comments. What those do not say (titles, examples,
//! which message answers which, when an error comes and what to do) is in `asyncapi/table.rs`. Nothing here is asked
//! while messages are read or sent.

mod schema;
mod table;

use serde_json::{Map, Value, json};

use crate::task::form::{Form, describe};
use crate::wire::{ClientMessage, SOCKET_PATH, SYSTEM_GROUP, ServerMessage};

use schema::{Shapes, Side};
use table::{Row, comes_unasked, is_answered_by, is_followed_by};

const SUMMARY: &str =
    "A job backend: send a task over a WebSocket, and its result comes back on the same socket.";

const CHANNEL: &str = "Text frames, each a JSON object with an action. \
    Where a field is not required, null means the same as absent; fields that are not known are ignored. \
    An error leaves the socket open; `x-errors` says what each type of error means and what to do. \
    A job that fails for good has one of the codes in `x-failure-codes`. \
    When the server closes the socket, the code and the reason are in the table `x-close-codes`.";

/// The document as text, with what these tasks work on and give back, as it is served and committed.
#[must_use]
pub fn text(tasks: &[Form]) -> String {
    let mut document = document();
    describe(&mut document, tasks);
    format!("{document:#}\n")
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let shapes = Shapes::of_the_wire();
    let asked = entries(&shapes.client, table::from_clients());
    let told = entries(&shapes.server, table::from_the_server());

    let mut messages: Map<String, Value> = asked.iter().map(Entry::message).collect();
    messages.extend(told.iter().map(Entry::message));
    let mut schemas: Map<String, Value> = asked.iter().map(Entry::schema).collect();
    schemas.extend(told.iter().map(Entry::schema));
    schemas.extend(shapes.types);
    let mut operations: Map<String, Value> = asked
        .iter()
        .map(|question| question.receive(&told))
        .collect();
    operations.extend(
        told.iter()
            .filter(|entry| comes_unasked(&entry.row.message))
            .map(Entry::send),
    );

    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ringback",
            "version": env!("CARGO_PKG_VERSION"),
            "description": SUMMARY,
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8000",
                "protocol": "ws",
                "description": "A gateway on this machine, where it listens unless told otherwise.",
            },
        },
        "channels": {
            SYSTEM_GROUP: {
                "address": SOCKET_PATH,
                "title": SYSTEM_GROUP,
                "description": CHANNEL,
                "messages": messages,
                "x-errors": table::errors(),
                "x-failure-codes": table::failures(),
                "x-close-codes": table::closes(),
            },
        },
        "operations": operations,
        "components": { "schemas": schemas },
    })
}

/// A message in the words of the document.
struct Entry<M> {
    row: Row<M>,
    action: String,
    envelope: Value,
}

fn entries<M: serde::Serialize>(side: &Side, rows: Vec<Row<M>>) -> Vec<Entry<M>> {
    let entry = |row: Row<M>| {
        let action = table::action(&row.message);
        let envelope = side.envelope(&action, row.title, row.beside);
        Entry {
            row,
            action,
            envelope,
        }
    };
    rows.into_iter().map(entry).collect()
}

impl<M> Entry<M> {
    fn schema(&self) -> (String, Value) {
        (self.row.title.to_owned(), self.envelope.clone())
    }

    fn message(&self) -> (String, Value) {
        let mut message = json!({
            "name": self.action,
            "title": self.row.title,
            "summary": self.envelope["description"],
            "payload": { "$ref": format!("#{}/{}", schema::PLACE, self.row.title) },
            "examples": self.row.examples,
        });
        if self.row.beside.contains(&"ref") {
            message["correlationId"] = json!({ "location": "$message.payload#/ref" });
        }
        (self.action.clone(), message)
    }

    /// The operation of the server that has no other message than this one.
    fn operation(&self, action: &str) -> Value {
        json!({
            "action": action,
            "channel": channel(),
            "summary": self.envelope["description"],
            "messages": [self.link()],
        })
    }

    fn link(&self) -> Value {
        json!({ "$ref": format!("#/channels/{SYSTEM_GROUP}/messages/{}", self.action) })
    }
}

impl Entry<ClientMessage> {
    /// Receiving it, what it is answered with, and what comes later because of it.
    fn receive(&self, told: &[Entry<ServerMessage>]) -> (String, Value) {
        let answers = told
            .iter()
            .filter(|answer| is_answered_by(&self.row.message, &answer.row.message));
        let answers: Vec<Value> = answers.map(Entry::link).collect();
        let mut operation = self.operation("receive");
        operation["reply"] = json!({ "channel": channel(), "messages": answers });
        let later = told
            .iter()
            .filter(|later| is_followed_by(&self.row.message, &later.row.message));
        let later: Vec<&str> = later.map(|later| later.action.as_str()).collect();
        if !later.is_empty() {
            operation["x-later"] = json!(later);
        }
        (self.action.clone(), operation)
    }
}

impl Entry<ServerMessage> {
    /// Sending it unasked.
    fn send(&self) -> (String, Value) {
        (self.action.clone(), self.operation("send"))
    }
}

fn channel() -> Value {
    json!({ "$ref": format!("#/channels/{SYSTEM_GROUP}") })
}
