//! A dry run as the page shows it: what was looked at, and what a call would come to.

use askama::Template;

use crate::actions::Error;
use crate::actions::forecast::Forecast;
use crate::domain::{Branch, Checks, Code, Hook, Service, Timestamp, Verdict};
use crate::web::pages::Frame;
use crate::web::pages::format::{length, sentence};
use crate::web::pages::hooks::forms::Wrong;
use crate::web::pages::hooks::one_view::Subject;
use crate::web::problem::status_of;

/// `…/deploy-hooks/{hook}/test`.
#[derive(Debug, Template)]
#[template(path = "pages/hooks/test.html")]
pub(super) struct TestPage {
    frame: Frame,
    subject: Subject,
    branch: String,
    time: String,
    outcome: Outcome,
    checks: Vec<Check>,
    wrong: Wrong,
}

/// What a call would come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It would deploy.
    Deploys,
    /// It would be accepted, and its deployment would fail.
    Fails,
    /// It would be refused.
    Refused,
}

#[derive(Debug)]
struct Check {
    class: &'static str,
    icon: &'static str,
    says: String,
    code: Option<String>,
    rest: &'static str,
    detail: Option<String>,
}

impl Check {
    fn good(says: &str) -> Self {
        let says = says.to_owned();
        Self { class: "pass", icon: "st-succeeded", says, code: None, rest: "", detail: None }
    }

    fn bad(says: &str, detail: String) -> Self {
        Self { class: "miss", icon: "st-failed", detail: Some(detail), ..Self::good(says) }
    }

    fn unknown(says: &str, detail: String) -> Self {
        Self { class: "wait", icon: "st-none", detail: Some(detail), ..Self::good(says) }
    }

    fn about(self, says: &str, code: &str, rest: &'static str) -> Self {
        Self { says: says.to_owned(), code: Some(code.to_owned()), rest, ..self }
    }
}

impl TestPage {
    pub(super) fn new(
        frame: Frame,
        (service, hook): (&Service, &Hook),
        branch: &Branch,
        found: &Forecast,
        now: Timestamp,
    ) -> Self {
        let mut checks = own_checks(hook, service, branch, &found.refusals, now);
        let is_refused = checks.iter().any(|check| check.class == "miss");
        checks.extend(findings(found.checks.as_ref(), now));
        let is_bad = checks.iter().any(|check| check.class == "miss");
        Self {
            frame,
            subject: Subject::new(service, hook),
            branch: branch.to_string(),
            time: now.time_of_day(),
            outcome: match (is_refused, is_bad) {
                (true, _) => Outcome::Refused,
                (false, true) => Outcome::Fails,
                (false, false) => Outcome::Deploys,
            },
            checks,
            wrong: Wrong::default(),
        }
    }

    fn verdict(&self) -> &'static str {
        match self.outcome {
            Outcome::Deploys => "would deploy",
            Outcome::Fails => "would accept, and fail to deploy",
            Outcome::Refused => "would not deploy",
        }
    }

    /// The same for a branch that is none: nothing was looked at.
    pub(super) fn refused(self, branch: String, wrong: Wrong) -> Self {
        Self { branch, wrong, checks: Vec::new(), ..self }
    }
}

fn refusal(refusals: &[Error], code: Code) -> Option<&Error> {
    refusals.iter().find(|error| error.code == code)
}

/// What the hook, its service and this server say, in the order of the contract.
fn own_checks(
    hook: &Hook,
    service: &Service,
    branch: &Branch,
    refusals: &[Error],
    now: Timestamp,
) -> Vec<Check> {
    let rules = &hook.rules;
    let mut found = vec![match (hook.revoked_at, rules.is_expired(now), &rules.paused) {
        (Some(_), ..) => Check::bad("Hook is revoked", "Calls get 401. Make a new hook.".to_owned()),
        (_, true, _) => {
            Check::bad("Hook is expired", "Calls get 401. Give it another end under Rules.".to_owned())
        }
        (.., Some(reason)) => Check::bad("Hook is paused", format!("Calls get 423: {reason}")),
        _ => Check::good("Hook is active"),
    }];
    let patterns: Vec<_> = rules.branches.iter().map(|own| own.as_str().to_owned()).collect();
    let allowed = if patterns.is_empty() {
        "This hook allows any".to_owned()
    } else {
        format!("This hook allows {}", patterns.join(", "))
    };
    let name = branch.as_str();
    found.push(match refusal(refusals, Code::BranchNotAllowed) {
        Some(_) => {
            Check::bad("", format!("Calls get 403. {allowed}")).about("Branch ", name, " is not allowed")
        }
        None => Check { detail: Some(allowed), ..Check::good("").about("Branch ", name, " is allowed") },
    });
    if !rules.addresses.is_empty() {
        let ranges: Vec<_> = rules.addresses.iter().map(ToString::to_string).collect();
        let detail =
            format!("It has to come from {}; from where your CI calls is not known here", ranges.join(", "));
        found.push(Check::unknown("Address of the caller", detail));
    }
    found.push(match &service.frozen {
        Some(reason) => Check::bad("Service is frozen", format!("Calls get 423: {reason}")),
        None => Check::good("Service is not frozen"),
    });
    let said = [Code::BranchNotAllowed, Code::HookPaused, Code::ServiceFrozen];
    let others = refusals.iter().filter(|error| !said.contains(&error.code));
    found.extend(others.map(|error| {
        let answer = format!("Calls get {}", status_of(error.class()).as_u16());
        Check::bad(&sentence(&error.detail), answer)
    }));
    found
}

/// What the dispatcher found when it last looked.
fn findings(found: Option<&Checks>, now: Timestamp) -> Vec<Check> {
    let Some(found) = found else {
        let detail = "Nobody has looked since the service was changed; the server will within a minute";
        return vec![Check::unknown("Repository and cluster", detail.to_owned())];
    };
    let age = format!("checked {} ago", length(now.since(found.at)));
    let check = |finding: &crate::domain::Finding| {
        let says = sentence(&finding.detail);
        let detail =
            finding.fix.as_ref().map_or_else(|| age.clone(), |fix| format!("{} ({age})", sentence(fix)));
        match finding.verdict {
            Verdict::Good => Check { detail: Some(detail), ..Check::good(says.trim_end_matches('.')) },
            Verdict::Advice => Check::unknown(says.trim_end_matches('.'), detail),
            Verdict::Bad => Check::bad(says.trim_end_matches('.'), detail),
        }
    };
    found.findings.iter().map(check).collect()
}
