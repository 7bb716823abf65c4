//! What the types do not say about the operations: parameters, statuses, and which type answers which.

mod access;
mod answer;
mod callback;
mod jobs;
mod many;
mod operator;
mod parameters;

use schemars::JsonSchema;
use schemars::generate::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::Operation;
pub(super) use answer::{Answer, problem};
pub(super) use parameters::shard;

/// One operation of the contract.
pub(super) struct Row {
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) parameters: Vec<Value>,
    /// The content of its body, where it has one.
    pub(super) body: Option<Value>,
    pub(super) answers: Vec<Answer>,
    /// The statuses of what can be wrong.
    pub(super) problems: Vec<u16>,
}

/// What can be wrong with any request.
const ANY: [u16; 7] = [401, 403, 414, 429, 431, 500, 503];

/// And with any that has a body.
const WITH_A_BODY: [u16; 5] = [400, 408, 413, 415, 422];

/// The row of an operation; the schemas that it mentions are noted in `schemas`.
pub(super) fn row(operation: Operation, schemas: &mut SchemaGenerator) -> Row {
    match operation {
        Operation::SubmitJob => jobs::submit(schemas),
        Operation::SubmitJobs => many::submit(schemas),
        Operation::ListJobs => jobs::list(schemas),
        Operation::FindJobs => jobs::find(schemas),
        Operation::GetJob => jobs::get(schemas),
        Operation::ListAttempts => jobs::attempts(schemas),
        Operation::ListChunks => jobs::chunks(schemas),
        Operation::FollowJob => jobs::follow(schemas),
        Operation::CancelJob => jobs::cancel(schemas),
        Operation::CancelJobs => many::cancel(schemas),
        Operation::RetryJob => jobs::retry(schemas),
        Operation::RetryJobs => many::retry(schemas),
        Operation::SendNotice => operator::notify(schemas),
        Operation::ListTasks => operator::tasks(schemas),
        Operation::ListQueues => operator::queues(schemas),
        Operation::PauseQueue => operator::pause(schemas),
        Operation::ResumeQueue => operator::resume(schemas),
        Operation::GetStats => operator::stats(schemas),
        Operation::GetOverview => operator::overview(schemas),
        Operation::FollowOverview => operator::follow(schemas),
        Operation::ListSamples => operator::samples(schemas),
        Operation::CreateTicket => access::ticket(schemas),
        Operation::GetMe => access::me(schemas),
        Operation::CallBack => callback::call_back(schemas),
    }
}

/// What the schemas say besides: constraints that the types' other contract has no words for.
pub(super) fn complete(schemas: &mut Map<String, Value>) {
    let text = r"^[^\u0000]*$";
    for (schema, fields) in [
        (
            "TaskPayload",
            &["task_type", "content", "idempotency_key", "concurrency_key"][..],
        ),
        ("NewNotice", &["content"]),
    ] {
        for field in fields {
            schemas[schema]["properties"][field]["pattern"] = text.into();
        }
    }
    for key in ["idempotency_key", "concurrency_key"] {
        schemas["TaskPayload"]["properties"][key]["minLength"] = 1.into();
        schemas["TaskPayload"]["properties"][key]["maxLength"] = 255.into();
    }
    // Either of them.
    schemas["TaskPayload"]["oneOf"] = json!([
        {
            "title": "OnAText",
            "required": ["content"],
            "properties": { "content": { "type": "string" }, "input": { "type": "null" } },
        },
        {
            "title": "OnAnyJson",
            "required": ["input"],
            "properties": { "input": { "not": { "type": "null" } }, "content": { "type": "null" } },
        },
    ]);
    for (schema, field) in [
        ("JobsPayload", "jobs"),
        ("CancelJobs", "ids"),
        ("RetryJobs", "ids"),
    ] {
        schemas[schema]["properties"][field]["minItems"] = 1.into();
        schemas[schema]["properties"][field]["maxItems"] = 500.into();
    }
}

/// An event, as one reads it from a stream.
fn event(names: &[&str]) -> Value {
    json!({
        "type": "object",
        "properties": {
            "event": { "type": "string", "enum": names },
            "id": { "type": "string" },
            "data": { "type": "string", "contentMediaType": "application/json" },
        },
        "required": ["event", "data"],
    })
}

fn with_a_body(summary: &'static str, description: &'static str, more: &[u16]) -> Row {
    without(summary, description, &[&WITH_A_BODY, more].concat())
}

fn without(summary: &'static str, description: &'static str, problems: &[u16]) -> Row {
    Row {
        summary,
        description,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        problems: [&ANY, problems].concat(),
    }
}

fn body<T: JsonSchema>(schemas: &mut SchemaGenerator, example: &Value) -> Value {
    json!({ "schema": schemas.subschema_for::<T>(), "examples": { "one": { "value": example } } })
}
