//! Reading config.json by key: typed, with the dotted path in every complaint.
//!
//! `null` counts as absent, as the Python classes treat it. A key nobody asks for cannot change the numbers; whatever can
//! and is not implemented is refused by [`Section::only`].

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// One object of a JSON file.
pub(super) struct Section<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Section<'a> {
    /// The file's top-level object; `file` is the name used where the object itself is wrong.
    pub(super) fn root(file: &str, value: &'a Value) -> Result<Self> {
        match value {
            Value::Object(map) => Ok(Self {
                path: String::new(),
                map,
            }),
            _ => Err(Error::Json {
                file: file.into(),
                reason: "not a JSON object".into(),
            }),
        }
    }

    /// A nested object, if there.
    pub(super) fn child(&self, key: &str) -> Result<Option<Self>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self {
                path: format!("{}.", self.name(key)),
                map,
            })),
            Some(other) => Err(self.wrong(key, format!("{other} is not an object"))),
        }
    }

    /// A nested object that must be there.
    pub(super) fn required(&self, key: &str) -> Result<Self> {
        self.child(key)?
            .ok_or_else(|| self.wrong(key, "missing".into()))
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// All keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a String> {
        self.map.keys()
    }

    /// Whether the key is written at all, even as `null`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    pub(super) fn size(&self, key: &str) -> Result<Option<usize>> {
        let parse = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        self.typed(key, parse, "a size")
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f32>> {
        self.typed(key, |value| value.as_f64().map(|x| x as f32), "a number")
    }

    /// A list of numbers that must be there.
    pub(super) fn numbers(&self, key: &str) -> Result<Vec<f32>> {
        let parse = |value: &Value| {
            let numbers = value.as_array()?.iter();
            numbers.map(|x| x.as_f64().map(|x| x as f32)).collect()
        };
        self.typed(key, parse, "a list of numbers")?
            .ok_or_else(|| self.wrong(key, "missing".into()))
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, Value::as_bool, "true or false")
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.typed(key, Value::as_str, "a string")
    }

    /// The first string of a list.
    pub(super) fn first(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.get(0)?.as_str()
    }

    /// A square size, written as a number or as a pair.
    pub(super) fn square(&self, key: &str) -> Result<Option<usize>> {
        let Some(Value::Array(sides)) = self.get(key) else {
            return self.size(key);
        };
        match sides.as_slice() {
            [a, b] if a == b => self.typed(
                key,
                |_| a.as_u64().and_then(|n| usize::try_from(n).ok()),
                "a square size",
            ),
            [_, _] => Err(self.unsupported(key, "square sizes")),
            _ => Err(self.wrong(key, "not a pair of sizes".into())),
        }
    }

    /// Ids written as one number or as a list.
    pub(super) fn ids(&self, key: &str) -> Result<Vec<u64>> {
        let parse = |value: &'a Value| match value {
            Value::Array(ids) => ids.iter().map(Value::as_u64).collect(),
            id => id.as_u64().map(|id| vec![id]),
        };
        Ok(self
            .typed(key, parse, "a token id or a list of them")?
            .unwrap_or_default())
    }

    /// Refuses every value but the implemented ones; absent is fine, since each class defaults to one of them.
    pub(super) fn only(&self, key: &str, supported: &[Value]) -> Result<()> {
        let same = |a: &Value, b: &Value| a == b || (a.is_number() && a.as_f64() == b.as_f64());
        match self.get(key) {
            Some(value) if !supported.iter().any(|s| same(s, value)) => {
                let list: Vec<String> = supported.iter().map(Value::to_string).collect();
                Err(self.unsupported(key, &list.join(", ")))
            }
            _ => Ok(()),
        }
    }

    /// The error for a value of `key` that is understood but not implemented.
    pub(super) fn unsupported(&self, key: &str, supported: &str) -> Error {
        let value = self
            .get(key)
            .map_or_else(|| "absent".into(), Value::to_string);
        Error::Unsupported {
            key: self.name(key),
            value,
            supported: supported.into(),
        }
    }

    /// The error for a value of `key` that cannot be.
    pub(super) fn wrong(&self, key: &str, reason: String) -> Error {
        Error::ConfigValue {
            key: self.name(key),
            reason,
        }
    }

    /// Dotted path of a key.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}{key}", self.path)
    }

    fn typed<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&'a Value) -> Option<T>,
        kind: &str,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        parse(value)
            .map(Some)
            .ok_or_else(|| self.wrong(key, format!("{value} is not {kind}")))
    }
}
