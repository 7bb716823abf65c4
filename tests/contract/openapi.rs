//! The contract of HTTP: its committed copy is fresh, and what it shows is true.

use std::collections::BTreeSet;
use std::fs;

use ringback::openapi::{Operation, document, text};
use ringback::task::Tasks;
use ringback::wire::{
    parse_call_back, parse_cancel, parse_jobs, parse_notice, parse_retry, parse_task,
};
use serde_json::Value;

const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

#[test]
fn the_committed_copy_is_the_document() {
    let copy = fs::read_to_string(COPY).unwrap_or_default();
    assert!(
        copy == text(&Tasks::demonstration(1.0).forms()),
        "{COPY} is old; refresh it: cargo run -- openapi > docs/openapi.json"
    );
}

#[test]
fn every_operation_is_described_once() {
    let contract = document();
    let paths = contract["paths"].as_object().unwrap();
    let described = paths
        .values()
        .flat_map(|path| path.as_object().unwrap().values());
    let described: Vec<&str> = described
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let known: BTreeSet<&str> = Operation::ALL.map(Operation::id).into();
    assert_eq!(described.len(), Operation::ALL.len());
    assert_eq!(described.into_iter().collect::<BTreeSet<_>>(), known);
}

#[test]
fn every_example_is_accepted_and_fits_its_schema() {
    let contract = document();
    let mut examples = 0;
    for (path, operations) in contract["paths"].as_object().unwrap() {
        let body = &operations["post"]["requestBody"]["content"]["application/json"];
        for example in body["examples"].as_object().into_iter().flatten() {
            let value = &example.1["value"];
            let text = value.to_string();
            let accepted = match path.as_str() {
                "/api/v1/jobs" => parse_task(text.as_bytes()).is_ok(),
                "/api/v1/jobs/batch" => parse_jobs(text.as_bytes()).is_ok(),
                "/api/v1/jobs/cancel" => parse_cancel(text.as_bytes()).is_ok(),
                "/api/v1/jobs/retry" => parse_retry(text.as_bytes()).is_ok(),
                "/api/v1/callbacks/{id}" => parse_call_back(text.as_bytes()).is_ok(),
                "/api/v1/notices" => parse_notice(text.as_bytes()).is_ok(),
                other => panic!("{other} has a body that this test does not know"),
            };
            assert!(accepted, "{path}: {text}");
            let fits = jsonschema::is_valid(&whole(&body["schema"], &contract), value);
            assert!(fits, "{path}: {text}");
            examples += 1;
        }
    }
    assert_eq!(examples, 6);
}

/// A schema with those that it refers to beside it.
fn whole(schema: &Value, contract: &Value) -> Value {
    let mut whole = schema.clone();
    whole["components"] = contract["components"].clone();
    whole
}
