//! An API server that does nothing but note when a run is asked for: the request's first byte. So nothing of a cluster has to
//! do with how soon that is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::installation::{Seen, lock};

/// Speaks plain HTTP.
pub struct ScriptedApi {
    address: SocketAddr,
    asked: Seen,
}

impl ScriptedApi {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, asked) = (listener.local_addr()?, Seen::default());
        let own = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = Arc::clone(&own);
                std::thread::spawn(move || drop(serve(stream, &asked)));
            }
        });
        Ok(Self { address, asked })
    }

    /// Writes a kubeconfig that leads here; the file and the context.
    pub fn kubeconfig(&self, folder: &Path) -> Result<(String, String)> {
        let file = folder.join("scripted.json");
        let text = json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{ "name": "scripted", "cluster": { "server": format!("http://{}", self.address) } }],
            "users": [{ "name": "scripted", "user": {} }],
            "contexts": [{ "name": "scripted", "context": { "cluster": "scripted", "user": "scripted" } }],
        });
        std::fs::write(&file, text.to_string())?;
        Ok((file.to_str().context("a path is no text")?.to_owned(), "scripted".to_owned()))
    }

    /// When a run was asked for.
    pub async fn asked(&self, run: &str) -> Result<Instant> {
        let began = Instant::now();
        loop {
            if let Some(at) = lock(&self.asked).get(run) {
                return Ok(*at);
            }
            ensure!(began.elapsed() < Duration::from_secs(30), "{run} is not asked for");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Answers the requests of one connection.
fn serve(mut stream: TcpStream, asked: &Seen) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        // Waits for the first byte.
        if reader.fill_buf()?.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            length = line.strip_prefix("content-length: ").map_or(Ok(length), str::parse)?;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if first.contains("watch=true") {
            // Nothing ever changes.
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            )?;
            continue;
        }
        let (status, answer) = answer(&first, &body, began, asked)?;
        let answer = answer.to_string();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
    }
}

fn answer(first: &str, body: &[u8], began: Instant, asked: &Seen) -> Result<(&'static str, Value)> {
    let path = first.split(['?', ' ']).nth(1).unwrap_or_default();
    if first.starts_with("POST ") && path.ends_with("/pipelineruns") {
        let mut made: Value = serde_json::from_slice(body)?;
        let name = made["metadata"]["name"].as_str().context("a run without a name")?.to_owned();
        made["metadata"]["uid"] = json!(name);
        made["metadata"]["resourceVersion"] = json!("1");
        lock(asked).entry(name).or_insert(began);
        return Ok(("201 Created", made));
    }
    if first.starts_with("GET ")
        && ["/pipelineruns", "/taskruns", "/pods"].iter().any(|end| path.ends_with(end))
    {
        let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": { "resourceVersion": "1" }, "items": [] });
        return Ok(("200 OK", list));
    }
    let missing = json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound",
        "message": "not found", "code": 404 });
    Ok(("404 Not Found", missing))
}
