//! Where in a schema something is wrong: llguidance says what, and not where.

use serde_json::{Map, Value};

use crate::SchemaError;

/// Keywords whose value is a schema.
const ONE: [&str; 3] = ["items", "additionalItems", "additionalProperties"];
/// Keywords whose value is a list of schemas.
const LIST: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Keywords whose value names schemas.
const NAMED: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];

/// The error of `schema`, which fails for `reason`, at the innermost part that fails on its own; `check` says why a part does.
pub(crate) fn of(
    schema: &Value,
    reason: String,
    check: impl Fn(&Value) -> Option<String>,
) -> SchemaError {
    let definitions: Map<String, Value> = ["$defs", "definitions"]
        .iter()
        .filter_map(|&key| Some((key.to_owned(), schema.get(key)?.clone())))
        .collect();
    let mut found = ("#".to_owned(), reason);
    let mut whole = schema;
    'inward: loop {
        for (path, part) in parts(whole) {
            // References of a part lead into the whole's definitions.
            let mut alone = part.clone();
            if let Some(alone) = alone.as_object_mut() {
                for (key, value) in &definitions {
                    alone.entry(key).or_insert_with(|| value.clone());
                }
            }
            if let Some(reason) = check(&alone) {
                found = (found.0 + &path, reason);
                whole = part;
                continue 'inward;
            }
        }
        let (place, reason) = found;
        return SchemaError::Schema { place, reason };
    }
}

/// The schemas directly inside one, each with its path from there.
fn parts(schema: &Value) -> Vec<(String, &Value)> {
    let mut parts = Vec::new();
    for (key, value) in schema.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) if ONE.contains(&key.as_str()) => {
                parts.push((format!("/{key}"), value));
            }
            Value::Array(list) if LIST.contains(&key.as_str()) => {
                let each = list.iter().enumerate();
                parts.extend(each.map(|(at, part)| (format!("/{key}/{at}"), part)));
            }
            Value::Object(named) if NAMED.contains(&key.as_str()) => {
                let each = named.iter();
                parts.extend(each.map(|(name, part)| {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    (format!("/{key}/{name}"), part)
                }));
            }
            _ => {}
        }
    }
    parts
}
