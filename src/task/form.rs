//! What tasks work on and give back, in the documents of the contracts.

use serde_json::{Map, Value, json};

use super::Schema;

/// What the jobs of a task work on and give back.
#[derive(Clone, Debug)]
pub struct Form {
    /// The task's name.
    pub name: String,
    /// What they work on.
    pub input: Schema,
    /// What they give back.
    pub output: Schema,
}

/// Adds them to an AsyncAPI or OpenAPI document: the schemas to its others, and `x-tasks`, which says whose they are.
pub fn describe(document: &mut Value, forms: &[Form]) {
    let mut tasks = Map::new();
    for form in forms {
        let mut sides = Map::new();
        for (side, schema) in [("input", &form.input), ("output", &form.output)] {
            let key = format!("task.{}.{side}", key(&form.name));
            let place = format!("#/components/schemas/{key}");
            sides.insert(side.to_owned(), json!({ "$ref": place }));
            let mut text = schema.text().clone();
            relocate(&mut text, &place);
            // A schema that says nothing says at least what it is of.
            let title = format!("The {side} of {}", form.name);
            let mut titled = json!({ "title": title });
            if let (Some(titled), Value::Object(text)) = (titled.as_object_mut(), text) {
                titled.extend(text);
            }
            document["components"]["schemas"][key] = titled;
        }
        tasks.insert(form.name.clone(), Value::Object(sides));
    }
    document["x-tasks"] = Value::Object(tasks);
}

/// A name as documents allow it: what they do not is written as its number.
fn key(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let write = |c: char| {
        if allowed(c) {
            c.to_string()
        } else {
            format!(".{:x}.", u32::from(c))
        }
    };
    name.chars().map(write).collect()
}

/// What refers to a part of the schema refers to where that part is now.
fn relocate(schema: &mut Value, place: &str) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get_mut("$ref")
                && let Some(inside) = target.strip_prefix('#')
            {
                *target = format!("{place}{inside}");
            }
            fields.values_mut().for_each(|field| relocate(field, place));
        }
        Value::Array(parts) => parts.iter_mut().for_each(|part| relocate(part, place)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_the_schemas_of_tasks_where_it_can_refer_to_them() {
        let tree = json!({
            "$defs": {"Tree": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
            "$ref": "#/$defs/Tree",
        });
        let forms = [Form {
            name: "grow it".to_owned(),
            input: Schema::new(tree).unwrap(),
            output: Schema::anything(),
        }];
        let mut document = json!({"components": {"schemas": {"Other": {}}}});
        describe(&mut document, &forms);
        let schemas = &document["components"]["schemas"];
        let place = "#/components/schemas/task.grow.20.it.input";
        assert_eq!(document["x-tasks"]["grow it"]["input"]["$ref"], place);
        let input = &schemas["task.grow.20.it.input"];
        assert_eq!(input["$ref"], format!("{place}/$defs/Tree"));
        assert_eq!(
            input["$defs"]["Tree"]["items"]["$ref"],
            format!("{place}/$defs/Tree")
        );
        assert_eq!(
            schemas["task.grow.20.it.output"]["title"],
            "The output of grow it"
        );
        assert_eq!(schemas["Other"], json!({}));
    }
}
