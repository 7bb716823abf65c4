//! The mark of a message that is not read any further.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::wire::REF_LIMIT;

/// The mark of a message that is not read any further, such as one that is too large, or nested too deeply: of several,
/// the last, as where all of it is read.
#[must_use]
pub fn reference_of(text: &str) -> Option<String> {
    let Marked(mark) = serde_json::from_str(text).ok()?;
    mark.filter(|mark| mark.len() <= REF_LIMIT)
}

/// A message of which only the mark is kept.
struct Marked(Option<String>);

/// A text, or anything else.
struct PerhapsText(Option<String>);

impl<'de> Deserialize<'de> for Marked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Marked;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Marked, A::Error> {
                let mut mark = None;
                while let Some(name) = fields.next_key::<String>()? {
                    if name == "ref" {
                        let PerhapsText(text) = fields.next_value()?;
                        mark = text;
                    } else {
                        fields.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Marked(mark))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for PerhapsText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = PerhapsText;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E>(self, text: &str) -> Result<PerhapsText, E> {
                Ok(PerhapsText(Some(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<PerhapsText, E> {
                Ok(PerhapsText(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<PerhapsText, E> {
                Ok(PerhapsText(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<PerhapsText, E> {
                Ok(PerhapsText(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<PerhapsText, E> {
                Ok(PerhapsText(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<PerhapsText, E> {
                Ok(PerhapsText(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<PerhapsText, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(PerhapsText(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<PerhapsText, A::Error> {
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(PerhapsText(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
