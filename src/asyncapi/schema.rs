//! The JSON Schemas of the wire types, in the plain form that generators of clients understand.
//!
//! Plain means: one object for each message; a title on everything that becomes a class; `anyOf` with null for what
//! may be null; `enum` for a list of names; nothing beside a `$ref`, no `allOf`, and no booleans as schemas.

use std::mem;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Map, Value, json};

use crate::wire::{ClientMessage, Frame, REF_LIMIT};

/// Where the document keeps its schemas, as a pointer.
pub(super) const PLACE: &str = "/components/schemas";

/// The schemas of all wire types.
pub(super) struct Shapes {
    /// What a client sends.
    pub(super) client: Side,
    /// What the server sends.
    pub(super) server: Side,
    /// The types that both mention, by their titles.
    pub(super) types: Map<String, Value>,
}

/// The messages of one side.
pub(super) struct Side {
    /// A schema for each message, with its action and its payload.
    messages: Vec<Value>,
    /// The schemas of the fields that can stand beside a payload.
    beside: Map<String, Value>,
}

impl Shapes {
    pub(super) fn of_the_wire() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = PLACE.into();
        });
        let mut generator = settings
            .with_transform(RecursiveTransform(simplify))
            .into_generator();
        let mut client = ClientMessage::json_schema(&mut generator);
        let mut server = Frame::json_schema(&mut generator);
        for schema in [&mut client, &mut server] {
            RecursiveTransform(simplify).transform(schema);
        }
        // Clients are read by hand, so there is no type that carries their mark.
        client.insert("properties".to_owned(), json!({ "ref": mark() }));
        let types = generator.take_definitions(true).into_iter();
        let types = types
            .map(|(name, schema)| (name.clone(), titled(&name, schema)))
            .collect();
        Self {
            client: Side::new(client),
            server: Side::new(server),
            types,
        }
    }
}

impl Side {
    fn new(schema: Schema) -> Self {
        let mut schema = Value::from(schema);
        let messages = mem::take(
            schema["oneOf"]
                .as_array_mut()
                .expect("an enum is one of its variants"),
        );
        let beside = mem::take(
            schema["properties"]
                .as_object_mut()
                .expect("a frame is an object"),
        );
        Self { messages, beside }
    }

    /// The schema of the whole frame of a message.
    pub(super) fn envelope(&self, action: &str, title: &str, beside: &[&str]) -> Value {
        let message = self
            .messages
            .iter()
            .find(|message| message["properties"]["action"]["const"] == action);
        let mut envelope = message
            .expect("serde and schemars agree on the names of messages")
            .clone();
        // Generators make it the value of a field that nobody has to fill in.
        envelope["properties"]["action"]["default"] = action.into();
        let properties = envelope["properties"]
            .as_object_mut()
            .expect("a message has properties");
        if !properties.contains_key("payload") {
            let payload =
                json!({ "type": "null", "description": "There is none: null, or absent." });
            properties.insert("payload".to_owned(), payload);
        }
        // What may be null may as well be absent.
        let payload = &properties["payload"];
        let mut shapes = payload["anyOf"].as_array().into_iter().flatten();
        let is_optional = payload["type"] == "null" || shapes.any(|shape| shape["type"] == "null");
        if let Some(required) = envelope["required"].as_array_mut()
            && is_optional
        {
            required.retain(|field| field != "payload");
        }
        let properties = envelope["properties"]
            .as_object_mut()
            .expect("a message has properties");
        for &field in beside {
            let schema = self
                .beside
                .get(field)
                .expect("what stands beside a payload is a field of the frame");
            properties.insert(field.to_owned(), schema.clone());
        }
        titled(title, envelope)
    }
}

/// The mark of a client's message.
fn mark() -> Value {
    let text = json!({ "type": "string", "maxLength": REF_LIMIT });
    let description = format!(
        "The client's own mark of this message, which every direct answer repeats; at most {REF_LIMIT} bytes."
    );
    json!({ "description": description, "anyOf": [text, { "type": "null" }] })
}

/// The schema with its title, which stands first, as its description stands second.
fn titled(title: &str, schema: Value) -> Value {
    let mut titled = json!({ "title": title, "description": schema["description"] });
    if let (Some(titled), Value::Object(schema)) = (titled.as_object_mut(), schema) {
        titled.extend(schema);
    }
    titled
}

/// Rewrites what generators stumble over.
fn simplify(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::String(target)) = object.get("$ref") {
        *schema = Schema::new_ref(target.clone());
    } else if let Some(Value::Array(types)) = object.get("type").cloned() {
        let description = object.shift_remove("description");
        let alternatives = types.into_iter().map(|kind| match kind.as_str() {
            Some("null") => json!({ "type": kind }),
            _ => {
                let mut alternative = object.clone();
                alternative.insert("type".to_owned(), kind);
                Value::Object(alternative)
            }
        });
        let alternatives: Vec<Value> = alternatives.collect();
        *schema = json_schema!({ "description": description, "anyOf": alternatives });
    } else if let Some(Value::Array(names)) = object.get("oneOf")
        && names.iter().all(|name| name.get("const").is_some())
    {
        let values: Vec<&Value> = names.iter().map(|name| &name["const"]).collect();
        let meanings = names
            .iter()
            .map(|name| format!("- {}: {}", text(&name["const"]), text(&name["description"])));
        let meanings = meanings.collect::<Vec<String>>().join("\n");
        let description = format!("{}\n\n{meanings}", text(&object["description"]));
        *schema = json_schema!({ "description": description, "type": "string", "enum": values });
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
