//! Jobs, one by one.

use schemars::generate::SchemaGenerator;
use serde_json::json;

use super::answer::{Answer, json_of};
use super::{Row, body, event, parameters, with_a_body, without};
use crate::wire::{AttemptList, ChunkList, IdPage, Job, JobLink, JobPage, TaskPayload};

/// The events of a job.
const OF_A_JOB: &[&str] = &[
    "job_chunk",
    "job_progress",
    "job_result",
    "job_failed",
    "job_cancelled",
];

pub(super) fn submit(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: vec![
            parameters::idempotency_key(),
            parameters::traceparent(),
            parameters::wait(),
        ],
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
    }
}

pub(super) fn list(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: parameters::of_a_list(),
        answers: vec![json_of::<JobPage>(
            schemas,
            200,
            "Some of the jobs, the newest first.",
        )],
        ..without(
            "List jobs",
            "Page by page: `next` of one page is the `cursor` of the next one. \
             A page has fewer jobs than its `limit`, or none, and still a `next`, where they are large, or where it \
             has looked through as many as one look may cost: at least 50,000, or 5,000 for a text in their content.",
            &[422],
        )
    }
}

pub(super) fn find(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: parameters::of_a_search(),
        answers: vec![json_of::<IdPage>(
            schemas,
            200,
            "The ids of some of the jobs, the newest first: up to 10,000.",
        )],
        ..without(
            "Find the ids of jobs",
            "Page by page, as the jobs themselves are listed: to do something with all of them.",
            &[422],
        )
    }
}

pub(super) fn get(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: vec![parameters::job(), parameters::wait()],
        answers: vec![json_of::<Job>(schemas, 200, "The job.")],
        ..without(
            "Show a job",
            "With `wait`, the answer comes as soon as the job is over, or after that time as it is then.",
            &[404, 422],
        )
    }
}

pub(super) fn attempts(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: vec![parameters::job()],
        answers: vec![json_of::<AttemptList>(schemas, 200, "Its attempts.")],
        ..without(
            "List the attempts of a job",
            "Those that have ended, in their order.",
            &[404, 422],
        )
    }
}

pub(super) fn chunks(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: vec![parameters::job(), parameters::after()],
        answers: vec![json_of::<ChunkList>(schemas, 200, "Some pieces of it.")],
        ..without(
            "List what a job has said",
            "The pieces of its text, of all attempts, 500 at most; `next` is the `after` of the next page.",
            &[404, 422],
        )
    }
}

pub(super) fn follow(_: &mut SchemaGenerator) -> Row {
    Row {
        parameters: vec![parameters::job(), parameters::last_event_id()],
        answers: vec![
            Answer {
                content: Some(json!({ "text/event-stream": { "schema": event(OF_A_JOB) } })),
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
    }
}

pub(super) fn cancel(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: vec![parameters::job()],
        answers: vec![
            json_of::<JobLink>(schemas, 200, "The job had not begun, and is cancelled."),
            json_of::<JobLink>(schemas, 202, "The job runs, and is asked to end."),
        ],
        ..without("Cancel a job", "One that is over is 409.", &[404, 409, 422])
    }
}

pub(super) fn retry(schemas: &mut SchemaGenerator) -> Row {
    Row {
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
    }
}
