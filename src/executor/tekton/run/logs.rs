//! Streams the log of a step while it runs: a pod's log is gone with the pod, and kubelet keeps only its last part.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use k8s_openapi::api::core::v1 as core;
use kube::Client;
use kube::api::{Api, LogParams};
use tokio::sync::watch;

use crate::domain::Step;
use crate::executor::tekton::client::{RefusalKind, answer};
use crate::executor::tekton::names::container_of;
use crate::executor::tekton::steps::look_up::WAITS;
use crate::executor::{Event, Events, Wait};

use super::log_pieces::LogPieces;
use super::log_position::Position;
use super::observe::Moment;

/// Text is sent from this many bytes on, or when nothing more came for a while.
const BATCH_BYTES: usize = 16 * 1024;
const BATCH_PAUSE: Duration = Duration::from_millis(50);
/// Most that is held of a line that has not ended; a longer one is sent in pieces.
const PIECE_BYTES: usize = 16 * 1024;
/// Pause before a stream is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);
/// A step that has ended gives no more after this long a silence; a busy kubelet looks for the place to go on from meanwhile.
const LAST_SILENCE: Duration = Duration::from_secs(10);
/// Times that the log of an ended step is asked for where the cluster does not answer.
const LAST_TRIES: u32 = 5;

/// How one stream ended.
enum StreamEnd {
    /// At the end of what there is.
    End,
    /// Before it began: the container does not run yet, or there is no answer.
    NotYet,
    /// There is no such pod or container.
    Missing,
    /// On the way, or in silence after the step's end.
    Broken,
    /// Nobody takes events any more.
    Unwanted,
}

/// Follows one step.
pub(super) struct StepLogFollower<'a> {
    pub(super) client: &'a Client,
    pub(super) namespace: &'a str,
    pub(super) log: StepLog<'a>,
}

impl StepLogFollower<'_> {
    /// Sends the step's lines until it has ended and its log is through, or cannot be had any more.
    pub(super) async fn follow(mut self, mut moments: watch::Receiver<Moment>) {
        let step = self.log.step();
        let mut tries = 0;
        loop {
            let (pod, is_over) = state(&moments.borrow_and_update(), step);
            let ended = match &pod {
                Some(pod) => self.stream(pod, step, &mut moments).await,
                None => StreamEnd::NotYet,
            };
            tries += u32::from(is_over);
            match ended {
                StreamEnd::Unwanted => return,
                StreamEnd::End | StreamEnd::Missing if is_over => return,
                StreamEnd::NotYet | StreamEnd::Broken
                    if is_over && (pod.is_none() || tries >= LAST_TRIES) =>
                {
                    return;
                }
                _ => {}
            }
            tokio::select! {
                () = tokio::time::sleep(REOPEN_PAUSE) => {}
                changed = moments.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn stream(&mut self, pod: &str, step: Step, moments: &mut watch::Receiver<Moment>) -> StreamEnd {
        let since_time = self.log.pieces.resume();
        let params = LogParams {
            container: Some(container_of(step)),
            follow: true,
            timestamps: true,
            since_time,
            ..LogParams::default()
        };
        let pods = Api::<core::Pod>::namespaced(self.client.clone(), self.namespace);
        match answer(pods.log_stream(pod, &params)).await {
            Ok(stream) => self.log.read(Box::pin(stream), moments).await,
            Err(refusal) if refusal.kind == RefusalKind::Missing => StreamEnd::Missing,
            Err(_) => StreamEnd::NotYet,
        }
    }
}

/// Sends what is new of a step's log.
pub(super) struct StepLog<'a> {
    events: &'a Events,
    pieces: LogPieces,
    /// Whether its lines say what is waited for.
    tells_waits: bool,
}

impl<'a> StepLog<'a> {
    pub(super) const fn new(events: &'a Events, position: Position, tells_waits: bool) -> Self {
        Self { events, pieces: LogPieces::new(position), tells_waits }
    }

    const fn step(&self) -> Step {
        self.pieces.position.step()
    }

    async fn read(
        &mut self,
        mut stream: Pin<Box<impl AsyncBufRead>>,
        moments: &mut watch::Receiver<Moment>,
    ) -> StreamEnd {
        let (mut piece, mut batch) = (Vec::with_capacity(PIECE_BYTES), Vec::new());
        loop {
            let pause = if batch.is_empty() { LAST_SILENCE } else { BATCH_PAUSE };
            // What is cut short by the pause stays in `piece` and is read on.
            let mut stream = (&mut stream).take((PIECE_BYTES - piece.len()) as u64);
            let sent = match tokio::time::timeout(pause, stream.read_until(b'\n', &mut piece)).await {
                Ok(Ok(_)) if piece.ends_with(b"\n") => {
                    self.pieces.take(&piece, &mut batch);
                    piece.clear();
                    if batch.len() < BATCH_BYTES {
                        continue;
                    }
                    self.send(&mut batch, StreamEnd::End).await
                }
                Ok(Ok(_)) if piece.len() < PIECE_BYTES => {
                    return self.send_part(&mut piece, &mut batch, StreamEnd::End).await;
                }
                Ok(Ok(_)) => self.send_part(&mut piece, &mut batch, StreamEnd::End).await,
                Ok(Err(_)) => return self.send(&mut batch, StreamEnd::Broken).await,
                Err(_) if batch.is_empty() => {
                    let is_over = state(&moments.borrow(), self.step()).1;
                    let sent = self.send_part(&mut piece, &mut batch, StreamEnd::Broken).await;
                    if is_over {
                        return sent;
                    }
                    sent
                }
                Err(_) => self.send(&mut batch, StreamEnd::End).await,
            };
            if let StreamEnd::Unwanted = sent {
                return StreamEnd::Unwanted;
            }
        }
    }

    /// Sends what was read of a line that has not ended. The lines before it go first, for each has a mark of its own.
    async fn send_part(&mut self, piece: &mut Vec<u8>, batch: &mut Vec<u8>, ended: StreamEnd) -> StreamEnd {
        if let StreamEnd::Unwanted = self.send(batch, StreamEnd::End).await {
            return StreamEnd::Unwanted;
        }
        if piece.len() == PIECE_BYTES || self.pieces.can_take_part(piece) {
            self.pieces.take(piece, batch);
            piece.clear();
        }
        self.send(batch, ended).await
    }

    async fn send(&self, batch: &mut Vec<u8>, ended: StreamEnd) -> StreamEnd {
        if batch.is_empty() {
            return ended;
        }
        if let Some(wait) = waited_for(batch).filter(|_| self.tells_waits) {
            drop(self.events.send(Event::Waiting(Some(wait))).await);
        }
        let sent = self.events.send(Event::Log { step: self.step(), bytes: std::mem::take(batch) }).await;
        let marked = self.events.send(Event::LogMark(self.pieces.position.mark())).await;
        if sent.is_err() || marked.is_err() { StreamEnd::Unwanted } else { ended }
    }
}

/// What the last line that begins so says is waited for, and in brackets why.
fn waited_for(lines: &[u8]) -> Option<Wait> {
    let text = String::from_utf8_lossy(lines);
    let line = text.lines().rev().find_map(|line| line.strip_prefix(WAITS))?;
    Some(match line.strip_suffix(')').and_then(|line| line.split_once(" (")) {
        Some((message, detail)) => Wait::of(message).with_detail(detail),
        None => Wait::of(line),
    })
}

/// The step's pod, and whether the step or the whole run has ended.
fn state(moment: &Moment, step: Step) -> (Option<String>, bool) {
    let has_ended = moment.view.step(step).finished.is_some() || moment.view.end.is_some() || moment.is_gone;
    (moment.pods[step as usize].clone(), has_ended)
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::TryStreamExt;
    use futures_util::io::{BufReader, Cursor, repeat};
    use futures_util::stream::pending;
    use tokio::sync::mpsc;

    use super::*;

    const MEBIBYTE: u64 = 1024 * 1024;

    /// Reads a stream to its end; the text of each event, and the last mark.
    async fn events_of(stream: impl AsyncBufRead) -> (Vec<Vec<u8>>, String) {
        let (events, mut inbox) = mpsc::channel(1);
        let (_moments, mut moments) = watch::channel(Moment::unseen());
        let read = async move {
            let mut log = StepLog::new(&events, Position::start(Step::Build), false);
            assert!(matches!(log.read(Box::pin(stream), &mut moments).await, StreamEnd::End));
        };
        let take = async {
            let (mut texts, mut last) = (Vec::new(), String::new());
            while let Some(event) = inbox.recv().await {
                match event {
                    Event::Log { bytes, .. } => texts.push(bytes),
                    Event::LogMark(mark) => last = mark,
                    other => panic!("{other:?}"),
                }
            }
            (texts, last)
        };
        tokio::join!(read, take).1
    }

    #[test]
    fn a_line_says_what_is_waited_for_and_why() {
        let wait =
            waited_for(b"Looking\nwaiting: r.example.com does not answer (error (os 111))\nmore\n").unwrap();

        assert_eq!(wait, Wait::of("r.example.com does not answer").with_detail("error (os 111)"));
        assert_eq!(waited_for(b"waiting: for it\n"), Some(Wait::of("for it")));
        assert_eq!(waited_for(b"no waiting: here\n"), None);
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_sent_in_pieces() {
        let text = Cursor::new("2026-01-01T00:00:01Z a\n2026-01-01T00:00:02Z ")
            .chain(repeat(b'x').take(64 * MEBIBYTE));

        let (texts, mark) = events_of(BufReader::new(text)).await;

        assert!(texts.iter().all(|text| text.len() <= 16 * 1024));
        assert_eq!(texts.iter().map(Vec::len).sum::<usize>() as u64, 64 * MEBIBYTE + 2);
        assert_eq!(texts[0], b"a\n");
        assert_eq!(mark, format!("build 2026-01-01T00:00:02Z 1 {}", 64 * MEBIBYTE));
    }

    #[tokio::test]
    async fn lines_go_together_and_nothing_is_made_of_a_time_that_is_cut_off() {
        let text = "2026-01-01T00:00:01Z a\n2026-01-01T00:00:01Z b\n2026-01-01T0";

        let (texts, mark) = events_of(Cursor::new(text)).await;

        assert_eq!(texts, [b"a\nb\n"]);
        assert_eq!(mark, "build 2026-01-01T00:00:01Z 2");
    }

    #[tokio::test]
    async fn what_there_is_of_a_line_is_sent_in_a_silence() {
        let (events, mut inbox) = mpsc::channel(4);
        let (_moments, mut moments) = watch::channel(Moment::unseen());
        let text = Cursor::new("2026-01-01T00:00:01Z name: ")
            .chain(pending::<io::Result<Vec<u8>>>().into_async_read());
        let mut log = StepLog::new(&events, Position::start(Step::Build), false);

        tokio::select! {
            _ = log.read(Box::pin(BufReader::new(text)), &mut moments) => panic!("it ended"),
            event = inbox.recv() => {
                assert_eq!(event, Some(Event::Log { step: Step::Build, bytes: b"name: ".to_vec() }));
            }
        }
    }
}
