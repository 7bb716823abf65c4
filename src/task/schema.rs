//! The form of an input or an output: a JSON Schema, and what checks values against it.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::types::JsonType;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::words::shortened_to;

/// How many things that are wrong with one value are said,
const MOST: usize = 20;

/// where it has no more parts than this; of a larger one, the first. To find all costs memory for each of them.
const SMALL: usize = 200;

/// The longest sentence about what is wrong, in bytes.
const LONGEST: usize = 300;

/// A form that values have, and what checks them.
#[derive(Clone)]
pub struct Schema {
    text: Arc<Value>,
    validator: Arc<Validator>,
}

/// What a schema is for: what may be left out differs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Input,
    Output,
}

/// One thing that is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The way to the place, from the outside in.
    pub path: Vec<String>,
    /// In which way.
    pub kind: WrongKind,
    /// A sentence about it. It may have a part of the value in it, and is never long.
    pub message: String,
}

/// In which way a value is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongKind {
    /// It is not there.
    Missing,
    /// It should be a text,
    Text,
    /// a number,
    Number,
    /// a whole number,
    Integer,
    /// true or false,
    Boolean,
    /// a list,
    List,
    /// an object,
    Object,
    /// or null.
    Null,
    /// It is of the right type, and not one of those that are allowed.
    Value,
}

impl Schema {
    /// That of everything.
    #[must_use]
    pub fn anything() -> Self {
        Self::new(json!({})).expect("the empty schema is one")
    }

    /// The form that this text describes, as JSON Schema 2020-12.
    ///
    /// # Errors
    /// What is wrong with it, such as a reference to another document.
    pub fn new(text: Value) -> Result<Self, String> {
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            // A pattern takes no more time than its text is long.
            .with_pattern_options(PatternOptions::regex())
            .build(&text)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            text: Arc::new(text),
            validator: Arc::new(validator),
        })
    }

    /// The form of a type.
    pub(super) fn of<T: JsonSchema>(side: Side) -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let settings = match side {
            Side::Input => settings.for_deserialize(),
            Side::Output => settings.for_serialize(),
        };
        let text = settings.into_generator().into_root_schema_for::<T>();
        Self::new(text.into()).unwrap_or_else(|error| {
            // Whoever has written the type sees it at the first start.
            let name = type_name::<T>();
            panic!("the schema of {name} is none: {error}; patterns have no look-around")
        })
    }

    /// It in the words of JSON Schema.
    #[must_use]
    pub fn text(&self) -> &Value {
        &self.text
    }

    /// What is wrong with a value, as far as there is room to say it.
    ///
    /// # Errors
    /// That.
    pub fn check(&self, value: &Value) -> Result<(), Vec<Wrong>> {
        if self.validator.is_valid(value) {
            return Ok(());
        }
        if is_small(value) {
            let errors = self.validator.iter_errors(value).take(MOST);
            return Err(errors.map(|error| Wrong::of(&error)).collect());
        }
        let error = self.validator.validate(value);
        error.map_err(|error| vec![Wrong::of(&error)])
    }

    /// The value as one that has this form. An empty text is nothing, where nothing is asked for: there is no way to
    /// submit less.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn fit(&self, value: Value) -> Result<Value, Vec<Wrong>> {
        match self.check(&value) {
            Ok(()) => Ok(value),
            Err(_) if value == "" && self.validator.is_valid(&Value::Null) => Ok(Value::Null),
            Err(wrong) => Err(wrong),
        }
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.text).finish()
    }
}

impl Wrong {
    fn of(error: &ValidationError<'_>) -> Self {
        let mut path = parts(error.instance_path().as_str());
        let kind = match error.kind() {
            ValidationErrorKind::Required { property } => {
                path.extend(property.as_str().map(str::to_owned));
                WrongKind::Missing
            }
            ValidationErrorKind::Type {
                kind: TypeKind::Single(wanted),
            } => of_type(*wanted),
            _ => WrongKind::Value,
        };
        Self {
            path,
            kind,
            message: shortened_to(LONGEST, &error.masked().to_string()),
        }
    }

    pub(super) fn unreadable(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = error.path().iter().map(ToString::to_string);
        Self {
            path: path.collect(),
            kind: WrongKind::Value,
            message: shortened_to(LONGEST, &error.inner().to_string()),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path.join("."))?;
        }
        f.write_str(&self.message)
    }
}

/// Whether a value has few parts.
fn is_small(value: &Value) -> bool {
    let mut left = SMALL;
    let mut parts = vec![value];
    while let Some(part) = parts.pop() {
        let Some(fewer) = left.checked_sub(1) else {
            return false;
        };
        left = fewer;
        match part {
            Value::Array(items) if items.len() > SMALL => return false,
            Value::Object(fields) if fields.len() > SMALL => return false,
            Value::Array(items) => parts.extend(items),
            Value::Object(fields) => parts.extend(fields.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    true
}

/// All of it in one.
#[must_use]
pub fn sentences(wrong: &[Wrong]) -> String {
    let sentences: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    sentences.join("; ")
}

fn of_type(wanted: JsonType) -> WrongKind {
    match wanted {
        JsonType::Array => WrongKind::List,
        JsonType::Boolean => WrongKind::Boolean,
        JsonType::Integer => WrongKind::Integer,
        JsonType::Null => WrongKind::Null,
        JsonType::Number => WrongKind::Number,
        JsonType::Object => WrongKind::Object,
        JsonType::String => WrongKind::Text,
    }
}

/// The parts of a JSON Pointer.
fn parts(pointer: &str) -> Vec<String> {
    let parts = pointer.split('/').skip(1);
    parts
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_large_value_the_first_that_is_wrong_is_said_and_of_a_small_one_all() {
        let schema = json!({"type": "array", "items": {"oneOf": [
            {"type": "object", "required": ["a", "b", "c"]},
            {"type": "object", "required": ["d", "e", "f"]},
        ]}});
        let schema = Schema::new(schema).unwrap();
        let wrong = |items| {
            schema
                .check(&Value::Array(vec![json!({}); items]))
                .unwrap_err()
        };
        assert_eq!(wrong(5).len(), 5);
        assert_eq!(wrong(100).len(), MOST);
        assert_eq!(wrong(20_000).len(), 1);
    }

    #[test]
    fn what_is_wrong_is_never_said_at_length() {
        let schema = Schema::new(json!({"enum": ["x".repeat(5_000)]})).unwrap();
        let wrong = schema.check(&json!("y")).unwrap_err();
        assert!(wrong[0].message.len() < LONGEST + 10);
    }

    #[test]
    fn an_empty_text_is_nothing_where_nothing_is_asked_for() {
        let nothing = Schema::of::<()>(Side::Input);
        assert_eq!(nothing.fit(json!("")), Ok(Value::Null));
        assert!(nothing.fit(json!("a")).is_err());
        let text = Schema::of::<String>(Side::Input);
        assert_eq!(text.fit(json!("")), Ok(json!("")));
        assert!(Schema::of::<u8>(Side::Input).fit(json!("")).is_err());
    }
}
