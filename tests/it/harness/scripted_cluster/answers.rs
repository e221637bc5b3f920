//! How the scripted API answers.

use std::convert::Infallible;
use std::io;

use futures_util::{Stream, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};

pub type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

pub fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "cut by the test")
}

pub fn whole(code: u16, object: &Value) -> Response<AnswerBody> {
    let body = Full::new(Bytes::from(object.to_string())).map_err(|never: Infallible| match never {});
    Response::builder().status(code).body(body.boxed_unsync()).unwrap()
}

pub fn refusal(code: u16, text: &str) -> Response<AnswerBody> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": text,
        "reason": "", "code": code});
    whole(code, &status)
}

pub fn missing() -> Response<AnswerBody> {
    refusal(404, "pipelineruns.tekton.dev \"it\" not found")
}

pub fn line(value: &Value) -> Bytes {
    Bytes::from(format!("{value}\n"))
}

pub fn streamed(bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response<AnswerBody> {
    let body = StreamBody::new(bytes.map(|bytes| bytes.map(Frame::data)));
    Response::new(body.boxed_unsync())
}
