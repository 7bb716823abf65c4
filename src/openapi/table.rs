//! What the types do not say about the operations: parameters, statuses, and which type answers which.

mod answer;
mod parameters;

use schemars::JsonSchema;
use schemars::generate::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::Operation;
use crate::wire::{
    AttemptList, Job, JobLink, JobPage, JobsPayload, JobsQueuedPayload, NewNotice, QueueList,
    QueueState, SentNotice, Stats, TaskPayload,
};

use answer::json_of;
pub(super) use answer::{Answer, problem};

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
const ANY: [u16; 5] = [403, 414, 431, 500, 503];

/// And with any that has a body.
const WITH_A_BODY: [u16; 5] = [400, 408, 413, 415, 422];

/// The row of an operation; the schemas that it mentions are noted in `schemas`.
pub(super) fn row(operation: Operation, schemas: &mut SchemaGenerator) -> Row {
    match operation {
        Operation::SubmitJob => Row {
            parameters: vec![parameters::idempotency_key(), parameters::wait()],
            body: Some(body::<TaskPayload>(
                schemas,
                &json!({ "task_type": "translate", "content": "hello" }),
            )),
            answers: vec![
                json_of::<Job>(
                    schemas,
                    200,
                    "The job, which is over: asked for with `wait`.",
                )
                .located(),
                json_of::<JobLink>(
                    schemas,
                    202,
                    "The job is committed: it will run, whatever dies.",
                )
                .located()
                .linked(&["get_job", "list_attempts", "cancel_job", "retry_job"]),
            ],
            ..with_a_body(
                "Submit a job",
                "The job is committed before the answer. \
                 With `wait`, the answer is the job as soon as it is over, or after that time that it is committed. \
                 With an `Idempotency-Key` it may be submitted again: the same key with the same job is the same job, \
                 with another one is 422, and 409 while somebody's transaction under way holds the key.",
                &[409],
            )
        },
        Operation::SubmitJobs => Row {
            body: Some(body::<JobsPayload>(
                schemas,
                &json!({ "jobs": [{ "task_type": "translate", "content": "hello" }] }),
            )),
            answers: vec![json_of::<JobsQueuedPayload>(
                schemas,
                202,
                "All of the jobs are committed.",
            )],
            ..with_a_body(
                "Submit many jobs, all or none",
                "From 1 to 500. Each may have an `idempotency_key` of its own.",
                &[409],
            )
        },
        Operation::ListJobs => Row {
            parameters: parameters::of_a_list(),
            answers: vec![json_of::<JobPage>(
                schemas,
                200,
                "Some of the jobs, the newest first.",
            )],
            ..without(
                "List jobs",
                "Page by page: `next` of one page is the `cursor` of the next one. \
                 A page has fewer jobs than its `limit` where they are large.",
                &[422],
            )
        },
        Operation::GetJob => Row {
            parameters: vec![parameters::job(), parameters::wait()],
            answers: vec![json_of::<Job>(schemas, 200, "The job.")],
            ..without(
                "Show a job",
                "With `wait`, the answer comes as soon as the job is over, or after that time as it is then.",
                &[404, 422],
            )
        },
        Operation::ListAttempts => Row {
            parameters: vec![parameters::job()],
            answers: vec![json_of::<AttemptList>(schemas, 200, "Its attempts.")],
            ..without(
                "List the attempts of a job",
                "Those that have ended, in their order.",
                &[404, 422],
            )
        },
        Operation::FollowJob => Row {
            parameters: vec![parameters::job(), parameters::last_event_id()],
            answers: vec![
                Answer {
                    content: Some(json!({ "text/event-stream": { "schema": event() } })),
                    ..Answer::new(200, "The job's events, until it is over.")
                },
                Answer::new(
                    204,
                    "There is nothing after that event: the job is over, and do not come back.",
                ),
            ],
            ..without(
                "Follow a job",
                "Server-sent events, each a message of the socket with its action as the name of the event: \
                 `job_chunk` (its id is the attempt and the number of the piece, as in `2-17`), `job_progress` (the latest \
                 counts), and at the end `job_result`, `job_failed` or `job_cancelled` (whose id is `over`). \
                 Whoever comes back with `Last-Event-ID` goes on from there.",
                &[404, 422],
            )
        },
        Operation::CancelJob => Row {
            parameters: vec![parameters::job()],
            answers: vec![
                json_of::<JobLink>(schemas, 200, "The job had not begun, and is cancelled."),
                json_of::<JobLink>(schemas, 202, "The job runs, and is asked to end."),
            ],
            ..without("Cancel a job", "One that is over is 409.", &[404, 409, 422])
        },
        Operation::RetryJob => Row {
            parameters: vec![parameters::job()],
            answers: vec![
                json_of::<JobLink>(
                    schemas,
                    200,
                    "The job was waiting, and does so no longer than it must.",
                )
                .located(),
                json_of::<JobLink>(
                    schemas,
                    202,
                    "The same is submitted as a new job, now or when somebody asked for it before.",
                )
                .located(),
            ],
            ..without(
                "Retry a job",
                "One that waits for its time is due now. \
                 One that has failed or was cancelled stays what it is, and the same is submitted as a new job; asking \
                 again gives that job again. One that runs or has succeeded is 409.",
                &[404, 409, 422],
            )
        },
        Operation::SendNotice => Row {
            body: Some(body::<NewNotice>(
                schemas,
                &json!({ "content": "The server restarts at noon." }),
            )),
            answers: vec![json_of::<SentNotice>(
                schemas,
                202,
                "The notice is committed, and on its way.",
            )],
            ..with_a_body(
                "Send a notice to everyone",
                "To every socket, and to sessions that come back in time.",
                &[],
            )
        },
        Operation::ListQueues => Row {
            answers: vec![json_of::<QueueList>(schemas, 200, "The queues.")],
            ..without(
                "List the queues",
                "Those with live jobs, that are paused, or that belong to a task.",
                &[],
            )
        },
        Operation::PauseQueue => Row {
            parameters: vec![parameters::queue()],
            answers: vec![json_of::<QueueState>(schemas, 200, "It is paused.")],
            ..without(
                "Pause a queue",
                "No worker takes a job of it from now on; what runs goes on.",
                &[404, 422],
            )
        },
        Operation::ResumeQueue => Row {
            parameters: vec![parameters::queue()],
            answers: vec![json_of::<QueueState>(schemas, 200, "It goes on.")],
            ..without(
                "Let a queue go on",
                "One that was not paused stays as it is.",
                &[422],
            )
        },
        Operation::GetStats => Row {
            answers: vec![json_of::<Stats>(schemas, 200, "How things are.")],
            ..without(
                "Say how things are",
                "Live jobs by state, and how the last hour's jobs of each task went.",
                &[],
            )
        },
    }
}

/// An event of a job, as one reads it from the stream.
fn event() -> Value {
    json!({
        "type": "object",
        "properties": {
            "event": {
                "type": "string",
                "enum": ["job_chunk", "job_progress", "job_result", "job_failed", "job_cancelled"],
            },
            "id": { "type": "string" },
            "data": { "type": "string", "contentMediaType": "application/json" },
        },
        "required": ["event", "data"],
    })
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
    schemas["JobsPayload"]["properties"]["jobs"]["minItems"] = 1.into();
    schemas["JobsPayload"]["properties"]["jobs"]["maxItems"] = 500.into();
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
