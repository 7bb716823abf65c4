//! The form of an input or an output: a JSON Schema, and what checks values against it.

use std::fmt;
use std::sync::Arc;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::types::JsonType;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// How many things that are wrong with one value are said.
const MOST: usize = 20;

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
    /// A sentence about it, without the value.
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
        Self::new(text.into()).expect("a derived schema is one")
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
        let errors = self.validator.iter_errors(value).take(MOST);
        Err(errors.map(|error| Wrong::of(&error)).collect())
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
            message: error.masked().to_string(),
        }
    }

    pub(super) fn unreadable(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = error.path().iter().map(ToString::to_string);
        Self {
            path: path.collect(),
            kind: WrongKind::Value,
            message: error.inner().to_string(),
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
