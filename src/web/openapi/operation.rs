//! How an operation is described.

use poem::http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use crate::domain::Code;
use crate::web::openapi::bodies::body_of;
use crate::wire::list::List;
use crate::wire::read::Shape;

/// Adds the schema of a type to the document, and refers to it.
pub(super) type Refer = fn(&mut SchemaGenerator) -> Schema;

/// Operations that belong together.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) operations: Vec<Operation>,
}

/// One operation; its path is spelled as in the document.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// What the summary does not say.
    pub(super) more: Option<&'static str>,
    /// Headers of the request that mean something.
    pub(super) takes: &'static [&'static str],
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
    /// Refusals beside those that follow from its guard, its method and its path.
    pub(super) codes: &'static [Code],
    /// Whether the token of a hook is a credential here too.
    pub(super) is_for_hooks: bool,
    /// Whether a credential that is not needed shows more.
    pub(super) shows_more: bool,
}

/// The JSON object that an operation takes.
pub(super) struct Body {
    pub(super) name: &'static str,
    /// Fields without which it is refused.
    pub(super) needs: &'static [&'static str],
    pub(super) schema: fn(&[&str]) -> Value,
}

/// An answer that is no refusal.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) says: &'static str,
    pub(super) media: Vec<(&'static str, Content)>,
    pub(super) headers: &'static [&'static str],
    /// The field of the answer that names what was made, in the addresses below this one or, of a deployment, below its own.
    pub(super) made: Option<&'static str>,
}

/// What a body of an answer is.
pub(super) enum Content {
    Json(Refer),
    /// Text of the form that the media type says.
    Text,
    /// Server-sent events with the data of these.
    Events(&'static [(&'static str, Refer)]),
    Bytes,
    /// A JSON object that is described elsewhere.
    Object,
}

impl Operation {
    fn new(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            more: None,
            takes: &[],
            body: None,
            answers: Vec::new(),
            codes: &[],
            is_for_hooks: false,
            shows_more: false,
        }
    }

    pub(super) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(Method::GET, path, id, summary)
    }

    pub(super) fn post(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(Method::POST, path, id, summary)
    }

    pub(super) fn put(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(Method::PUT, path, id, summary)
    }

    pub(super) fn patch(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(Method::PATCH, path, id, summary)
    }

    pub(super) fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(Method::DELETE, path, id, summary)
    }

    pub(super) fn more(self, more: &'static str) -> Self {
        Self { more: Some(more), ..self }
    }

    pub(super) fn takes(self, takes: &'static [&'static str]) -> Self {
        Self { takes, ..self }
    }

    /// Takes a JSON object, and needs these fields of it.
    pub(super) fn body<T: Shape + JsonSchema>(
        self,
        name: &'static str,
        needs: &'static [&'static str],
    ) -> Self {
        Self { body: Some(Body { name, needs, schema: body_of::<T> }), ..self }
    }

    pub(super) fn refuses(self, codes: &'static [Code]) -> Self {
        Self { codes, ..self }
    }

    pub(super) fn for_hooks(self) -> Self {
        Self { is_for_hooks: true, ..self }
    }

    pub(super) fn shows_more(self) -> Self {
        Self { shows_more: true, is_for_hooks: true, ..self }
    }

    pub(super) fn answer(
        mut self,
        status: u16,
        says: &'static str,
        media: Vec<(&'static str, Content)>,
    ) -> Self {
        self.answers.push(Answer { status, says, media, headers: &[], made: None });
        self
    }

    pub(super) fn json<T: JsonSchema>(self, status: u16, says: &'static str) -> Self {
        self.answer(status, says, vec![("application/json", Content::Json(refer::<T>))])
    }

    pub(super) fn page<T: JsonSchema>(self, says: &'static str) -> Self {
        self.json::<List<T>>(200, says)
    }

    pub(super) fn nothing(self, status: u16, says: &'static str) -> Self {
        self.answer(status, says, Vec::new())
    }

    pub(super) fn of(self, says: &'static str, media: &'static str, content: Content) -> Self {
        self.answer(200, says, vec![(media, content)])
    }

    /// The last answer comes in another form too, where the caller prefers it.
    pub(super) fn or(mut self, media: &'static str, content: Content) -> Self {
        if let Some(last) = self.answers.last_mut() {
            last.media.push((media, content));
        }
        self
    }

    pub(super) fn text(self) -> Self {
        self.or("text/plain", Content::Text)
    }

    /// Headers of the last answer.
    pub(super) fn with(mut self, headers: &'static [&'static str]) -> Self {
        if let Some(last) = self.answers.last_mut() {
            last.headers = headers;
        }
        self
    }

    /// The last answer names what it made in this field.
    pub(super) fn made(mut self, field: &'static str) -> Self {
        if let Some(last) = self.answers.last_mut() {
            last.made = Some(field);
        }
        self
    }
}

pub(super) fn refer<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
