//! What the page says in each state.

use super::*;

#[test]
fn a_queued_deployment_tells_its_place_and_can_be_cancelled() {
    let mut case = Case::queued();
    case.queue_position = Some(3);

    let html = case.html();

    expect(
        &html,
        &[
            "<title>● Queued: api-service, branch main · StackBlaze</title>",
            "<h1>api-service, branch main</h1>",
            "2 deployments of api-service wait before it.",
            "accepted <time datetime=\"2026-11-24T14:30:45.000Z\" data-ago>14:30:45 UTC</time>",
            "<li class=\"is-now\" data-step=\"queued\" aria-current=\"step\">",
            "data-running=\"72000\">1 min 12 s</span>",
            "<form method=\"post\" action=\"/deploys/dep_mwuangvh9xk2mq7rz4tb/cancel\">",
            "data-events=\"/deploys/dep_mwuangvh9xk2mq7rz4tb/events\" data-from=\"0\"",
            "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>",
        ],
    );
    refuse(&html, &["/redeploy", "/rollback", "Download", "is-live"]);
}

#[test]
fn a_building_deployment_shows_its_steps_and_the_log_up_to_the_open_line() {
    let html = Case::building().html();

    expect(
        &html,
        &[
            "<title>● Building api-service at 4f2c1d7 · StackBlaze</title>",
            "<h1>Round currency totals half to even</h1>",
            "What serves now keeps serving until this one is ready.",
            "started <time",
            "<li class=\"is-done\" data-step=\"clone\"><a href=\"#step-clone\">",
            "data-running=\"66000\">1 min 06 s</span>",
            "<li class=\"is-todo\" data-step=\"deploy\"><span class=\"st\">",
            "<span class=\"cy b\">[1/4]</span> Load",
            "<summary id=\"L4\">Context <small>2 lines</small></summary>",
            "<div class=\"l l-err\" id=\"L8\">",
            "no &#60;b&#62;",
            "<div class=\"lines is-live\" tabindex=\"0\" role=\"log\" aria-live=\"off\"",
            "id=\"step-deploy\" hidden>",
            "8 lines so far",
            "<dt>Time limit</dt><dd>30 min</dd>",
            "Deploy starts when the build has ended.",
        ],
    );
    let resume = CLONE_LOG.len() + BUILD_LOG.len() - "open".len();
    expect(&html, &[&format!("data-from=\"{resume}\"")]);
    refuse(&html, &["id=\"L9\"", "::error::", "::group::", "The last"]);
}

#[test]
fn a_deploying_deployment_says_so() {
    let html = Case::deploying().html();

    expect(
        &html,
        &[
            "<title>● Deploying api-service at 4f2c1d7 · StackBlaze</title>",
            "<span class=\"st st-deploying st-big\" id=\"verdict\">",
            "<li class=\"is-now\" data-step=\"deploy\" aria-current=\"step\">",
            "/cancel\"",
        ],
    );
}

#[test]
fn a_deployment_that_is_being_stopped_cannot_be_cancelled_twice() {
    let mut case = Case::building();
    case.deployment.cancel_reason = Some(Reason::Cancelled);

    let html = case.html();

    expect(&html, &["<button class=\"btn\" disabled>Cancel</button>", "A stop is asked for"]);
    refuse(&html, &["/cancel\""]);
}

#[test]
fn a_succeeded_deployment_is_final_and_can_be_deployed_again_or_put_back() {
    let html = Case::succeeded().html();

    expect(
        &html,
        &[
            "<title>✓ Succeeded: api-service at 4f2c1d7 · StackBlaze</title>",
            "It went into service 24 Nov, 14:32:05 UTC.",
            "<ol class=\"steps steps-ok\"",
            "took 1 min 16 s",
            "/redeploy\"",
            "/rollback\"",
            "download=\"dep_mwuangvh9xk2mq7rz4tb.log\"",
            ">open</span>",
        ],
    );
    refuse(&html, &["/cancel\"", "noscript", "data-events", "id=\"follow\"", "step-deploy\" hidden"]);

    let mut gone = Case::succeeded();
    gone.may_roll_back = false;
    refuse(&gone.html(), &["/rollback\""]);
}

#[test]
fn a_failed_build_says_why_first_and_shows_its_last_lines() {
    let html = Case::failed(Reason::BuildFailed).html();

    expect(
        &html,
        &[
            "<title>✕ Failed: api-service at 4f2c1d7 · StackBlaze</title>",
            "<code class=\"quiet\">build_failed</code>",
            "<strong>A command in <code>build</code> ended with exit code 101.</strong> Nothing changed for your users.",
            "<h2 id=\"why\">The last 5 lines of build</h2>",
            "<li class=\"is-bad\" data-step=\"build\">",
            "<li class=\"is-skip\" data-step=\"deploy\"><span class=\"st\">",
            "did not run",
            "<span class=\"end num\">exit code 101, 1 min 04 s</span>",
            "id=\"step-build\" open>",
            "Deploy this commit again",
        ],
    );
    assert_eq!(html.matches("id=\"L9\"").count(), 1, "the quoted lines have no id of their own");
}

#[test]
fn what_users_get_now_is_said_and_never_guessed() {
    let lede = |case: &Case| {
        let html = case.html();
        let (_, rest) = html.split_once("<p class=\"lede\">").unwrap();
        rest.split_once("</p>").unwrap().0.to_owned()
    };
    let mut begun = Case::failed(Reason::Timeout);
    begun.steps[1] = record(Step::Build, StepStatus::Succeeded, 6, Some(20), Some(0));
    begun.steps[2] = record(Step::Deploy, StepStatus::Failed, 20, Some(70), None);
    let mut with = |reason, executor, message: Option<&str>| {
        begun.deployment.reason = Some(reason);
        begun.deployment.executor = executor;
        begun.deployment.message = message.map(str::to_owned);
        lede(&begun)
    };

    let timeout = with(Reason::Timeout, ExecutorKind::Local, None);
    assert!(timeout.ends_with("The deploy step had begun: look at what is serving now."), "{timeout}");
    let local = with(Reason::DeployFailed, ExecutorKind::Local, None);
    assert!(local.ends_with("The deploy step had begun: look at what is serving now."), "{local}");
    let tekton = with(Reason::DeployFailed, ExecutorKind::Tekton, None);
    assert!(tekton.ends_with("Nothing changed for your users."), "{tekton}");
    let back = with(Reason::RolledBack, ExecutorKind::Tekton, Some("1 of 3 replicas came up"));
    assert_eq!(back, "<strong>1 of 3 replicas came up.</strong> The version before it serves again.");

    let early = lede(&Case::failed(Reason::Timeout));
    assert_eq!(early, "<strong>It took longer than it may.</strong> Nothing changed for your users.");
}

#[test]
fn a_cancelled_deployment_alarms_nobody() {
    let html = Case::failed(Reason::Cancelled).html();

    expect(
        &html,
        &[
            "<span class=\"st st-stopped st-big\"",
            "<code class=\"quiet\">cancelled</code>",
            "<li class=\"is-skip\" data-step=\"build\">",
            "An operator or an API token stopped it.",
        ],
    );
    refuse(&html, &["id=\"why\"", "is-bad", "st-failed\""]);
}

#[test]
fn a_superseded_deployment_leads_to_the_newer_one() {
    let html = Case::superseded().html();

    expect(
        &html,
        &[
            "<strong>A newer deployment took its place.</strong> Nothing changed for your users.",
            "<a href=\"/deploys/dep_00000000000000000001\">See the newer one</a>",
            "<li class=\"is-skip\" data-step=\"queued\">",
            "It wrote nothing, or its log is no longer kept.",
        ],
    );
}
