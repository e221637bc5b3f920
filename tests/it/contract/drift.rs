//! Whether what is described of requests is what is read of them.

use serde_json::{Value, json};

use super::{document, operations};
use crate::harness::TestServer;
use crate::harness::http::{Answer, Send as _};

/// An address of an operation, where there is a service `api` with a hook `ci`.
fn filled(path: &str) -> String {
    let part = |part: &str| match part {
        "{name}" => "api".to_owned(),
        "{hook}" => "ci".to_owned(),
        part if part.starts_with('{') => "nothing".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The fields that a refusal blames.
fn blamed(answer: &Answer) -> Vec<(String, String)> {
    let problem = answer.json();
    let of_one = problem["parameter"]
        .as_str()
        .map(|name| (name.to_owned(), problem["detail"].as_str().unwrap().to_owned()));
    let all = problem["errors"].as_array().into_iter().flatten();
    let all = all.map(|own| {
        (own["parameter"].as_str().unwrap().to_owned(), own["detail"].as_str().unwrap().to_owned())
    });
    let all: Vec<_> = all.collect();
    if all.is_empty() { of_one.into_iter().collect() } else { all }
}

#[tokio::test]
async fn each_parameter_is_read_where_it_is_described() {
    let server = TestServer::with(crate::harness::Options::roomy()).await;
    let hook = server.service("api").create().await.hook("ci").await;
    let token = hook.url().rsplit('/').next().unwrap().to_owned();
    let id = server.service("web").create().await.deploy(json!({})).await;
    let mut seen = 0;

    for (method, path, own) in operations(&document(&server).await) {
        let path = if path.starts_with("/deployments") { path.replace("{id}", &id) } else { path };
        let (api, path) = match path.as_str() {
            "/deploy-hooks/{token}" => (server.anyone(), format!("/deploy-hooks/{token}")),
            "/deploy-hooks" => (server.holder(&token), path),
            _ => (server.admin.clone(), filled(&path)),
        };
        for parameter in own["parameters"].as_array().into_iter().flatten().filter(|own| own["in"] == "query")
        {
            let name = parameter["name"].as_str().unwrap();
            let answer = api.request(method.clone(), &format!("{path}?{name}=")).answer().await;

            match (path.as_str(), name) {
                ("/readyz", "verbose") => assert_eq!(answer.json()["ready"], true),
                ("/api/v1/targets", "service") => assert_eq!(answer.status, 404),
                _ => assert_eq!((answer.status, answer.parameter().as_str()), (400, name), "{method} {path}"),
            }
            seen += 1;
        }
    }

    assert!(seen > 40, "{seen}");
    server.run_all().await;
}

#[tokio::test]
async fn each_field_is_read_where_it_is_described_and_no_other() {
    let server = TestServer::start().await;
    server.service("api").create().await.hook("ci").await;
    let document = document(&server).await;
    let mut seen = 0;

    for (method, path, own) in operations(&document) {
        let Some(reference) = own["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()
        else {
            continue;
        };
        let schema = document.pointer(&reference[1..]).unwrap();
        let fields = schema["properties"].as_object().unwrap();
        // What no field is: a list of a list.
        let mut body: Value = fields.keys().map(|name| (name.clone(), json!([[]]))).collect();
        body["another"] = json!(1);
        let send = async |body: Value| {
            server.admin.request(method.clone(), &filled(&path)).json(&body).answer().await
        };

        let mut told = blamed(&send(body).await);
        // What only an answer has is of no kind.
        let typed = fields.iter().filter(|(_, own)| own["readOnly"] != true || own["type"].is_array());
        let mut wanted: Vec<_> = typed.map(|(name, _)| name.clone()).collect();
        told.retain(|(name, detail)| {
            let is_field = detail.contains("must be");
            assert!(is_field || (name == "another" && detail.contains("is not a field")), "{name} {detail}");
            is_field
        });
        let mut told: Vec<_> = told.into_iter().map(|(name, _)| name).collect();
        told.sort();
        wanted.sort();
        assert_eq!(told, wanted, "{method} {path}");

        for needed in schema["required"].as_array().into_iter().flatten() {
            let told = blamed(&send(json!({})).await);
            assert!(
                told.iter().any(|(name, _)| needed == name.as_str()),
                "{method} {path}: {needed} {told:?}"
            );
        }
        seen += 1;
    }

    assert!(seen > 10, "{seen}");
}
