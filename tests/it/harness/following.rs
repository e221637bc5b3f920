//! One call of an executor, as the dispatcher makes it, and what it told so far.

use std::time::Duration;

use stackblaze::executor::{Error, Event, Executor, Outcome, Run};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::soon;

/// A run that goes on. Dropped, it is a server that was killed.
pub struct Following {
    task: JoinHandle<Result<Outcome, Error>>,
    inbox: mpsc::Receiver<Event>,
    told: Vec<Event>,
    /// How long something is waited for.
    pub patience: Duration,
    pub stop: CancellationToken,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Following {
    pub fn begin<E: Executor>(executor: E, run: Run) -> Self {
        let (events, inbox) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { executor.run(&run, &events, &stopped).await });
        Self { task, inbox, told: Vec::new(), patience: super::PATIENCE, stop }
    }

    /// Waits for something to be told, and gives it as `pick` sees it.
    pub async fn until<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.inbox.recv().await.expect("the run goes on");
                let found = pick(&event);
                self.told.push(event);
                if let Some(found) = found {
                    return found;
                }
            }
        };
        let found = timeout(self.patience, found).await;
        found.unwrap_or_else(|_| panic!("it was never told; this was: {:#?}", self.told))
    }

    /// Waits until exactly this is told.
    pub async fn sees(&mut self, wanted: &Event) {
        self.until(|event| (event == wanted).then_some(())).await;
    }

    /// Waits until the run's object is known to exist; its uid.
    pub async fn created(&mut self) -> String {
        let uid = |event: &Event| match event {
            Event::Created { uid } => Some(uid.clone()),
            _ => None,
        };
        self.until(uid).await
    }

    /// Waits for a hint that holds this text; all of it.
    pub async fn waits_for(&mut self, text: &str) -> String {
        self.waits_for_all(&[text]).await
    }

    /// Waits for a hint that holds all of these; all of it.
    pub async fn waits_for_all(&mut self, texts: &[&str]) -> String {
        self.until(|event| match event {
            Event::Waiting(Some(wait)) => {
                Some(wait.to_string()).filter(|hint| texts.iter().all(|text| hint.contains(text)))
            }
            _ => None,
        })
        .await
    }

    /// Waits until nothing is waited for any more.
    pub async fn works(&mut self) {
        self.sees(&Event::Waiting(None)).await;
    }

    /// Waits for the end: everything that was told, and the outcome.
    pub async fn ends(mut self) -> (Vec<Event>, Outcome) {
        let rest = async {
            while let Some(event) = self.inbox.recv().await {
                self.told.push(event);
            }
        };
        timeout(self.patience, rest).await.expect("it ends in time");
        let outcome = soon(&mut self.task).await.unwrap().unwrap();
        (std::mem::take(&mut self.told), outcome)
    }

    /// The server dies: the call is dropped wherever it is.
    pub async fn dies(mut self) {
        self.task.abort();
        assert!(soon(&mut self.task).await.unwrap_err().is_cancelled(), "it still went on");
    }
}
