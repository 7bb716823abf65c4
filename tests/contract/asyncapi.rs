//! The contract: its committed copy is fresh, it has every message, and what it shows is true.

use std::collections::BTreeSet;
use std::fs;

use ringback::asyncapi::{document, text};
use ringback::task::Tasks;
use ringback::wire::{ClientMessage, Close, ErrorType, ServerMessage, parse};
use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};

const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/asyncapi.json");

#[test]
fn the_committed_copy_is_the_document() {
    let copy = fs::read_to_string(COPY).unwrap_or_default();
    assert!(
        copy == text(&Tasks::demonstration(1.0).forms()),
        "{COPY} is old; refresh it: cargo run -- asyncapi > docs/asyncapi.json"
    );
}

#[test]
fn every_variant_has_its_message_and_no_message_is_without_a_variant() {
    let mut variants = actions_of::<ClientMessage>();
    variants.extend(actions_of::<ServerMessage>());
    let contract = document();
    let messages = object(&contract, "/channels/system/messages")
        .keys()
        .cloned()
        .collect();
    assert_eq!(
        variants, messages,
        "src/asyncapi/table.rs has a row for each message"
    );
}

#[test]
fn every_message_of_a_client_is_received_and_answered() {
    let contract = document();
    let received = operations(&contract, "receive");
    assert_eq!(
        received
            .iter()
            .flat_map(|operation| links(&operation["messages"]))
            .collect::<BTreeSet<_>>(),
        actions_of::<ClientMessage>()
    );
    for operation in received {
        let answers = links(&operation["reply"]["messages"]);
        assert!(
            answers.contains("error"),
            "anything can be refused: {operation}"
        );
    }
}

#[test]
fn every_message_of_the_server_is_an_answer_or_comes_unasked() {
    let contract = document();
    let mut sent = BTreeSet::new();
    for operation in operations(&contract, "receive") {
        sent.extend(links(&operation["reply"]["messages"]));
    }
    for operation in operations(&contract, "send") {
        sent.extend(links(&operation["messages"]));
    }
    assert_eq!(sent, actions_of::<ServerMessage>());
}

#[test]
fn every_example_is_valid() {
    let contract = document();
    for (action, message) in object(&contract, "/channels/system/messages") {
        // A reference beside everything that it may lead to.
        let mut schema = message["payload"].clone();
        schema["components"] = contract["components"].clone();
        let validator = jsonschema::draft7::new(&schema).unwrap();
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{action} has no example");
        for example in examples {
            assert_eq!(example["payload"]["action"], json!(action));
            if let Err(error) = validator.validate(&example["payload"]) {
                panic!("{action}: {error}: {example}");
            }
        }
    }
}

#[test]
fn every_example_of_a_client_is_accepted() {
    let contract = document();
    for action in actions_of::<ClientMessage>() {
        let message = &contract["channels"]["system"]["messages"][&action];
        for example in message["examples"].as_array().unwrap() {
            let read = parse(&example["payload"].to_string());
            assert_eq!(action_of(&read.message.unwrap()), action);
            assert_eq!(
                read.reference.as_deref(),
                example["payload"]["ref"].as_str()
            );
        }
    }
}

#[test]
fn every_field_is_in_an_example() {
    let contract = document();
    let mut filled = BTreeSet::new();
    for message in object(&contract, "/channels/system/messages").values() {
        for example in message["examples"].as_array().unwrap() {
            let payload = &message["payload"];
            note_fields(&contract, payload, &example["payload"], &mut filled);
        }
    }
    for (name, schema) in object(&contract, "/components/schemas") {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let is_filled = filled.contains(&format!("{name}.{field}"));
            let is_null = property["type"] == "null";
            assert!(
                is_filled || is_null,
                "no example has the field {field} of {name}"
            );
        }
    }
}

/// Notes which fields of which schemas have a value, and not null.
fn note_fields(contract: &Value, schema: &Value, value: &Value, filled: &mut BTreeSet<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        let target = contract.pointer(target.trim_start_matches('#')).unwrap();
        return note_fields(contract, target, value, filled);
    }
    for alternative in schema["anyOf"].as_array().into_iter().flatten() {
        note_fields(contract, alternative, value, filled);
    }
    for item in value.as_array().into_iter().flatten() {
        note_fields(contract, &schema["items"], item, filled);
    }
    for (field, property) in schema["properties"].as_object().into_iter().flatten() {
        let value = &value[field];
        if !value.is_null() {
            filled.insert(format!("{}.{field}", schema["title"].as_str().unwrap()));
            note_fields(contract, property, value, filled);
        }
    }
}

#[test]
fn what_may_have_a_mark_is_shown_with_one_and_without() {
    let contract = document();
    for (action, message) in object(&contract, "/channels/system/messages") {
        let takes_mark = message.get("correlationId").is_some();
        let examples = message["examples"].as_array().unwrap();
        let marked = examples
            .iter()
            .filter(|example| example["payload"]["ref"].is_string());
        let (marked, all) = (marked.count(), examples.len());
        assert_eq!(marked > 0, takes_mark, "{action}");
        assert!(marked < all, "{action} has no example without a mark");
    }
}

#[test]
fn every_error_is_explained_and_has_an_example() {
    let contract = document();
    let explained = table(&contract, "x-errors");
    let types: BTreeSet<&str> = explained.iter().map(|row| text_of(row, "type")).collect();
    let known = Value::from(schema_for!(ErrorType));
    let known: BTreeSet<&str> = known["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| text_of(kind, "const"))
        .collect();
    assert_eq!(types, known, "src/asyncapi/table/errors.rs has each type");
    assert_eq!(explained.len(), known.len());
    let examples = &contract["channels"]["system"]["messages"]["error"]["examples"];
    let examples = examples.as_array().unwrap();
    for row in explained {
        let kind = text_of(row, "type");
        for words in ["meaning", "when", "advice"] {
            assert!(text_of(row, words).ends_with('.'), "{kind}: {words}");
        }
        let own = || examples.iter().filter(|example| example["name"] == kind);
        assert!(own().count() > 0, "{kind} has no example");
        for example in own() {
            let errors = example["payload"]["payload"].as_array().unwrap();
            assert!(
                errors.iter().all(|error| error["type"] == kind),
                "{example}"
            );
            let again = errors.iter().all(|error| error["retry_after"].is_number());
            assert_eq!(row["try_again"], json!(again), "{example}");
        }
        for asked in row["frames"].as_array().unwrap() {
            let refused = parse(text_of(asked, "frame")).message.unwrap_err();
            let answer = own().find(|example| example["summary"] == asked["summary"]);
            assert_eq!(
                answer.unwrap()["payload"]["payload"],
                json!(refused),
                "{asked}"
            );
        }
    }
}

#[test]
fn every_code_of_a_job_that_failed_is_explained_and_has_an_example() {
    let contract = document();
    let explained = table(&contract, "x-failure-codes");
    let codes: BTreeSet<&str> = explained.iter().map(|row| text_of(row, "code")).collect();
    let examples = &contract["channels"]["system"]["messages"]["job_failed"]["examples"];
    let shown: BTreeSet<&str> = examples
        .as_array()
        .unwrap()
        .iter()
        .map(|example| {
            assert_eq!(example["name"], example["payload"]["job"]["code"]);
            text_of(example, "name")
        })
        .collect();
    assert_eq!(codes, shown);
    // What workers, commands and the database end jobs with is written where they do.
    let sources = [
        "src/task/command/ended.rs",
        "src/worker/backend.rs",
        "src/worker/ending.rs",
        "src/worker/execution.rs",
        "src/worker/finisher.rs",
        "src/queue/recover.sql",
    ];
    let sources = sources.map(|source| {
        fs::read_to_string(format!("{}/{source}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    });
    for code in codes {
        let written = [format!("\"{code}\""), format!("'{code}'")];
        let is_written = |source: &String| written.iter().any(|code| source.contains(code));
        assert!(sources.iter().any(is_written), "nothing ends with {code}");
    }
}

#[test]
fn every_close_is_explained() {
    let contract = document();
    let explained = table(&contract, "x-close-codes");
    let codes: BTreeSet<u64> = explained
        .iter()
        .map(|row| row["code"].as_u64().unwrap())
        .collect();
    let known: BTreeSet<u64> = Close::ALL.iter().map(|why| why.code().into()).collect();
    assert_eq!(codes, known);
    for row in explained {
        let reason = text_of(row, "reason");
        let leaves = reason.ends_with("do not come back");
        assert!(leaves || reason.contains("come back"), "{reason}");
        assert_eq!(row["come_back"], json!(!leaves), "{reason}");
    }
}

#[test]
fn what_comes_later_is_a_message_of_the_server() {
    let contract = document();
    let told = actions_of::<ServerMessage>();
    for operation in operations(&contract, "receive") {
        for later in operation["x-later"].as_array().into_iter().flatten() {
            assert!(told.contains(later.as_str().unwrap()), "{later}");
        }
    }
}

#[test]
fn what_a_client_leaves_out_it_may_send_as_null() {
    let contract = document();
    for (name, schema) in object(&contract, "/components/schemas") {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let mut alone = property.clone();
            alone["components"] = contract["components"].clone();
            let takes_null = jsonschema::draft7::new(&alone)
                .unwrap()
                .is_valid(&Value::Null);
            assert_eq!(
                takes_null,
                !required.contains(&json!(field)),
                "{name}.{field}"
            );
        }
    }
}

#[test]
fn generators_find_nothing_to_stumble_over() {
    let contract = document();
    let mut titles = BTreeSet::new();
    for (name, schema) in object(&contract, "/components/schemas") {
        assert_eq!(schema["title"], json!(name));
        check_schema(name, schema, &mut titles);
    }
}

/// A schema is an object; what becomes a class has a title of its own; a description fits into any comment.
fn check_schema(place: &str, schema: &Value, titles: &mut BTreeSet<String>) {
    let keywords = schema
        .as_object()
        .unwrap_or_else(|| panic!("{place} is not an object: {schema}"));
    for banned in ["allOf", "not", "$defs"] {
        assert!(!keywords.contains_key(banned), "{place} has {banned}");
    }
    assert!(
        keywords.len() == 1 || !keywords.contains_key("$ref"),
        "{place} has something beside its $ref"
    );
    let says_something = ["$ref", "type", "anyOf"]
        .iter()
        .any(|keyword| keywords.contains_key(*keyword));
    match schema["title"].as_str() {
        Some(title) => assert!(titles.insert(title.to_owned()), "{title} is there twice"),
        None => assert!(
            says_something && !keywords.contains_key("properties"),
            "{place} has no title"
        ),
    }
    if let Some(description) = schema["description"].as_str() {
        assert!(!description.contains(['"', '\\']), "{place}: {description}");
    }
    for (field, property) in schema["properties"].as_object().into_iter().flatten() {
        check_schema(&format!("{place}.{field}"), property, titles);
    }
    for alternative in schema["anyOf"].as_array().into_iter().flatten() {
        check_schema(place, alternative, titles);
    }
    if let Some(items) = schema.get("items") {
        check_schema(place, items, titles);
    }
}

/// The names of all messages of a kind, from the type itself.
fn actions_of<M: JsonSchema>() -> BTreeSet<String> {
    let schema = Value::from(schema_for!(M));
    let variants = schema["oneOf"]
        .as_array()
        .expect("an enum is one of its variants");
    variants
        .iter()
        .map(|variant| {
            variant["properties"]["action"]["const"]
                .as_str()
                .expect("a name is a string")
                .to_owned()
        })
        .collect()
}

/// A table of the channel.
fn table<'a>(contract: &'a Value, name: &str) -> &'a [Value] {
    contract["channels"]["system"][name]
        .as_array()
        .expect("the document has this table")
}

fn text_of<'a>(row: &'a Value, field: &str) -> &'a str {
    let text = row[field].as_str();
    text.unwrap_or_else(|| panic!("{field} is no text: {row}"))
}

fn action_of(message: &ClientMessage) -> String {
    json!(message)["action"]
        .as_str()
        .expect("a name is a string")
        .to_owned()
}

fn operations<'a>(contract: &'a Value, action: &str) -> Vec<&'a Value> {
    object(contract, "/operations")
        .values()
        .filter(|operation| operation["action"] == action)
        .collect()
}

/// The names of the messages that a list refers to.
fn links(list: &Value) -> BTreeSet<String> {
    let name = |link: &Value| {
        let link = link["$ref"].as_str().expect("a name is a string");
        link.strip_prefix("#/channels/system/messages/")
            .expect("operations name messages of the channel")
            .to_owned()
    };
    list.as_array()
        .expect("messages are a list")
        .iter()
        .map(name)
        .collect()
}

fn object<'a>(contract: &'a Value, place: &str) -> &'a serde_json::Map<String, Value> {
    contract
        .pointer(place)
        .and_then(Value::as_object)
        .expect("the document has this object")
}
