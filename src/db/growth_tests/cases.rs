//! The functions, each with what makes it dear where it is dear.

use std::time::Duration;

use super::world::{World, now};
use crate::db::audit::{self, Actor, Cursor, Record};
use crate::db::deployments::{self, Cancel, Filter, Listed};
use crate::db::log_end;
use crate::db::logs::{self, Kept};
use crate::db::queue::{self, Claims, Room};
use crate::db::retention::{self, Limits};
use crate::db::runs::{self, RunState};
use crate::db::testing::new;
use crate::db::{checks, hook_calls, hooks, idempotency, removal, services, steps, waiting};
use crate::domain::{
    Act, ActKind, Commit, ExactImage, ExecutorKind, ExecutorSet, GitRef, QueuePolicy, Reason, Status, Step,
    Subject, Who,
};

pub(super) type Case = (&'static str, fn(&World));

fn all_kinds() -> ExecutorSet {
    ExecutorKind::ALL.into_iter().collect()
}

pub(super) fn page(world: &World, filter: Filter) -> Listed {
    deployments::list_for_service(&world.core.tx(), &world.hot.id, &Filter { limit: 5, ..filter }).unwrap()
}

pub(super) fn text(text: &str) -> Filter {
    Filter { text: Some(text.to_owned()), ..Filter::default() }
}

fn only(status: Status) -> Filter {
    Filter { statuses: vec![status], ..Filter::default() }
}

const LIMITS: Limits = Limits {
    deployments: Duration::from_hours(365 * 24),
    deployments_per_service: 100,
    logs: Duration::from_hours(365 * 24),
    logs_bytes: 1 << 30,
    audit: Duration::from_hours(365 * 24),
    audit_acts: 1_000_000,
};

/// Where much is due: what is older than a day.
const SHORT: Limits = Limits {
    deployments: Duration::from_hours(48),
    deployments_per_service: 10,
    logs: Duration::from_millis(1),
    logs_bytes: 10,
    audit: Duration::from_hours(1),
    audit_acts: 10,
};

pub(super) const LISTS: &[Case] = &[
    ("deployments::find", |w| drop(deployments::find(&w.core.tx(), &w.middle.id).unwrap())),
    ("deployments::list_for_service", |w| assert_eq!(page(w, Filter::default()).deployments.len(), 5)),
    ("deployments::list_for_service", |w| {
        let before = Some(w.middle.id.clone());
        assert_eq!(page(w, Filter { before, ..Filter::default() }).deployments.len(), 5);
    }),
    ("deployments::list_for_service", |w| assert_eq!(page(w, only(Status::Queued)).deployments.len(), 0)),
    ("deployments::list_for_service", |w| assert_eq!(page(w, only(Status::Building)).deployments.len(), 1)),
    ("deployments::list_for_service", |w| assert_eq!(page(w, only(Status::Succeeded)).deployments.len(), 5)),
    ("deployments::list_for_service", |w| {
        let branch = GitRef::parse("main").ok();
        assert_eq!(page(w, Filter { branch, ..Filter::default() }).deployments.len(), 5);
    }),
    ("deployments::list_for_service", |w| {
        let branch = GitRef::parse("feat/7").ok();
        assert_eq!(page(w, Filter { branch, ..Filter::default() }).deployments.len(), 1);
    }),
    ("deployments::list_for_service", |w| {
        let commit = w.middle.commit.as_ref().unwrap().as_str();
        assert!(!page(w, text(commit)).deployments.is_empty());
    }),
    ("deployments::list_for_service", |w| {
        assert_eq!(page(w, text(w.middle.id.as_str())).deployments.len(), 1);
    }),
    ("deployments::list_all", |w| {
        let filter = Filter { limit: 5, ..Filter::default() };
        assert_eq!(deployments::list_all(&w.core.tx(), &filter).unwrap().deployments.len(), 5);
    }),
    ("deployments::last_ends", |w| {
        assert_eq!(deployments::last_ends(&w.core.tx(), &w.hot.id, 10).unwrap().len(), 10);
    }),
    ("deployments::newest", |w| {
        assert_eq!(deployments::newest(&w.core.tx(), &w.hot.id, &[Status::Succeeded], 3).unwrap().len(), 3);
    }),
    ("deployments::standing", |w| {
        assert_eq!(deployments::standing(&w.core.tx(), &w.hot.id).unwrap().unwrap().id, w.running.id);
    }),
    ("deployments::successes_around", |w| {
        let [before, after] = deployments::successes_around(&w.core.tx(), &w.middle).unwrap();
        assert!(before.is_some() && after.is_some());
    }),
    ("deployments::unsettled_after", |w| {
        assert!(deployments::unsettled_after(&w.core.tx(), &w.success).unwrap().is_none());
    }),
    ("steps::list", |w| assert_eq!(steps::list(&w.core.tx(), &w.middle).unwrap().len(), 3)),
    ("hooks::usage", |w| assert!(hooks::usage(&w.core.tx(), &w.hook, now()).unwrap().last.is_some())),
    ("hook_calls::last", |w| assert_eq!(hook_calls::last(&w.core.tx(), &w.hook.id, 5).unwrap().len(), 5)),
    ("hook_calls::last_joined", |w| {
        assert!(hook_calls::last_joined(&w.core.tx(), &w.hook.id).unwrap().is_none());
    }),
    ("hook_calls::last_of_service", |w| {
        assert_eq!(hook_calls::last_of_service(&w.core.tx(), &w.hot.id, 5).unwrap().len(), 5);
    }),
    ("audit::list", |w| assert_eq!(audit::list(&w.core.tx(), None, None, 5).unwrap().len(), 5)),
    ("audit::list", |w| {
        let cursor = Some(Cursor::Before(500));
        assert_eq!(audit::list(&w.core.tx(), Some(ActKind::Services), cursor, 5).unwrap().len(), 5);
    }),
    ("audit::list", |w| {
        let cursor = Some(Cursor::After(500));
        assert_eq!(audit::list(&w.core.tx(), Some(ActKind::Hooks), cursor, 5).unwrap().len(), 0);
    }),
    ("idempotency::find", |w| {
        let key = w.middle.id.as_str();
        assert!(idempotency::find(&w.core.tx(), &w.hook.id, key, now()).unwrap().is_some());
    }),
];

pub(super) const QUEUE: &[Case] = &[
    ("queue::room", |w| {
        let new = new(&w.hot, "main");
        for policy in [QueuePolicy::Coalesce, QueuePolicy::Every, QueuePolicy::Latest] {
            assert_eq!(queue::room(&w.core.tx(), &new, policy, 200).unwrap(), Room::Free);
        }
    }),
    ("queue::length", |w| assert_eq!(queue::length(&w.core.tx(), &w.hot.id).unwrap(), 0)),
    ("queue::hand_over", |w| {
        queue::hand_over(&w.core.tx(), &w.hot.id, ExecutorKind::Tekton).unwrap();
    }),
    ("queue::enqueue", |w| {
        for policy in [QueuePolicy::Coalesce, QueuePolicy::Every, QueuePolicy::Latest] {
            drop(queue::enqueue(&w.core.tx(), &new(&w.hot, "main"), policy, 200, now()).unwrap());
        }
    }),
    ("queue::take", |w| {
        drop(queue::take(&w.core.tx(), &new(&w.hot, "main"), QueuePolicy::Every, Room::Free, now()).unwrap());
    }),
    ("queue::next", |w| {
        let next =
            |concurrency| queue::next(&w.core.tx(), Claims { ready: all_kinds(), concurrency }).unwrap();
        assert_eq!((next(3), next(4)), (None, Some(w.queued.sequence)));
    }),
    ("queue::claim_next", |w| {
        let claims = Claims { ready: all_kinds(), concurrency: 9 };
        assert!(queue::claim_next(&w.core.tx(), claims, now()).unwrap().is_some());
    }),
    ("queue::running", |w| assert_eq!(queue::running(&w.core.tx()).unwrap().len(), 3)),
    ("queue::overdue", |w| {
        let before = now().minus(Duration::from_mins(1));
        assert!(queue::overdue(&w.core.tx(), all_kinds(), before).unwrap().is_empty());
    }),
    ("deployments::count_behind", |w| {
        assert_eq!(deployments::count_behind(&w.core.tx(), &w.running).unwrap(), 0);
    }),
    ("deployments::queue_position", |w| {
        assert_eq!(deployments::queue_position(&w.core.tx(), &w.queued).unwrap(), Some(1));
    }),
    ("waiting::is_anything_unfinished", |w| assert!(waiting::is_anything_unfinished(&w.core.tx()).unwrap())),
    ("waiting::note_seen", |w| waiting::note_seen(&w.core.tx(), now()).unwrap()),
    ("runs::unsettled", |w| assert!(runs::unsettled(&w.core.tx()).unwrap().is_empty())),
    ("runs::deletable", |w| {
        let kept = runs::deletable(&w.core.tx(), ExecutorKind::Local, now(), 20).unwrap();
        assert!(!kept.is_empty());
    }),
];

pub(super) const CHANGES: &[Case] = &[
    ("deployments::set_commit", |w| {
        let commit = Commit::parse(&"a".repeat(40)).unwrap();
        deployments::set_commit(&w.core.tx(), &w.running.id, &commit, "subject", now()).unwrap();
    }),
    ("deployments::begin_deploying", |w| {
        assert!(deployments::begin_deploying(&w.core.tx(), &w.running.id).unwrap());
    }),
    ("deployments::succeed", |w| assert!(!deployments::succeed(&w.core.tx(), &w.running.id, now()).unwrap())),
    ("deployments::fail", |w| {
        assert!(deployments::fail(&w.core.tx(), &w.running.id, Reason::Timeout, "", None, now()).unwrap());
    }),
    ("deployments::cancel", |w| {
        let met = deployments::cancel(&w.core.tx(), &w.queued, Reason::Cancelled, ("", None), now()).unwrap();
        assert_eq!(met, Cancel::Ended);
    }),
    ("runs::set_uid", |w| runs::set_uid(&w.core.tx(), &w.running.id, "uid").unwrap()),
    ("runs::set_image", |w| {
        let image = ExactImage::parse(&format!(
            "r.example.com/a:{}@sha256:{}",
            w.running.id.run_name().as_str(),
            "a".repeat(64)
        ))
        .unwrap();
        runs::set_image(&w.core.tx(), &w.running.id, &image).unwrap();
    }),
    ("runs::set_image_revision", |w| {
        runs::set_image_revision(&w.core.tx(), &w.running.id, "abc").unwrap();
    }),
    ("runs::set_workloads", |w| runs::set_workloads(&w.core.tx(), &w.running.id, &[]).unwrap()),
    ("runs::set_settling", |w| runs::set_settling(&w.core.tx(), &w.running.id, now()).unwrap()),
    ("runs::set_waiting", |w| runs::set_waiting(&w.core.tx(), &w.running.id, Some("a"), None).unwrap()),
    ("runs::set_state", |w| runs::set_state(&w.core.tx(), &w.running.id, RunState::Ended).unwrap()),
    ("steps::start", |w| steps::start(&w.core.tx(), &w.running.id, Step::Clone, now()).unwrap()),
    ("steps::finish", |w| {
        steps::finish(&w.core.tx(), &w.running.id, Step::Clone, true, None, now()).unwrap();
    }),
    ("audit::record", |w| {
        let actor = Actor { who: Who::Operator("mira".to_owned()), address: String::new() };
        let act = Record::new(Act::ServiceUpdate, Subject::Service("api".to_owned()));
        audit::record(&w.core.tx(), &actor, &act, now()).unwrap();
    }),
    ("hook_calls::count", |w| {
        hook_calls::count(&w.core.tx(), &w.hook.id, "replayed", "", "", 1, now()).unwrap();
    }),
    ("idempotency::insert", |w| {
        idempotency::insert(&w.core.tx(), &w.hook.id, "new", "", &w.middle.id, "", now()).unwrap();
    }),
    ("services::update", |w| services::update(&w.core.tx(), &w.hot).unwrap()),
    ("checks::due", |w| {
        let ages = checks::Ages { good: Duration::from_hours(1), bad: Duration::from_mins(1) };
        drop(checks::due(&w.core.tx(), ages, now()).unwrap());
    }),
    ("removal::delete_service", |w| removal::delete_service(&w.core.tx(), &w.hot.id, now()).unwrap()),
];

pub(super) const KEPT: &[Case] = &[
    ("retention::is_much_due", |w| assert!(!retention::is_much_due(&w.core.tx(), &LIMITS, now()).unwrap())),
    ("retention::delete_deployments", |w| {
        let deleted = retention::delete_deployments(&w.core.tx(), &LIMITS, 0, now()).unwrap();
        assert_eq!((deleted.ids.len(), deleted.next), (0, None));
    }),
    ("retention::delete_deployments", |w| {
        let deleted = retention::delete_deployments(&w.core.tx(), &SHORT, 0, now()).unwrap();
        assert!(deleted.ids.len() > 150, "{deleted:?}");
    }),
    ("retention::delete_small_rows", |w| {
        assert!(!retention::delete_small_rows(&w.core.tx(), &LIMITS, now()).unwrap());
    }),
    ("retention::delete_small_rows", |w| {
        assert!(retention::delete_small_rows(&w.core.tx(), &SHORT, now()).unwrap());
    }),
    ("retention::delete_oldest_log", |w| {
        assert!(!retention::delete_oldest_log(&w.logs.tx(), &LIMITS, now()).unwrap());
    }),
    ("retention::delete_oldest_log", |w| {
        assert!(retention::delete_oldest_log(&w.logs.tx(), &SHORT, now()).unwrap());
    }),
    ("retention::forget_logs", |w| {
        retention::forget_logs(&w.logs.tx(), std::slice::from_ref(&w.middle.id)).unwrap();
    }),
];

pub(super) const LOGS: &[Case] = &[
    ("logs::append", |w| {
        let kept = Kept { head: 100, tail: 200 };
        logs::append(&w.logs.tx(), &w.running.id, Step::Build, "line\n", kept, now()).unwrap();
    }),
    ("logs::summary", |w| assert!(logs::summary(&w.logs.tx(), &w.middle.id).unwrap().is_complete)),
    ("logs::pieces", |w| assert_eq!(logs::pieces(&w.logs.tx(), &w.running.id, 5_000, 3).unwrap().len(), 3)),
    ("log_end::pieces", |w| {
        assert_eq!(log_end::pieces(&w.logs.tx(), &w.running.id, 5_000, 1).unwrap().len(), 1);
    }),
    ("logs::mark", |w| drop(logs::mark(&w.logs.tx(), &w.middle.id).unwrap())),
    ("logs::set_mark", |w| logs::set_mark(&w.logs.tx(), &w.middle.id, "mark").unwrap()),
    ("logs::causes", |w| drop(logs::causes(&w.logs.tx(), &w.middle.id, Step::Build).unwrap())),
    ("logs::set_causes", |w| logs::set_causes(&w.logs.tx(), &w.middle.id, Step::Build, &[]).unwrap()),
    ("logs::complete", |w| logs::complete(&w.logs.tx(), &w.running.id, now()).unwrap()),
];
