//! A caller who never stops: asks every endpoint of a Service that is ready, again and again.

use std::time::Instant;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Client;
use kube::api::Api;
use kube::api::ListParams;
use stackblaze::executor::tekton::client;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::APPS;
use super::App;
use super::in_time;
use super::page;
use super::variable;

/// What came back so far.
#[derive(Clone, Default)]
pub struct Answers {
    pub count: usize,
    /// Addresses that gave no good answer, and when.
    pub failed: Vec<String>,
    /// Each page once, in the order in which they were first seen.
    pub pages: Vec<String>,
}

/// Ends with the value.
pub struct Poll {
    answers: watch::Receiver<Answers>,
    task: JoinHandle<()>,
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Poll {
    /// Asks until the value is dropped.
    pub async fn start(app: &App) -> Self {
        let kubeconfig = variable("KUBECONFIG");
        let admin = client::by_context(Some(kubeconfig.as_ref()), "test").await.unwrap();
        let (sender, answers) = watch::channel(Answers::default());
        let task = tokio::spawn(ask(admin, app.name, sender));
        Self { answers, task }
    }

    /// What came back, once `count` more answers have.
    pub async fn after(&mut self, count: usize) -> Answers {
        let wanted = self.answers.borrow().count + count;
        in_time(self.answers.wait_for(|answers| answers.count >= wanted)).await.unwrap().clone()
    }
}

async fn ask(admin: Client, service: &str, answers: watch::Sender<Answers>) {
    let slices = Api::<EndpointSlice>::namespaced(admin, APPS);
    let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let begun = Instant::now();
    loop {
        let addresses = ready(&slices.list(&of_service).await.unwrap().items);
        if addresses.is_empty() {
            answers.send_modify(|answers| {
                answers.failed.push(format!("nothing is ready at {:?}", begun.elapsed()));
            });
        }
        for address in addresses {
            let answer = page(&format!("http://{address}:8080/")).await;
            answers.send_modify(|answers| {
                answers.count += 1;
                match answer.as_deref().map(str::trim) {
                    Some(page) if answers.pages.iter().any(|known| known == page) => {}
                    Some(page) => answers.pages.push(page.to_owned()),
                    None => answers.failed.push(format!("{address} at {:?}", begun.elapsed())),
                }
            });
        }
    }
}

fn ready(slices: &[EndpointSlice]) -> Vec<String> {
    let endpoints = slices.iter().flat_map(|slice| slice.endpoints.iter());
    let is_ready = |ready: Option<bool>| ready == Some(true);
    endpoints
        .filter(|endpoint| endpoint.conditions.as_ref().is_some_and(|conditions| is_ready(conditions.ready)))
        .flat_map(|endpoint| endpoint.addresses.clone())
        .collect()
}
