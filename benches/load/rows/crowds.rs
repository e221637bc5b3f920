//! Many at once: a flood of refusals beside calls that are good, more callers than there is time for, and readers of a log.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stackblaze::domain::Clock;

use crate::driver::Load;
use crate::probe;
use crate::rows::runs::begin;
use crate::rows::{Rows, request};
use crate::table::Goal;

/// Callers of the overload.
const CROWD: usize = 6_000;
/// Readers of one log.
const STREAMS: usize = 200;
/// Prints when it prints, ten times a second for eight seconds.
const TICKS: &str = "i=0; while [ $i -lt 80 ]; do date +at%s%N; sleep 0.1; i=$((i + 1)); done";

impl Rows {
    /// Good calls at a rate, alone and beside refusals at thirty times the rate.
    pub(super) fn flood(&mut self) -> Result<()> {
        if !self.is_wanted(&["P19"]) {
            return Ok(());
        }
        probe::settle()?;
        let server = self.data.busy(0)?;
        let calls = self.calls(&server);
        let alone = self.run(&server, &calls, 64, Some(500.0))?.0;
        self.all("accepts", &alone, 202)?;
        let requests = self.forged_calls(&server)?;
        let time = self.time();
        let flood = Load {
            address: server.address,
            requests: &requests,
            connections: 64,
            rate: Some(15_000.0),
            warm_up: Duration::from_millis(500),
            time,
        };
        let (beside, refused) = std::thread::scope(|scope| {
            let flood = scope.spawn(|| flood.run());
            let beside = self.run(&server, &calls, 64, Some(500.0));
            (beside, flood.join())
        });
        let beside = beside?.0;
        self.all("accepts beside refusals", &beside, 202)?;
        let refused = refused.map_err(|_| anyhow::anyhow!("the flood panicked"))??;
        let ratio = beside.latency(0.99) / alone.latency(0.99);
        self.note("P19", "500 accepts a second beside refusals / alone, p99", Goal::AtMost(1.5), ratio);
        self.note("", "  refusals a second beside them", Goal::AtLeast(0.0), refused.per_second());
        Ok(())
    }

    /// More callers than there is time for.
    pub(super) fn overload(&mut self) -> Result<()> {
        if !self.is_wanted(&["P20"]) {
            return Ok(());
        }
        let files = getrlimit(Resource::Nofile);
        let enough = Some(2 * CROWD as u64 + 1_000);
        if files.maximum.is_some_and(|most| Some(most) < enough) {
            println!("no overload: this process may not have {CROWD} connections and their other ends");
            return Ok(());
        }
        setrlimit(Resource::Nofile, Rlimit { current: enough, ..files })?;
        probe::settle()?;
        let server = self.data.busy_with(0, &["--connections", "9000"])?;
        let calls = self.calls(&server);
        let peak = self.closed(&server, &calls, 256)?.0;
        let crowd = self.closed(&server, &calls, CROWD)?.0;
        let count = |status: u16| crowd.statuses.get(&status).copied().unwrap_or(0) as f64;
        let good = count(202) / crowd.seconds / peak.per_second();
        self.note("P20", "accepts with 6,000 callers / with 256", Goal::AtLeast(0.95), good);
        self.note("P20", "MB with 6,000 callers", Goal::AtMost(110.0), server.memory());
        self.note("P20", "connections that broke", Goal::AtMost(0.0), count(0));
        Ok(())
    }

    /// Many readers of a log of ten lines a second.
    pub(super) fn streams(&mut self) -> Result<()> {
        if !self.is_wanted(&["P16"]) {
            return Ok(());
        }
        probe::settle()?;
        let folder = self.data.fresh(0)?;
        let server = self.product(&folder)?;
        let hook = self.data.hooks[0].clone();
        self.data.set_build_command(&server, &hook, TICKS)?;
        server.settle();
        let (id, memory) = (begin(&server, &hook)?, server.memory());
        let mut streams = Vec::new();
        for number in 0..STREAMS {
            let token = &self.data.readers[number % self.data.readers.len()];
            let mut stream = TcpStream::connect(server.address)?;
            let head = format!("Accept: text/event-stream\r\nAuthorization: Bearer {token}\r\n");
            stream.write_all(&request(&server, "GET", &format!("/deployments/{id}/logs"), &head))?;
            stream.set_nonblocking(true)?;
            streams.push(Reader { stream, open: Vec::new() });
        }
        let (mut late, began, mut before) = (Vec::new(), Instant::now(), None);
        while began.elapsed() < Duration::from_secs(7) {
            // What was printed while the streams were opened is no figure.
            if before.is_none() && began.elapsed() > Duration::from_secs(1) {
                before = Some(server.cpu());
                late.clear();
            }
            streams.iter_mut().try_for_each(|reader| reader.take(&mut late))?;
            std::thread::sleep(Duration::from_millis(1));
        }
        ensure!(late.len() > STREAMS * 40, "{} lines reached {STREAMS} readers", late.len());
        let cpu = server.cpu().saturating_sub(before.unwrap_or_default()).as_secs_f64() * 1e6;
        late.sort_by(f64::total_cmp);
        let p99 = late[late.len() * 99 / 100] * 1e3;
        self.note(
            "P16",
            "us of processor for a line to a reader",
            Goal::AtMost(20.0),
            cpu / late.len() as f64,
        );
        let each = (server.memory() - memory) * 1e3 / STREAMS as f64;
        self.note("P16", "KB of a stream", Goal::AtMost(16.0), each);
        self.note("P16", "ms from print to reader, p99", Goal::AtMost(40.0), p99);
        self.note("P16", "threads with 200 streams", Goal::AtMost(16.0), server.threads() as f64);
        Ok(())
    }
}

/// One reader of a log.
struct Reader {
    stream: TcpStream,
    /// What came of the line that has not ended.
    open: Vec<u8>,
}

impl Reader {
    /// Takes what came, and adds how late each line is, in seconds.
    fn take(&mut self, late: &mut Vec<f64>) -> Result<()> {
        let mut buffer = [0; 16 * 1_024];
        match self.stream.read(&mut buffer) {
            Ok(length) => self.open.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let now = Clock::System.now().as_millis() as f64 / 1e3;
        let Some(end) = self.open.iter().rposition(|&byte| byte == b'\n') else { return Ok(()) };
        let text = String::from_utf8_lossy(&self.open[..end]).into_owned();
        self.open.drain(..=end);
        let printed = text.split("\"at").chain(text.split("\\nat")).skip(1);
        late.extend(printed.filter_map(|at| at.get(..19)?.parse::<f64>().ok()).map(|at| now - at / 1e9));
        Ok(())
    }
}
