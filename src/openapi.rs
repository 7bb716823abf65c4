//! The contract of HTTP: an OpenAPI 3.1 document, as a pure function of the types in `wire`.
//!
//! The schemas come from the same derivation as those of the socket's contract. What the types do not say (which request
//! is answered by which of them, and with which status) is in `openapi/table.rs`, a row for each [`Operation`]; the
//! gateway serves the same operations, so neither can have one that the other lacks.

mod operation;
mod table;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use crate::auth::Scope;
use crate::task::form::{Form, describe};

pub use operation::{KnownBy, Method, Operation, Reach};
use table::{Answer, Row};

const SUMMARY: &str = "Jobs, notices and queues over HTTP: the same operations as on the socket, in SQL and on the command line, with the same answers.";

const DESCRIPTION: &str = "Bodies are JSON (`application/json`), in and out. \
    Where a field is not required, null means the same as absent; fields and parameters that are not known are ignored. \
    Errors are problem details (RFC 9457, `application/problem+json`), with everything that is wrong in `errors`, \
    as the socket says it. \
    A gateway with `--auth jwt` wants a signed token with each request (`Authorization: Bearer`), and an operation the \
    scope that it names; jobs belong to the token's subject, and those of others are not found, but for `admin`. \
    A gateway without authentication serves its own machine alone, and whoever asks there may do everything. \
    `Host` must be a name of the gateway, and `Origin`, where there is one, its own or one that is allowed.";

/// The name of the security scheme.
const TOKEN: &str = "token";

/// The name of that of the operations that need no subject, but a job.
const JOB_TOKEN: &str = "job_token";

/// The path of the document.
pub const PATH: &str = "/openapi.json";

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
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in Operation::ALL {
        let row = table::row(operation, &mut schemas);
        let path = paths.entry(operation.path()).or_insert_with(|| json!({}));
        path[operation.method().name()] = described(operation, row, &mut schemas);
    }
    let mut schemas = schemas.take_definitions(true);
    table::complete(&mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ringback",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": SUMMARY,
            "description": DESCRIPTION,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/", "description": "The gateway that serves this document." }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { TOKEN: {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "A signed token (HS256, EdDSA, RS256 or ES256, as the gateway was told) with `sub`, `aud`, `iss`, `exp`, and the scopes in `scope`, separated by spaces.",
            }, JOB_TOKEN: {
                "type": "http", "scheme": "bearer",
                "description": "What a function was given with the job (`ringback-callback-token`); good for that attempt.",
            } },
        },
    })
}

fn described(operation: Operation, mut row: Row, schemas: &mut SchemaGenerator) -> Value {
    if operation.reach().may_be_named() && operation.known_by() == KnownBy::Token {
        row.parameters.push(table::shard(operation.reach()));
        row.problems.push(422);
    }
    let mut responses: Map<String, Value> = Map::new();
    for Answer {
        status,
        description,
        content,
        headers,
        links,
    } in row.answers
    {
        let mut response = json!({ "description": description });
        for (field, value) in [("headers", headers), ("content", content), ("links", links)] {
            if let Some(value) = value {
                response[field] = value;
            }
        }
        responses.insert(status.to_string(), response);
    }
    for status in row.problems {
        responses.insert(status.to_string(), table::problem(status, schemas));
    }
    responses.sort_keys();
    let mut described = json!({
        "operationId": operation.id(),
        "summary": row.summary,
        "description": row.description,
        "parameters": row.parameters,
    });
    let scopes: Vec<&str> = operation.needs().map(Scope::name).into_iter().collect();
    described["security"] = match operation.known_by() {
        KnownBy::Token => json!([{}, { TOKEN: scopes }]),
        KnownBy::JobToken => json!([{ JOB_TOKEN: [] }]),
    };
    if let Some(body) = row.body {
        described["requestBody"] =
            json!({ "required": true, "content": { "application/json": body } });
    }
    described["responses"] = responses.into();
    described
}
