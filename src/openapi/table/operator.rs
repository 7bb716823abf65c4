//! What an operator looks at and does beside jobs.

use schemars::generate::SchemaGenerator;
use serde_json::json;

use super::answer::{Answer, json_of};
use super::{Row, body, event, parameters, with_a_body, without};
use crate::wire::{
    NewNotice, Overview, QueueList, QueueState, SampleList, SentNotice, Stats, TaskList,
};

pub(super) fn notify(schemas: &mut SchemaGenerator) -> Row {
    Row {
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
    }
}

pub(super) fn tasks(schemas: &mut SchemaGenerator) -> Row {
    Row {
        answers: vec![json_of::<TaskList>(schemas, 200, "The tasks.")],
        ..without(
            "List the tasks",
            "With what their jobs work on and give back, and how many workers can run them now.",
            &[],
        )
    }
}

pub(super) fn queues(schemas: &mut SchemaGenerator) -> Row {
    Row {
        answers: vec![json_of::<QueueList>(schemas, 200, "The queues.")],
        ..without(
            "List the queues",
            "Those with live jobs, that are paused, or that belong to a task.",
            &[],
        )
    }
}

pub(super) fn pause(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: vec![parameters::queue()],
        answers: vec![json_of::<QueueState>(schemas, 200, "It is paused.")],
        ..without(
            "Pause a queue",
            "No worker takes a job of it from now on; what runs goes on.",
            &[404, 422],
        )
    }
}

pub(super) fn resume(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: vec![parameters::queue()],
        answers: vec![json_of::<QueueState>(schemas, 200, "It goes on.")],
        ..without(
            "Let a queue go on",
            "One that was not paused stays as it is.",
            &[422],
        )
    }
}

pub(super) fn stats(schemas: &mut SchemaGenerator) -> Row {
    Row {
        answers: vec![json_of::<Stats>(schemas, 200, "How things are.")],
        ..without(
            "Say how things are",
            "Live jobs by state, and how the last hour's jobs of each task went.",
            &[],
        )
    }
}

pub(super) fn overview(schemas: &mut SchemaGenerator) -> Row {
    Row {
        answers: vec![json_of::<Overview>(
            schemas,
            200,
            "How the whole system is.",
        )],
        ..without(
            "Say how the whole system is",
            "Live jobs, queues, workers and gateways with what they do, and how the last seconds went.",
            &[],
        )
    }
}

pub(super) fn follow(_: &mut SchemaGenerator) -> Row {
    Row {
        answers: vec![Answer {
            content: Some(json!({ "text/event-stream": { "schema": event(&["overview"]) } })),
            ..Answer::new(200, "How the whole system is, again and again.")
        }],
        ..without(
            "Follow how the whole system is",
            "Server-sent events called `overview`, once a second or, where reading takes long, less often \
             (`next_in` says when): \
             each what `get_overview` answers. None comes while the database is away.",
            &[],
        )
    }
}

pub(super) fn samples(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: vec![parameters::span()],
        answers: vec![json_of::<SampleList>(schemas, 200, "How things were.")],
        ..without(
            "Say how things were over time",
            "In steps of ten seconds, or of more where the time is longer than an hour; kept for a day (a setting).",
            &[422],
        )
    }
}
