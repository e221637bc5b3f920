//! A receiver of HTTP requests that answers as it is told, also as no honest one would.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Heard {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Heard {
    /// None where the caller goes away first.
    pub fn read(stream: impl std::io::Read) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
            Some(line.trim_end().to_owned())
        };
        let first = line()?;
        let mut words = first.split(' ').map(str::to_owned);
        let (method, path) = (words.next()?, words.next()?);
        let mut headers = BTreeMap::new();
        loop {
            let line = line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self { method, path, headers, body: String::from_utf8(body).unwrap() })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Listens on this machine; what it does with a connection is a function of the test.
pub struct Receiver {
    pub address: SocketAddr,
    pub url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    connections: Arc<Mutex<usize>>,
}

impl Receiver {
    /// Each request in a thread of its own, so that one that is held holds no other.
    pub fn start(act: impl Fn(&Heard, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, connections) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<usize>>::default());
        let (act, kept, counted) = (Arc::new(act), heard.clone(), connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (act, kept, mut stream) = (act.clone(), kept.clone(), stream.unwrap());
                *counted.lock().unwrap() += 1;
                std::thread::spawn(move || {
                    let Some(request) = Heard::read(&stream) else { return };
                    kept.lock().unwrap().push(request.clone());
                    act(&request, &mut stream);
                });
            }
        });
        Self { address, url: format!("http://{address}"), heard, connections }
    }

    /// Answers each request the same.
    pub fn answering(status: u16, headers: &str, body: &str) -> Self {
        let answer = answer(status, headers, body);
        Self::start(move |_, stream| drop(stream.write_all(answer.as_bytes())))
    }

    /// Answers by a function.
    pub fn by(answers: impl Fn(&Heard) -> (u16, Value) + Send + Sync + 'static) -> Self {
        Self::start(move |heard, stream| {
            let (status, body) = answers(heard);
            drop(stream.write_all(answer(status, "", &body.to_string()).as_bytes()));
        })
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

/// The text of an answer; headers end with a line end each.
pub fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}
