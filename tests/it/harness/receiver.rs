//! Somebody who receives notices: a small HTTP server that keeps what it was sent, and answers as it is told.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;

/// One request.
#[derive(Debug, Clone)]
pub struct Received {
    /// `POST /path`.
    pub line: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Kept {
    received: Vec<Received>,
    answers: VecDeque<String>,
    usual: Option<String>,
    is_held: bool,
}

/// Lives as long as the test; its threads end with the process.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    kept: Arc<(Mutex<Kept>, Condvar)>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self { address: listener.local_addr().unwrap(), kept: Arc::default() };
        let own = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (own, stream) = (own.clone(), stream.unwrap());
                std::thread::spawn(move || own.serve(&stream));
            }
        });
        receiver
    }

    /// An address here.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What the next requests are answered: a status with its words, and more lines of a head.
    pub fn answer_next(&self, answers: &[&str]) {
        self.kept.0.lock().unwrap().answers.extend(answers.iter().map(|text| (*text).to_owned()));
    }

    /// What every other request is answered; `200 OK` where nothing is said.
    pub fn answer_always(&self, answer: &str) {
        self.kept.0.lock().unwrap().usual = Some(answer.to_owned());
    }

    /// Answers nothing until it is let go.
    pub fn hold(&self, is_held: bool) {
        self.kept.0.lock().unwrap().is_held = is_held;
        self.kept.1.notify_all();
    }

    /// Waits until so many requests have come.
    pub fn wait_for(&self, count: usize) {
        let kept = self.kept.0.lock().unwrap();
        let more = |kept: &mut Kept| kept.received.len() < count;
        let (_kept, timeout) = self.kept.1.wait_timeout_while(kept, super::PATIENCE, more).unwrap();
        assert!(!timeout.timed_out(), "fewer than {count} requests came");
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.kept.0.lock().unwrap().received.clone()
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(received) = read(&mut reader) {
            let (lock, told) = &*self.kept;
            let mut kept = lock.lock().unwrap();
            kept.received.push(received);
            told.notify_all();
            let mut kept = told.wait_while(kept, |kept| kept.is_held).unwrap();
            let usual = kept.usual.clone().unwrap_or_else(|| "200 OK".to_owned());
            let head = kept.answers.pop_front().unwrap_or(usual);
            drop(kept);
            let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 7\r\n\r\nthanks\n");
            if (&mut &*stream).write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut next = || {
        let mut line = String::new();
        let length = reader.read_line(&mut line).ok()?;
        (length > 0).then(|| line.trim_end().to_owned())
    };
    let line = next()?;
    let mut headers = Vec::new();
    loop {
        let header = next()?;
        let Some((name, value)) = header.split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    let mut received = Received { line, headers, body: String::new() };
    let length: u64 = received.header("content-length").parse().unwrap_or(0);
    reader.take(length).read_to_string(&mut received.body).ok()?;
    Some(received)
}
