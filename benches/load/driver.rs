//! Keep-alive HTTP/1.1 from one thread: as fast as answers come, or at a rate. At a rate a request counts from when it was
//! due, so that waiting in line is part of its time.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll;

/// What is sent, and how.
pub struct Load<'a> {
    pub address: SocketAddr,
    /// Requests, taken in turn.
    pub requests: &'a [Vec<u8>],
    pub connections: usize,
    /// Requests a second; none: a new one with each answer.
    pub rate: Option<f64>,
    pub warm_up: Duration,
    pub time: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub answers: u64,
    pub seconds: f64,
    /// Answers by status; 0 for connections that broke.
    pub statuses: BTreeMap<u16, u64>,
    latencies: Histogram,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    /// The latency below which this share of the answers came, in microseconds.
    pub fn latency(&self, share: f64) -> f64 {
        self.latencies.quantile(share)
    }

    /// Whether every answer had this status.
    pub fn is_all(&self, status: u16) -> bool {
        self.statuses.keys().all(|own| *own == status) && self.answers > 0
    }
}

/// Counts by microseconds, 64 steps for each doubling.
#[derive(Debug)]
struct Histogram {
    counts: Vec<u64>,
    all: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; 64 * 40], all: 0 }
    }
}

impl Histogram {
    fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(64);
        let octave = 63 - u64::from(nanos.leading_zeros());
        let step = (nanos >> (octave - 6)) & 63;
        let last = self.counts.len() - 1;
        let place = usize::try_from((octave - 6) * 64 + step).unwrap_or(last).min(last);
        self.counts[place] += 1;
        self.all += 1;
    }

    fn quantile(&self, share: f64) -> f64 {
        let wanted = (share * self.all as f64) as u64;
        let mut passed = 0;
        for (place, count) in self.counts.iter().enumerate() {
            passed += count;
            if passed > wanted {
                let (octave, step) = (place as u64 / 64 + 6, place as u64 % 64);
                return ((1_u64 << octave) + (step << (octave - 6))) as f64 / 1_000.0;
            }
        }
        0.0
    }
}

/// One connection, and what has come of the answer that it waits for.
struct Line {
    stream: TcpStream,
    /// When the request that it waits for was due.
    due: Option<Instant>,
    head: Vec<u8>,
    status: u16,
    body: Body,
}

enum Body {
    /// The head is not whole yet.
    Unknown,
    /// So many bytes are to come.
    Length(usize),
    /// Until the last chunk; what came last.
    Chunked(Vec<u8>),
}

impl Line {
    fn dial(address: SocketAddr) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    }

    fn send(&mut self, request: &[u8], due: Instant) -> bool {
        self.due = Some(due);
        self.head.clear();
        self.body = Body::Unknown;
        matches!((&self.stream).write(request), Ok(sent) if sent == request.len())
    }

    /// Takes what came; true once the answer is whole.
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        if matches!(self.body, Body::Unknown) {
            let before = self.head.len();
            self.head.extend_from_slice(bytes);
            let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
            bytes = &bytes[end + 4 - before..];
            let head = String::from_utf8_lossy(&self.head[..end]).to_ascii_lowercase();
            self.status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
            let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            self.body = match field("content-length:").and_then(|length| length.parse().ok()) {
                _ if [204, 304].contains(&self.status) => Body::Length(0),
                Some(length) => Body::Length(length),
                None if field("transfer-encoding:").is_some() => Body::Chunked(Vec::new()),
                None => Body::Length(0),
            };
        }
        match &mut self.body {
            Body::Unknown => false,
            Body::Length(left) => {
                *left = left.saturating_sub(bytes.len());
                *left == 0
            }
            Body::Chunked(last) => {
                last.extend_from_slice(bytes);
                last.drain(..last.len().saturating_sub(7));
                last.ends_with(b"0\r\n\r\n")
            }
        }
    }
}

impl Load<'_> {
    /// Sends and counts until the time is over.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub fn run(&self) -> std::io::Result<Outcome> {
        let mut run = Run::new(self)?;
        let end = run.measured_from + self.time;
        let mut events = Vec::with_capacity(512);
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let now = Instant::now();
            if now >= end {
                run.outcome.seconds = (now - run.measured_from).as_secs_f64();
                return Ok(run.outcome);
            }
            let wait = run.send_due(now);
            // Whole milliseconds only: a longer sleep than was asked for would be counted as the server's.
            let wait =
                rustix::event::Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_millis()) * 1_000_000 };
            events.clear();
            epoll::wait(&run.poll, rustix::buffer::spare_capacity(&mut events), Some(&wait))?;
            for event in &events {
                run.look_at(event.data.u64() as usize, &mut buffer)?;
            }
        }
    }
}

/// A load while it runs.
struct Run<'a> {
    load: &'a Load<'a>,
    poll: OwnedFd,
    began: Instant,
    measured_from: Instant,
    lines: Vec<Line>,
    /// Places of lines that wait for nothing; of use at a rate only.
    idle: Vec<usize>,
    /// Requests sent so far.
    sent: usize,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    fn new(load: &'a Load<'a>) -> std::io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut lines = Vec::with_capacity(load.connections);
        for place in 0..load.connections {
            let stream = Line::dial(load.address)?;
            epoll::add(&poll, &stream, epoll::EventData::new_u64(place as u64), epoll::EventFlags::IN)?;
            lines.push(Line { stream, due: None, head: Vec::new(), status: 0, body: Body::Unknown });
        }
        let began = Instant::now();
        let measured_from = began + load.warm_up;
        let idle = (0..lines.len()).rev().collect();
        let mut run =
            Self { load, poll, began, measured_from, lines, idle, sent: 0, outcome: Outcome::default() };
        if load.rate.is_none() {
            (0..load.connections).for_each(|place| run.fire(place, began));
        }
        Ok(run)
    }

    fn fire(&mut self, place: usize, due: Instant) {
        self.lines[place].send(&self.load.requests[self.sent % self.load.requests.len()], due);
        self.sent += 1;
    }

    /// Sends what is due by the rate as far as lines are idle; how long there is nothing to send.
    fn send_due(&mut self, now: Instant) -> Duration {
        const LONGEST: Duration = Duration::from_millis(100);
        let Some(rate) = self.load.rate else { return LONGEST };
        loop {
            let due = self.began + Duration::from_secs_f64(self.sent as f64 / rate);
            if due > now {
                return (due - now).min(LONGEST);
            }
            let Some(place) = self.idle.pop() else { return LONGEST };
            self.fire(place, due);
        }
    }

    /// Takes what came on a line, and sends the next request once its answer is whole.
    fn look_at(&mut self, place: usize, buffer: &mut [u8]) -> std::io::Result<()> {
        let line = &mut self.lines[place];
        let is_whole = match (&line.stream).read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Ok(0) | Err(_) => None,
            Ok(length) => Some(line.take(&buffer[..length])),
        };
        let now = Instant::now();
        match is_whole {
            Some(false) => return Ok(()),
            Some(true) => {
                if let Some(due) = line.due.take().filter(|_| now >= self.measured_from) {
                    self.outcome.answers += 1;
                    *self.outcome.statuses.entry(line.status).or_default() += 1;
                    self.outcome.latencies.add(now.saturating_duration_since(due));
                }
            }
            None => {
                if line.due.take().is_some() && now >= self.measured_from {
                    *self.outcome.statuses.entry(0).or_default() += 1;
                }
                line.stream = Line::dial(self.load.address)?;
                let data = epoll::EventData::new_u64(place as u64);
                epoll::add(&self.poll, &line.stream, data, epoll::EventFlags::IN)?;
            }
        }
        if self.load.rate.is_some() {
            self.idle.push(place);
        } else {
            self.fire(place, now);
        }
        Ok(())
    }
}
