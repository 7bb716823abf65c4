//! How an operation is answered: well, or with a problem.

use schemars::JsonSchema;
use schemars::generate::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::wire::Problem;

const PROBLEM: &str = "application/problem+json";

/// One way in which it is answered.
pub(in crate::openapi) struct Answer {
    pub(in crate::openapi) status: u16,
    pub(in crate::openapi) description: &'static str,
    pub(in crate::openapi) content: Option<Value>,
    pub(in crate::openapi) headers: Option<Value>,
    pub(in crate::openapi) links: Option<Value>,
}

/// The answer to a request that cannot be granted.
pub(in crate::openapi) fn problem(status: u16, schemas: &mut SchemaGenerator) -> Value {
    let description = match status {
        400 => "The body is no JSON.",
        401 => "It is not known who asks: there is no token, or it is not taken.",
        403 => "Who asks may not do this, or the request comes from elsewhere.",
        404 => "There is no such job, or no such queue.",
        408 => "The body did not come in time.",
        409 => "It does not go with what is there.",
        413 => "The body is too large.",
        414 => "The path and the query are too long.",
        415 => "The body is not `application/json`.",
        422 => "Something in the request is not what it should be.",
        429 => "The subject of the token asks too often; try again.",
        431 => "The headers are too large.",
        500 => "Something is wrong that is not the request; the log says what.",
        503 => "The database is away, or too much is waiting; try again.",
        _ => "It cannot be granted.",
    };
    let mut problem = json!({
        "description": description,
        "content": { PROBLEM: { "schema": schemas.subschema_for::<Problem>() } },
    });
    if status == 401 {
        problem["headers"] = json!({
            "WWW-Authenticate": { "description": "How to say who asks.", "schema": { "type": "string", "const": "Bearer" } },
        });
    }
    if matches!(status, 409 | 429 | 503) {
        problem["headers"] = json!({
            "Retry-After": { "description": "When to try again, in seconds.", "schema": { "type": "integer" } },
        });
    }
    problem
}

pub(super) fn json_of<T: JsonSchema>(
    schemas: &mut SchemaGenerator,
    status: u16,
    description: &'static str,
) -> Answer {
    let schema = schemas.subschema_for::<T>();
    Answer {
        content: Some(json!({ "application/json": { "schema": schema } })),
        ..Answer::new(status, description)
    }
}

impl Answer {
    pub(super) fn new(status: u16, description: &'static str) -> Self {
        Self {
            status,
            description,
            content: None,
            headers: None,
            links: None,
        }
    }

    /// It says where to look.
    pub(super) fn located(self) -> Self {
        let location = json!({
            "description": "The path of the job.",
            "required": true,
            "schema": { "type": "string", "format": "uri-reference" },
        });
        Self {
            headers: Some(json!({ "Location": location })),
            ..self
        }
    }

    /// These can be asked about its job.
    pub(super) fn linked(self, operations: &[&str]) -> Self {
        let link = |operation: &&str| {
            let link = json!({ "operationId": operation, "parameters": { "id": "$response.body#/job_id" } });
            ((*operation).to_owned(), link)
        };
        let links: Map<String, Value> = operations.iter().map(link).collect();
        Self {
            links: Some(links.into()),
            ..self
        }
    }
}
