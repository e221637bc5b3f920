//! Reads a log as it is written: server-sent events, taken up again where the connection broke.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::client::{Client, Stream, Verb, path};
use super::failure::Failure;

/// Time between two tries while the server is away.
const PAUSE: Duration = Duration::from_secs(1);
/// A server that is away for longer is given up.
const GONE: Duration = Duration::from_mins(15);

/// A part of a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) step: String,
    pub(super) text: String,
}

/// Follows the log of one deployment to its end.
pub(super) struct Follower<'a> {
    client: &'a Client,
    id: String,
    /// Where to go on, as the server counts.
    from: String,
    stream: Option<Stream<'a>>,
    parser: Parser,
    away_since: Option<Instant>,
}

impl<'a> Follower<'a> {
    pub(super) fn new(client: &'a Client, id: &str) -> Self {
        let parser = Parser::default();
        Self { client, id: id.to_owned(), from: "0".to_owned(), stream: None, parser, away_since: None }
    }

    /// The next part; none when the deployment has ended and all is read. Waits for a server that restarts.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, Failure> {
        loop {
            if let Some(event) = self.parser.next() {
                self.from = event.id.unwrap_or_else(|| std::mem::take(&mut self.from));
                match event.kind.as_str() {
                    "end" => return Ok(None),
                    "log" => return Ok(Some(part(&event.data))),
                    _ => continue,
                }
            }
            if let Err(failure) = self.read().await {
                self.stream = None;
                self.parser = Parser::default();
                let since = *self.away_since.get_or_insert_with(Instant::now);
                if !failure.is_temporary || since.elapsed() > GONE {
                    return Err(failure);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let path =
                    format!("{}?follow=true&from={}", path(&["deployments", &self.id, "logs"]), self.from);
                none.insert(self.client.stream(Verb::Get, &path, "text/event-stream").await?)
            }
        };
        match stream.next().await? {
            Some(bytes) => {
                self.away_since = None;
                self.parser.push(&bytes);
                Ok(())
            }
            // Without an end event the server went down in the middle.
            None => Err(Failure {
                is_temporary: true,
                ..Failure::new(super::failure::FAILED, "the log broke off")
            }),
        }
    }
}

fn part(data: &str) -> Part {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let field = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    Part { step: field("step"), text: field("text") }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    kind: String,
    id: Option<String>,
    data: String,
}

/// Cuts a stream of server-sent events.
#[derive(Default)]
struct Parser {
    bytes: Vec<u8>,
    event: Event,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Event> {
        while let Some(end) = self.bytes.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.event.kind),
                "id" => self.event.id = Some(value.to_owned()),
                "data" => self.event.data.push_str(value),
                "" if line.is_empty() && !self.event.kind.is_empty() => {
                    return Some(std::mem::take(&mut self.event));
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_the_stream_is_cut() {
        let text = ": hello\n\nid: 7\nevent: log\ndata: {\"step\":\"build\",\"text\":\"a\\n\"}\n\nevent:end\ndata:{}\n\n";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                parser.push(piece);
                events.extend(std::iter::from_fn(|| parser.next()));
            }

            assert_eq!(events.len(), 2, "pieces of {size}");
            assert_eq!(events[0].id.as_deref(), Some("7"));
            assert_eq!(part(&events[0].data), Part { step: "build".to_owned(), text: "a\n".to_owned() });
            assert_eq!(events[1].kind, "end");
        }
    }
}
