//! What a request says beside its body.

use serde_json::{Value, json};

use super::super::operation::Reach;
use crate::shards::MOST;
use crate::wire::{JobState, KEY_LIMIT, WAIT_LIMIT};

pub(super) fn job() -> Value {
    json!({
        "name": "id", "in": "path", "required": true, "description": "The id of the job.",
        "schema": { "type": "string", "format": "uuid" },
    })
}

pub(super) fn queue() -> Value {
    json!({
        "name": "name", "in": "path", "required": true, "description": "The name of the queue.",
        "schema": { "type": "string", "minLength": 1, "maxLength": KEY_LIMIT, "pattern": r"^[^\u0000]+$" },
    })
}

pub(super) fn wait() -> Value {
    let description = "For how many seconds to wait until the job is over, at most.";
    query(
        "wait",
        description,
        &json!({ "type": "number", "minimum": 0, "maximum": WAIT_LIMIT.as_secs() }),
    )
}

pub(super) fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "A name of the client's choice for this submission, such as a random UUID, with or without quotation \
            marks around it; the same as `idempotency_key` in the body.",
        "schema": { "type": "string", "minLength": 1, "maxLength": KEY_LIMIT, "pattern": "^[ -~]+$" },
    })
}

pub(super) fn traceparent() -> Value {
    json!({
        "name": "traceparent", "in": "header", "required": false,
        "description": "The trace that a job is a part of which does not say so itself (W3C Trace Context); what is malformed \
            is ignored.",
        "schema": { "type": "string" },
    })
}

pub(super) fn last_event_id() -> Value {
    json!({
        "name": "Last-Event-ID", "in": "header", "required": false,
        "description": "The id of the last event that has arrived.",
        "schema": { "type": "string", "pattern": r"^([0-9]{1,9}-[0-9]{1,9}|over)?$" },
    })
}

pub(super) fn after() -> Value {
    query(
        "after",
        "The piece after which to begin: its attempt and its number, as in 2-17.",
        &json!({ "type": "string", "pattern": "^[0-9]{1,9}-[0-9]{1,9}$" }),
    )
}

pub(super) fn span() -> Value {
    query(
        "span",
        "How many seconds to tell of, until now; an hour, if this does not say.",
        &json!({ "type": "integer", "minimum": 60, "maximum": 86_400, "default": 3_600 }),
    )
}

pub(super) fn of_a_list() -> Vec<Value> {
    let mut parameters = of_a_search();
    parameters.push(query(
        "limit",
        "How many, at most; 50, if this does not say.",
        &json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 50 }),
    ));
    parameters
}

pub(super) fn of_a_search() -> Vec<Value> {
    let states = JobState::ALL.map(JobState::name);
    let text = json!({ "type": "string", "pattern": r"^[^\u0000]*$" });
    let time = json!({ "type": "string", "format": "date-time" });
    let mut state = query(
        "state",
        "Only those in one of these states, separated by commas.",
        &json!({ "type": "array", "minItems": 1, "items": { "type": "string", "enum": states } }),
    );
    let ids = json!({ "type": "string", "format": "uuid" });
    let mut id = query(
        "id",
        "Only those of these ids, separated by commas.",
        &json!({ "type": "array", "minItems": 1, "maxItems": 100, "items": ids }),
    );
    for list in [&mut state, &mut id] {
        list["style"] = json!("form");
        list["explode"] = json!(false);
    }
    vec![
        state,
        query(
            "task",
            "Only those of this task, or asked for by this name.",
            &text,
        ),
        query("queue", "Only those in this queue.", &text),
        query("owner", "Only those of this owner.", &text),
        query(
            "since",
            "Only those that were submitted at this time or later.",
            &time,
        ),
        query(
            "until",
            "Only those that were submitted before this time.",
            &time,
        ),
        query(
            "search",
            "Only those with this in their content, in upper or lower case, as far as the database's locale knows these.",
            &text,
        ),
        id,
        query(
            "cursor",
            "Where the page before has ended: its `next`.",
            &json!({ "type": "string", "format": "uuid" }),
        ),
    ]
}

pub(in crate::openapi) fn shard(reach: Reach) -> Value {
    let without = match reach {
        Reach::Job => "it is looked for in each",
        Reach::Everywhere => "it is done in each",
        Reach::Owner | Reach::Anywhere | Reach::Look => "that of whoever asks",
    };
    let description = format!(
        "Where owners are spread among several databases: the number of the one that is meant, from 1; if this does not say, \
         {without}. For `admin`, and for figures; others are not heard."
    );
    query(
        "shard",
        &description,
        &json!({ "type": "integer", "minimum": 1, "maximum": MOST }),
    )
}

fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema })
}
