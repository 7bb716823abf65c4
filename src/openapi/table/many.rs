//! Many jobs at once, each or none.

use schemars::generate::SchemaGenerator;
use serde_json::json;

use super::answer::json_of;
use super::{Row, body, parameters, with_a_body};
use crate::wire::{
    CancelJobs, CancelledJobs, JobsPayload, JobsQueuedPayload, RetriedJobs, RetryJobs,
};

/// Any job.
const ID: &str = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1";

pub(super) fn submit(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: vec![parameters::traceparent()],
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
    }
}

pub(super) fn cancel(schemas: &mut SchemaGenerator) -> Row {
    Row {
        body: Some(body::<CancelJobs>(
            schemas,
            &json!({ "ids": [ID], "states": ["ready"] }),
        )),
        answers: vec![json_of::<CancelledJobs>(
            schemas,
            200,
            "How many are cancelled, or asked to end.",
        )],
        ..with_a_body(
            "Cancel many jobs",
            "From 1 to 500; all of it happens, or nothing.",
            &[409],
        )
    }
}

pub(super) fn retry(schemas: &mut SchemaGenerator) -> Row {
    Row {
        body: Some(body::<RetryJobs>(schemas, &json!({ "ids": [ID] }))),
        answers: vec![json_of::<RetriedJobs>(
            schemas,
            200,
            "How many are submitted again, or due now.",
        )],
        ..with_a_body(
            "Retry many jobs",
            "From 1 to 500; all of it happens, or nothing.",
            &[409],
        )
    }
}
