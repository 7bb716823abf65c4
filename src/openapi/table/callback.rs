//! What functions say that answer later.

use schemars::generate::SchemaGenerator;
use serde_json::json;

use super::answer::Answer;
use super::{Row, body, parameters, with_a_body};
use crate::wire::CallBackBody;

pub(super) fn call_back(schemas: &mut SchemaGenerator) -> Row {
    Row {
        parameters: vec![parameters::job()],
        body: Some(body::<CallBackBody>(
            schemas,
            &json!({ "result": { "pages": 3 } }),
        )),
        answers: vec![Answer {
            status: 204,
            description: "It is committed.",
            content: None,
            headers: None,
            links: None,
        }],
        ..with_a_body(
            "Say how a job went",
            "For a function that has answered 202: with the token that came with the job, its result, its error or how far it \
             is. An end is taken once; a token that is used up, or is not that of the job's present attempt, is not known.",
            &[404],
        )
    }
}
