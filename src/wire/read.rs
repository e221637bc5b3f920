//! Reads a body field by field, so that everything that is wrong with it can be told at once. A derived reader stops at
//! the first fault, and takes a JSON array for an object.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::domain::Invalid;
use crate::wire::Change;

/// A shape that can be read.
pub trait Shape: Sized {
    /// Takes its fields; faults are kept in `fields`.
    fn take(fields: &mut Fields) -> Self;
}

/// The fields of a body that nobody has taken yet, and what was wrong with those that somebody did.
#[derive(Debug, Default)]
pub struct Fields {
    left: Map<String, Value>,
    /// Of a nested object its own name and a dot.
    prefix: String,
    faults: Vec<Invalid>,
    /// Whether fields that only an answer has are faults too.
    is_declared: bool,
    /// What was asked for, where that is wanted.
    asked: Option<Vec<Asked>>,
}

/// A field that a shape asks for.
#[derive(Debug)]
pub struct Asked {
    pub name: String,
    pub kind: AskedKind,
}

/// How a shape asks for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedKind {
    /// It has a value or is missing.
    Value,
    /// It may be null as well.
    Change,
    /// Only an answer has it; it is read, and may be sent back as it is.
    SentBack,
    /// Only an answer has it.
    Ignored,
}

/// The fields that a shape takes, in the order in which it asks for them: what its `take` does is what is told.
pub fn asked<T: Shape>() -> Vec<Asked> {
    let mut fields = Fields { asked: Some(Vec::new()), ..Fields::default() };
    T::take(&mut fields);
    fields.asked.unwrap_or_default()
}

/// A shape that a file declares, and what is wrong with it.
#[derive(Debug)]
pub struct Declared<T> {
    pub shape: T,
    pub faults: Vec<Invalid>,
    /// Names that are no fields.
    pub unknown: Vec<String>,
}

/// Reads what a file declares: a person wrote it, so that nothing in it is ignored.
pub fn declared<T: Shape>(left: Map<String, Value>) -> Declared<T> {
    let mut fields = Fields { left, is_declared: true, ..Fields::default() };
    let shape = T::take(&mut fields);
    Declared {
        shape,
        faults: fields.faults,
        unknown: fields.left.into_iter().map(|(name, _)| name).collect(),
    }
}

/// Reads a body; nothing at all stands for an empty object.
///
/// # Errors
/// Everything that is wrong with it, at least one fault.
pub fn read<T: Shape>(bytes: &[u8]) -> Result<T, Vec<Invalid>> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return of_value(Value::Object(Map::new()));
    }
    let value = serde_json::from_slice(bytes)
        .map_err(|error| vec![Invalid::new("body", format!("is not JSON: {error}"))])?;
    of_value(value)
}

/// The same of a value.
///
/// # Errors
/// Everything that is wrong with it, at least one fault.
pub fn of_value<T: Shape>(value: Value) -> Result<T, Vec<Invalid>> {
    let Value::Object(left) = value else {
        let detail = format!("must be a JSON object, not {}", kind_of(&value));
        return Err(vec![Invalid::new("body", detail)]);
    };
    let mut fields = Fields { left, ..Fields::default() };
    let shape = T::take(&mut fields);
    let faults = fields.finish();
    if faults.is_empty() { Ok(shape) } else { Err(faults) }
}

impl Fields {
    /// A field of the wanted kind; `None` where it is missing, or wrong, which is kept as a fault.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str, wanted: &str) -> Option<T> {
        self.note(name, AskedKind::Value);
        let value = self.left.remove(name)?;
        self.read(name, wanted, value)
    }

    /// A field that null empties.
    pub fn change<T: DeserializeOwned>(&mut self, name: &str, wanted: &str) -> Change<T> {
        self.note(name, AskedKind::Change);
        match self.left.remove(name) {
            None => Change::Keep,
            Some(Value::Null) => Change::Empty,
            Some(value) => self.read(name, wanted, value).map_or(Change::Keep, Change::Set),
        }
    }

    /// A field that is an object with a shape of its own, and that null empties.
    pub fn change_shape<T: Shape>(&mut self, name: &str) -> Change<T> {
        self.note(name, AskedKind::Change);
        match self.left.remove(name) {
            None => Change::Keep,
            Some(Value::Null) => Change::Empty,
            Some(Value::Object(left)) => {
                let prefix = format!("{}{name}.", self.prefix);
                let mut inner = Self { left, prefix, is_declared: self.is_declared, ..Self::default() };
                let shape = T::take(&mut inner);
                let faults = inner.finish();
                let is_sound = faults.is_empty();
                self.faults.extend(faults);
                if is_sound { Change::Set(shape) } else { Change::Keep }
            }
            Some(other) => {
                self.fault(name, format!("must be an object, not {}", kind_of(&other)));
                Change::Keep
            }
        }
    }

    /// A field that an answer has and a change has not: what was sent back of it. One who declares has no answer.
    pub fn sent_back<T: DeserializeOwned>(&mut self, name: &str, shape: &str) -> Change<T> {
        if self.asked.is_some() {
            self.note(name, AskedKind::SentBack);
            return Change::Keep;
        }
        if self.is_declared { Change::Keep } else { self.change(name, shape) }
    }

    /// Fields that only an answer has; sent back they are ignored.
    pub fn ignore(&mut self, names: &[&str]) {
        if self.is_declared {
            return;
        }
        for name in names {
            self.note(name, AskedKind::Ignored);
            self.left.remove(*name);
        }
    }

    /// Whether a fault of this field is kept.
    pub fn has_fault(&self, name: &str) -> bool {
        self.faults.iter().any(|fault| fault.field.strip_prefix(&self.prefix) == Some(name))
    }

    /// Keeps a fault of a field.
    pub fn fault(&mut self, name: &str, detail: impl Into<String>) {
        self.faults.push(Invalid::new(format!("{}{name}", self.prefix), detail));
    }

    fn note(&mut self, name: &str, kind: AskedKind) {
        if let Some(asked) = &mut self.asked {
            asked.push(Asked { name: name.to_owned(), kind });
        }
    }

    fn read<T: DeserializeOwned>(&mut self, name: &str, wanted: &str, value: Value) -> Option<T> {
        let kind = kind_of(&value);
        let read = serde_json::from_value(value).ok();
        if read.is_none() {
            self.fault(name, format!("must be {wanted}, not {kind}"));
        }
        read
    }

    fn finish(mut self) -> Vec<Invalid> {
        for name in std::mem::take(&mut self.left).keys() {
            self.fault(name, "is not a field of this body");
        }
        self.faults
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Pair {
        name: Option<String>,
        url: Change<String>,
        inner: Change<Inner>,
    }

    #[derive(Debug, PartialEq)]
    struct Inner(Option<u32>);

    impl Shape for Pair {
        fn take(fields: &mut Fields) -> Self {
            fields.ignore(&["id"]);
            Self {
                name: fields.take("name", "a text"),
                url: fields.change("url", "a text"),
                inner: fields.change_shape("inner"),
            }
        }
    }

    impl Shape for Inner {
        fn take(fields: &mut Fields) -> Self {
            Self(fields.take("size", "a whole number"))
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_by_its_name() {
        let faults =
            read::<Pair>(br#"{"name":7,"url":[],"nmae":"x","inner":{"size":"a","more":1}}"#).unwrap_err();

        let told: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.detail)).collect();
        assert_eq!(
            told,
            [
                "name: must be a text, not a number",
                "url: must be a text, not a list",
                "inner.size: must be a whole number, not a text",
                "inner.more: is not a field of this body",
                "nmae: is not a field of this body",
            ]
        );
    }

    #[test]
    fn a_list_is_no_object_and_nothing_is_an_empty_one() {
        assert_eq!(read::<Pair>(br#"["arr5","/path"]"#).unwrap_err()[0].field, "body");
        assert_eq!(read::<Pair>(b"{").unwrap_err()[0].field, "body");
        let empty = Pair { name: None, url: Change::Keep, inner: Change::Keep };
        assert_eq!(read::<Pair>(b"").unwrap(), empty);
        assert_eq!(read::<Pair>(br#"{"id":"given back"}"#).unwrap(), empty);
    }

    #[test]
    fn of_what_a_file_declares_nothing_is_ignored() {
        let body = json!({"id": "x", "name": 7, "url": "u", "nmae": "y"});
        let Value::Object(fields) = body else { unreachable!() };

        let read = declared::<Pair>(fields);

        assert_eq!(read.shape.url, Change::Set("u".to_owned()));
        assert_eq!(read.faults, [Invalid::new("name", "must be a text, not a number")]);
        assert_eq!(read.unknown, ["id", "nmae"]);
    }

    #[test]
    fn null_empties_what_can_be_emptied() {
        let pair = read::<Pair>(br#"{"url":null,"inner":null}"#).unwrap();

        assert_eq!((pair.url, pair.inner), (Change::Empty, Change::Empty));
    }
}
