//! What the page holds, whoever looks at it and whatever it is given.

use super::*;
use stackblaze::domain::Who;

#[test]
fn every_reason_has_a_page() {
    for reason in Reason::ALL {
        let html = Case::failed(reason).html();

        expect(&html, &[&format!("<code class=\"quiet\">{}</code>", reason.as_str()), "<strong>"]);
    }
}

#[test]
fn without_an_operator_only_the_public_status_is_shown() {
    let mut case = Case::building().signed_out();
    case.deployment.ignored_parameters = vec!["brach".into()];

    let html = case.html();

    expect(
        &html,
        &[
            "<a href=\"/login?next=/deploys/dep_mwuangvh9xk2mq7rz4tb\">Sign in</a>",
            "data-follow=\"live\"",
            ">api-service at 4f2c1d7</h1>",
            "1 min 06 s",
        ],
    );
    refuse(
        &html,
        &[
            "Round currency",
            "github-actions",
            "140.82",
            "brach",
            "class=\"log\"",
            "<form",
            "data-events",
            "<dl",
            "Sign out",
        ],
    );
    refuse(
        &Case::failed(Reason::BuildFailed).signed_out().html(),
        &["id=\"why\"", "data-follow=\"live\"", "[1/4]"],
    );
}

#[test]
fn an_ignored_parameter_is_named_with_what_was_meant() {
    let mut case = Case::building();
    case.deployment.ignored_parameters = vec!["brach".into(), HOSTILE.into()];

    expect(&case.html(), &["<code>brach</code> (was <code>branch</code> meant?), <code>&#34;&#62;&#60;img"]);
}

#[test]
fn the_page_of_a_long_log_shows_its_end_and_a_way_to_all_of_it() {
    let mut case = Case::failed(Reason::BuildFailed);
    let long = (1..=2_403).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n") + "\n";
    case.log = vec![(Step::Clone, 1, CLONE_LOG.into()), (Step::Build, 3, long)];

    let html = case.html();
    expect(
        &html,
        &[
            "<span>The last 2,000 of 2,405 lines</span> <a href=\"?all=1#log-h\">All lines</a>",
            "<span>2 lines, earlier than the last 2,000</span> <a href=\"?all=1#step-clone\">All lines</a>",
            "The last 20 lines of build",
        ],
    );
    assert_eq!(html.matches("<div class=\"chunk\">").count(), 10);
    refuse(&html, &["id=\"L405\""]);

    case.all = true;
    let html = case.html();
    expect(&html, &["id=\"L1\"", "id=\"L2405\""]);
    refuse(&html, &["All lines"]);
}

#[test]
fn nothing_that_is_given_becomes_markup() {
    let mut case = Case::failed(Reason::BuildFailed);
    case.deployment.service = HOSTILE.into();
    case.deployment.hook = Some(HOSTILE.into());
    case.deployment.who = Who::HookUrl(HOSTILE.into());
    case.deployment.commit_subject = Some(HOSTILE.into());
    case.deployment.message = Some(HOSTILE.into());
    case.deployment.ignored_parameters = vec![HOSTILE.into()];
    case.operator = Some(HOSTILE.into());
    let log =
        format!("{HOSTILE}\n::group::{HOSTILE}\n::error::{HOSTILE}\n\x1b[31m{HOSTILE}\x1b]0;{HOSTILE}\x07\n");
    case.log = vec![(Step::Build, 1, log)];

    let hostile = case.html();

    refuse(&hostile, &["<img", "<script>", "\x1b"]);
    assert!(hostile.matches("&#60;script&#62;").count() >= 12);
    assert_eq!(hostile.matches("<script").count(), 1, "the one script of the frame");
    refuse(&hostile, &[" style=", "http://", "https://", "javascript:"]);
}

#[test]
fn nothing_leads_to_a_page_that_does_not_exist() {
    for case in [Case::queued(), Case::building(), Case::succeeded(), Case::superseded()] {
        for href in case.html().split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let known = [
                "#",
                "?all=1",
                "?times=1",
                "/static/",
                "/deploys/dep_",
                "/deployments/dep_",
                "/docs/api",
                "/login",
            ];
            let known =
                [&known[..], &["/services", "/audit", "/tokens", "/notifications", "/account"]].concat();
            assert!(known.iter().any(|start| href.starts_with(start)), "{href}");
            assert!(
                !href.contains("missing")
                    && (!href.starts_with("/static/") || href.matches('.').count() == 2)
            );
        }
    }
}

#[test]
fn the_words_of_who_knows_why_it_failed_are_for_whoever_is_signed_in() {
    let mut case = Case::failed(Reason::BuildFailed);
    case.deployment.detail = Some("process \"<make>\" did not complete successfully: exit code: 2".into());
    let told = "<code>process &#34;&#60;make&#62;&#34; did not complete successfully: exit code: 2</code>";

    expect(&case.html(), &[told]);
    refuse(&case.signed_out().html(), &["did not complete successfully"]);
}
