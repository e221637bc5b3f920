//! Branch, commit, `clear_cache`, and what is none of them.

use serde_json::Value;
use serde_json::json;

use crate::harness::Hook;
use crate::harness::TestServer;
use crate::harness::scripted::HEAD;

async fn hook(server: &TestServer) -> Hook {
    server.service("api").policy("every").branch("trunk").create().await.hook("ci").await
}

#[tokio::test]
async fn a_branch_is_taken_as_it_is_written_in_the_url() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    for (query, branch) in [
        ("branch=feat/new-ui", "feat/new-ui"),
        ("branch=feat%2Fnew-ui", "feat/new-ui"),
        ("branch=feat/c++", "feat/c++"),
        ("branch=feat/c%2B%2B", "feat/c++"),
        ("branch=gr%C3%B6%C3%9Fe", "größe"),
        ("branch=renovate/%23123", "renovate/#123"),
        ("%62ranch=dev", "dev"),
    ] {
        let answer = hook.post(query).await;

        assert_eq!((answer.status, &answer.json()["branch"]), (202, &json!(branch)), "{query}");
    }
}

#[tokio::test]
async fn a_branch_that_git_or_a_shell_could_misread_is_refused() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    for value in [
        "a%20b", "", "HEAD", "@", "-x", "a/-b", ".a", "a..b", "a//b", "a.lock", "$(id)", "%60id%60", "a;b",
        "a|b", "a'b", "%22a", "a~1", "a%5E", "a:b", "a%3Fb", "a*", "[a]", "a%5Cb", "a%00", "a%0Ab", "a%7F",
        "{a}", "%3Ca%3E",
    ] {
        let answer = hook.post(&format!("branch={value}")).await;

        assert_eq!(answer.refusal(), (400, "invalid_parameter".to_owned()), "{value}");
        assert_eq!(answer.parameter(), "branch", "{value}");
    }
    assert_eq!(server.rows("SELECT count(*) FROM deployments").await, 0);
}

#[tokio::test]
async fn two_hundred_bytes_are_the_longest_branch() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let (longest, longer) = ("x".repeat(200), "x".repeat(201));

    assert_eq!(hook.post(&format!("branch={longest}")).await.status, 202);
    assert_eq!(hook.post(&format!("branch={longer}")).await.status, 400);
}

#[tokio::test]
async fn a_missing_branch_is_the_default_of_now_and_is_stored() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let answer = hook.post("").await;
    server.admin.patch("/api/v1/services/api", json!({ "defaultBranch": "later" })).await;

    assert_eq!(answer.json()["branch"], "trunk");
    assert_eq!(server.deployment(&answer.id()).await["branch"], "trunk");
    assert_eq!(hook.post("").await.json()["branch"], "later");
}

#[tokio::test]
async fn an_empty_value_is_an_unset_variable_and_not_a_default() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    for name in ["branch", "commit", "clear_cache", "dry_run"] {
        let answer = hook.post(&format!("{name}=")).await;

        assert_eq!((answer.status, answer.parameter()), (400, name.to_owned()));
    }
    for name in ["branch", "commit"] {
        assert_eq!(hook.post(name).await.parameter(), name, "bare {name}");
    }
}

#[tokio::test]
async fn clear_cache_takes_six_words_in_any_case_and_the_bare_name() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    for (query, expected) in [
        ("clear_cache=true", true),
        ("clear_cache=1", true),
        ("clear_cache=YES", true),
        ("clear_cache", true),
        ("clear_cache=False", false),
        ("clear_cache=0", false),
        ("clear_cache=no", false),
        ("", false),
    ] {
        let id = hook.post(query).await.id();

        assert_eq!(server.deployment(&id).await["clearCache"], json!(expected), "{query}");
    }
    for wrong in ["on", "2", "tru", "%20true"] {
        assert_eq!(hook.post(&format!("clear_cache={wrong}")).await.parameter(), "clear_cache", "{wrong}");
    }
}

#[tokio::test]
async fn a_commit_is_forty_hexadecimal_digits_and_reaches_the_run() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;
    let commit = "ABCDEF0123456789abcdef0123456789abcdef01";

    let id = hook.post(&format!("branch=dev&commit={commit}&clear_cache")).await.id();
    server.run_all().await;

    let run = server.executor.runs().remove(0);
    assert_eq!(run.commit.unwrap().as_str(), commit.to_ascii_lowercase());
    assert!(run.branch.as_str() == "dev" && run.clear_cache && run.deployment.as_str() == id);
    assert_eq!(server.deployment(&id).await["commit"], commit.to_ascii_lowercase());
    for wrong in ["abc", &"g".repeat(40), &"a".repeat(41), "HEAD"] {
        assert_eq!(hook.post(&format!("commit={wrong}")).await.parameter(), "commit", "{wrong}");
    }
}

#[tokio::test]
async fn without_a_commit_the_head_is_resolved_once_in_the_run() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let id = hook.post("").await.id();
    let before = server.deployment(&id).await["commit"].clone();
    server.run_all().await;

    assert_eq!(before, Value::Null);
    assert!(server.executor.runs()[0].commit.is_none());
    assert_eq!(server.deployment(&id).await["commit"], HEAD);
}

#[tokio::test]
async fn a_parameter_given_twice_is_refused_however_it_is_spelled() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    for (query, parameter) in [
        ("branch=a&branch=a", "branch"),
        ("branch=a&%62ranch=b", "branch"),
        ("commit=a&branch=x&commit=b", "commit"),
        ("clear_cache&clear_cache=no", "clear_cache"),
        ("utm=1&utm=2", "utm"),
    ] {
        let answer = hook.post(query).await;

        assert_eq!((answer.status, answer.parameter()), (400, parameter.to_owned()), "{query}");
    }
    assert_eq!(server.count("queued").await, 0);
}

#[tokio::test]
async fn an_unknown_parameter_is_ignored_named_and_stored() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let answer = hook.post("brach=dev&utm_source=x&a%0D%0Ab=1&gr%C3%B6=2").await;

    assert_eq!(answer.json()["branch"], "trunk");
    assert_eq!(answer.header("ignored-parameters"), Some("brach, utm_source, a%0D%0Ab, gr%C3%B6"));
    let stored =
        "SELECT ignored_parameters = '[\"brach\",\"utm_source\",\"a\\r\\nb\",\"grö\"]' FROM deployments";
    assert_eq!(server.rows(stored).await, 1);
}

#[tokio::test]
async fn names_are_compared_with_their_case() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let answer = hook.post("Branch=dev").await;

    assert_eq!(answer.json()["branch"], "trunk");
    assert_eq!(answer.header("ignored-parameters"), Some("Branch"));
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    for query in ["branch=%ff", "%ff=1"] {
        assert_eq!(hook.post(query).await.refusal(), (400, "invalid_parameter".to_owned()), "{query}");
    }
}

#[tokio::test]
async fn a_tag_is_named_bare_and_shown_in_full() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let answer = hook.post("tag=v1.2.3&note=the+hotfix").await;

    assert_eq!((answer.status, &answer.json()["branch"]), (202, &json!("refs/tags/v1.2.3")));
    let shown = server.admin.get(&format!("/deployments/{}", answer.id())).await.json();
    assert_eq!(
        (&shown["branch"], &shown["tag"], &shown["note"]),
        (&json!("refs/tags/v1.2.3"), &json!("v1.2.3"), &json!("the hotfix"))
    );
    let minimal = server.anyone().get(&format!("/deployments/{}", answer.id())).await.json();
    assert_eq!((&minimal["tag"], &minimal["note"]), (&json!("v1.2.3"), &Value::Null));
    let listed = server.admin.get("/api/v1/services/api/deployments?branch=refs/tags/v1.2.3").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_tag_says_by_itself_what_is_deployed() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    for (query, parameter) in [
        ("tag=", "tag"),
        ("tag=refs/tags/v1", "tag"),
        ("tag=a%20b", "tag"),
        ("tag=v1&branch=main", "tag"),
        (&format!("tag=v1&commit={HEAD}"), "tag"),
        ("note=", "note"),
        ("note=a%0Ab", "note"),
        (&format!("note={}", "x".repeat(201)), "note"),
    ] {
        let answer = hook.post(query).await;

        assert_eq!(answer.refusal(), (400, "invalid_parameter".to_owned()), "{query}");
        assert_eq!(answer.parameter(), parameter, "{query}");
    }
}

#[tokio::test]
async fn patterns_of_branches_are_for_tags_only_where_they_say_so() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;
    let cases: [(&[&str], &str, u16); 6] = [
        (&[], "tag=v1", 202),
        (&["**"], "tag=v1", 403),
        (&["v*"], "tag=v1", 403),
        (&["refs/tags/v*"], "tag=v1", 202),
        (&["refs/tags/v*"], "tag=w1", 403),
        (&["refs/tags/v*"], "branch=v1", 403),
    ];
    for (number, (patterns, query, status)) in cases.into_iter().enumerate() {
        let hook = service.hook(&format!("hook {number}")).branches(patterns).await;

        assert_eq!(hook.post(query).await.status, status, "{patterns:?} {query}");
    }
}

#[tokio::test]
async fn a_call_with_another_note_joins_no_other() {
    let server = TestServer::start().await;
    let hook = server.service("api").policy("coalesce").create().await.hook("ci").await;

    let [one, same, other] = ["note=a", "note=a", "note=b"].map(|query| hook.post(query));
    let (one, same, other) = (one.await.id(), same.await.id(), other.await.id());

    assert_eq!(one, same);
    assert_ne!(one, other);
}
