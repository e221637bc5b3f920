//! Streams the log of a step while it runs: a pod's log is gone with the pod, and kubelet keeps only its last part.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{AsyncBufRead, AsyncBufReadExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use kube::Client;
use kube::api::{Api, LogParams};
use tokio::sync::watch;

use crate::domain::Step;
use crate::executor::{Event, Events};

use super::client::{RefusalKind, answer};
use super::log_position::{Line, Position};
use super::names::container_of;
use super::observe::Moment;

/// Text is sent from this many bytes on, or when nothing more came for a while.
const BATCH_BYTES: usize = 16 * 1024;
const BATCH_PAUSE: Duration = Duration::from_millis(50);
/// Pause before a stream is opened again.
const RETRY: Duration = Duration::from_millis(500);
/// A step that has ended gives no more after this long a silence.
const LAST_SILENCE: Duration = Duration::from_secs(3);
/// Times that the log of an ended step is asked for where the cluster does not answer.
const LAST_TRIES: u32 = 5;
/// What kubelet writes instead of lines once it has removed the container; no line of the step.
const NO_LOG: &[u8] = b"unable to retrieve container logs for ";
/// Stands where lines are missing.
const GAP: &[u8] = b"[stackblaze: the log stream broke, some lines before this one may be missing]\n";

/// How one stream ended.
enum Stream {
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
pub(super) struct Follower<'a> {
    pub(super) client: &'a Client,
    pub(super) namespace: &'a str,
    pub(super) events: &'a Events,
    pub(super) position: Position,
}

impl Follower<'_> {
    /// Sends the step's lines until it has ended and its log is through, or cannot be had any more.
    pub(super) async fn follow(mut self, mut moments: watch::Receiver<Moment>) {
        let step = self.position.step();
        let mut tries = 0;
        loop {
            let (pod, is_over) = state(&moments.borrow_and_update(), step);
            let ended = match &pod {
                Some(pod) => self.stream(pod, step, &mut moments).await,
                None => Stream::NotYet,
            };
            tries += u32::from(is_over);
            match ended {
                Stream::Unwanted => return,
                Stream::End | Stream::Missing if is_over => return,
                Stream::NotYet | Stream::Broken if is_over && (pod.is_none() || tries >= LAST_TRIES) => {
                    return;
                }
                _ => {}
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                changed = moments.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn stream(&mut self, pod: &str, step: Step, moments: &mut watch::Receiver<Moment>) -> Stream {
        let since_time = self.position.resume();
        let params = LogParams {
            container: Some(container_of(step)),
            follow: true,
            timestamps: true,
            since_time,
            ..LogParams::default()
        };
        let pods = Api::<core::Pod>::namespaced(self.client.clone(), self.namespace);
        match answer(pods.log_stream(pod, &params)).await {
            Ok(stream) => self.read(Box::pin(stream), step, moments).await,
            Err(refusal) if refusal.kind == RefusalKind::Missing => Stream::Missing,
            Err(_) => Stream::NotYet,
        }
    }

    async fn read(
        &mut self,
        mut stream: Pin<Box<impl AsyncBufRead>>,
        step: Step,
        moments: &mut watch::Receiver<Moment>,
    ) -> Stream {
        let (mut line, mut batch) = (Vec::new(), Vec::new());
        loop {
            // A line that is cut short by the pause stays in `line` and is read on.
            let pause = if batch.is_empty() { LAST_SILENCE } else { BATCH_PAUSE };
            let read = tokio::time::timeout(pause, stream.read_until(b'\n', &mut line)).await;
            match read {
                Ok(Ok(0)) if line.is_empty() => return self.send(&mut batch, step, Stream::End).await,
                Ok(Ok(_)) => {
                    self.take(&line, &mut batch);
                    line.clear();
                    if batch.len() < BATCH_BYTES {
                        continue;
                    }
                }
                Ok(Err(_)) => return self.send(&mut batch, step, Stream::Broken).await,
                Err(_) if batch.is_empty() => {
                    if state(&moments.borrow(), step).1 {
                        return Stream::Broken;
                    }
                    continue;
                }
                Err(_) => {}
            }
            if let Stream::Unwanted = self.send(&mut batch, step, Stream::End).await {
                return Stream::Unwanted;
            }
        }
    }

    /// kubelet puts the time of each line before it.
    fn take(&mut self, line: &[u8], batch: &mut Vec<u8>) {
        let split = line.iter().position(|byte| *byte == b' ');
        let at = split.and_then(|at| std::str::from_utf8(&line[..at]).ok()?.parse::<Timestamp>().ok());
        let (Some(at), Some(split)) = (at, split) else {
            if !line.starts_with(NO_LOG) {
                batch.extend_from_slice(line);
            }
            return;
        };
        match self.position.take(at) {
            Line::Known => return,
            Line::Again => return batch.extend_from_slice(GAP),
            Line::AfterGap => batch.extend_from_slice(GAP),
            Line::Next => {}
        }
        batch.extend_from_slice(&line[split + 1..]);
    }

    async fn send(&self, batch: &mut Vec<u8>, step: Step, ended: Stream) -> Stream {
        if batch.is_empty() {
            return ended;
        }
        let sent = self.events.send(Event::Log { step, bytes: std::mem::take(batch) }).await;
        let marked = self.events.send(Event::LogMark(self.position.mark())).await;
        if sent.is_err() || marked.is_err() { Stream::Unwanted } else { ended }
    }
}

/// The step's pod, and whether the step or the whole run has ended.
fn state(moment: &Moment, step: Step) -> (Option<String>, bool) {
    let has_ended = moment.view.step(step).finished.is_some() || moment.view.end.is_some() || moment.is_gone;
    (moment.pods[step as usize].clone(), has_ended)
}
