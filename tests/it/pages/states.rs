//! What the page says in each state.

use super::*;
use stackblaze::domain::Repository;
use stackblaze::domain::WorkloadState;
use stackblaze::web::pages::deployments::fuse::Usual;

#[test]
fn a_queued_deployment_tells_its_place_and_can_be_cancelled() {
    let mut case = Case::queued();
    case.queue_position = Some(3);

    let html = case.html();

    expect(
        &html,
        &[
            "<title>● Queued: api-service, branch main · StackBlaze</title>",
            ">api-service, branch main</h1>",
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
            ">Round currency totals half to even</h1>",
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
            "<title>✓ Serving: api-service at 4f2c1d7 · StackBlaze</title>",
            "Serving since 14:32:05 UTC.",
            "/static/favicon-succeeded.",
            "<ol class=\"steps steps-ok\"",
            "took 1 min 16 s",
            "/redeploy\"",
            "What is serving, and where it came from",
            "<span id=\"v-commit\"><code>4f2c1d7e81b04a95c36d2f7e0b1c98a4d5e6f701</code></span>",
            "hook <a href=\"/services/api-service/settings/deploy-hooks\">github-actions</a>",
            "download=\"dep_mwuangvh9xk2mq7rz4tb.log\"",
            ">open</span>",
        ],
    );
    refuse(&html, &["/cancel\"", "noscript", "data-events", "id=\"follow\"", "step-deploy\" hidden"]);
    // What serves is not put back in its own place.
    refuse(&html, &["/rollback\"", "#rollback"]);
}

#[test]
fn what_serves_tells_on_how_many_replicas_and_offers_what_was_before_it() {
    let mut case = Case::succeeded();
    case.deployment.workloads =
        ["shop/web complete 1/1", "daemonset:shop/agent complete 2/2", "cronjob:shop/bill complete 0/0"]
            .map(|text| WorkloadState::parse(text).unwrap())
            .to_vec();
    let before = other("51b20ce8aa000000000000000000000000000000", 0, Some(at(0)));
    case.around.targets = vec![other("51b20ce8aa000000000000000000000000000000", 0, Some(at(0)))];
    case.around.before = Some(before);
    case.around.url = Some("https://api.example.com".into());

    let html = case.html();

    expect(
        &html,
        &[
            "Serving since 14:32:05 UTC on 3 of 3 replicas.",
            "<a class=\"btn\" href=\"#rollback\">",
            "<option value=\"dep_00000000000000000000\">51b20ce, 14:30:45 UTC</option>",
            "name=\"freeze\"",
            "<dt>Before it</dt><dd><span><a href=\"/deploys/dep_00000000000000000000\"><code>51b20ce</code></a> <span class=\"sub\">served for 1 min</span>",
            "<a class=\"btn\" href=\"https://api.example.com\"",
        ],
    );
    case.around.is_frozen = true;
    let html = case.html();
    expect(&html, &["The service is frozen, and stays so"]);
    refuse(&html, &["name=\"freeze\""]);
    refuse(&case.signed_out().html(), &["rollback", "Before it", "api.example.com", "Serving since"]);
}

#[test]
fn what_was_replaced_says_by_what_and_after_how_long_and_can_be_put_back() {
    let mut case = Case::succeeded();
    let after = other("9be01f2c4d00000000000000000000000000000a", 2, Some(at(80 + 18 * 3_600)));
    case.around.serving = Some(after.clone());
    case.around.after = Some(after);
    case.around.can_serve_again = true;

    let html = case.html();

    expect(
        &html,
        &[
            "<title>✓ Succeeded: ",
            "Replaced by <a href=\"/deploys/dep_00000000000000000002\"><code>9be01f2</code></a> after 18 h; it went into service 14:32:05 UTC.",
            "What was served",
            "Puts this version back in place of <a href=\"/deploys/dep_00000000000000000002\">",
            "/rollback\"",
        ],
    );
    refuse(&html, &["<select", "Serving since", ">Open</a>"]);
}

#[test]
fn nothing_is_said_to_serve_where_a_later_one_may_have_changed_it() {
    let mut case = Case::succeeded();
    case.around.unsettled = DeploymentId::parse("dep_00000000000000000002");

    let html = case.html();

    expect(
        &html,
        &[
            "A later deployment began to deploy and failed: look at <a href=\"/deploys/dep_00000000000000000002\">what it did</a>.",
        ],
    );
    refuse(&html, &["Serving since", "✓ Serving"]);
}

#[test]
fn what_runs_tells_what_is_left_what_waits_and_what_serves() {
    let mut case = Case::building();
    case.around.usual = Usual::of(&[Case::succeeded().steps.to_vec(), slow().to_vec()]);
    case.around.sample = 2;
    case.around.behind = 1;
    case.around.serving = Some(other("9be01f2c4d00000000000000000000000000000a", 0, Some(at(0))));
    case.around.repository = Some(Repository::parse("https://git.example.com/acme/api.git").unwrap());

    let html = case.html();

    expect(
        &html,
        &[
            // Build has run 66 of its usual 100 s, deploy takes 20.
            "About <strong data-left=\"54000\">55 s</strong> left, going by the last 2 successes.",
            "<a href=\"/services/api-service?status=running\">1 more</a> waits behind this one.",
            "Until it ends, <a href=\"/deploys/dep_00000000000000000000\"><code>9be01f2</code></a> keeps serving.",
            "<progress class=\"burn\" max=\"100\" value=\"66\" data-usual=\"100000\" aria-label=\"Build, against its usual 1 min 40 s\">",
            "<span class=\"num\">usually 20 s</span>",
            "<a href=\"https://git.example.com/acme/api/commit/4f2c1d7e81b04a95c36d2f7e0b1c98a4d5e6f701\" rel=\"noreferrer\"><code>4f2c1d7</code></a>",
            "/static/favicon-running.",
        ],
    );
    refuse(&html, &["What serves now keeps serving"]);
    case.steps[1].started_at = Some(at(0).minus(Duration::from_mins(1)));
    expect(&case.html(), &["It takes longer than usual: build usually takes 1 min 40 s."]);
    case.around.usual = Usual::default();
    refuse(&case.html(), &["left, going by", "usually", "<progress"]);
    let mut queued = Case::queued();
    queued.around.usual = Usual::of(&[slow().to_vec()]);
    expect(&queued.html(), &["It usually takes 2 min 05 s once it has begun."]);
    let signed_out = case.signed_out().html();
    refuse(&signed_out, &["waits behind", "git.example.com", "keeps serving."]);
    expect(&signed_out, &["What serves now keeps serving until this one is ready."]);
}

/// Clone 2 s, build 100 s, deploy 20 s.
fn slow() -> [StepRecord; 3] {
    [
        record(Step::Clone, StepStatus::Succeeded, 0, Some(2), Some(0)),
        record(Step::Build, StepStatus::Succeeded, 2, Some(102), Some(0)),
        record(Step::Deploy, StepStatus::Succeeded, 102, Some(122), Some(0)),
    ]
}

/// Another success of the service.
fn other(commit: &str, place: u64, finished_at: Option<Timestamp>) -> Deployment {
    let mut deployment = Case::succeeded().deployment;
    deployment.id = DeploymentId::parse(&format!("dep_{place:020}")).unwrap();
    deployment.commit = Some(Commit::parse(commit).unwrap());
    deployment.commit_subject = None;
    deployment.finished_at = finished_at;
    deployment
}

#[test]
fn whoever_has_to_act_is_told_what_to_do_and_whether_it_is_over() {
    for reason in Reason::ALL {
        let html = Case::failed(reason).html();

        assert_eq!(html.contains("What to do"), !reason.is_intended(), "{reason:?}");
        if !reason.is_intended() {
            let (_, list) = html.split_once("What to do").unwrap();
            assert!(list.split_once("</ul>").unwrap().0.contains("<li>"), "{reason:?}");
        }
    }
    let mut case = Case::failed(Reason::BuildFailed);
    case.around.before = Some(other("51b20ce8aa000000000000000000000000000000", 0, Some(at(0))));
    refuse(&case.html(), &["behind you"]);
    case.around.after = Some(other("9be01f2c4d00000000000000000000000000000a", 2, Some(at(500))));
    expect(
        &case.html(),
        &[
            "Nothing changed for your users. <a href=\"/deploys/dep_00000000000000000000\"><code>51b20ce</code></a> kept serving.",
            "deploy again with a cleared cache",
            "<code>9be01f2</code></a> succeeded at <time",
            "This failure is behind you.",
        ],
    );
    refuse(&case.signed_out().html(), &["What to do", "behind you", "51b20ce"]);
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
