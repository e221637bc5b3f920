use super::*;
use crate::db::testing::{add_service, filled, service};
use crate::db::{Db, Error, deployments, queue, steps};
use crate::domain::ExecutorKind;

fn of(meters: &Meters, reason: Option<Reason>) -> u64 {
    meters.ends().into_iter().find(|(own, _)| *own == reason).unwrap().1
}

#[test]
fn what_took_exactly_a_bound_is_below_it_and_nothing_is_lost_beyond_the_last() {
    let histogram = Histogram::new(&BATCHES);

    for micros in [0, 500, 501, 5_000_000, 5_000_001, u64::MAX / 4] {
        histogram.observe(Duration::from_micros(micros));
    }

    let observed = histogram.read();
    let counts: Vec<_> = observed.buckets.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    assert_eq!((observed.count(), observed.buckets[0].0), (6, Some(Duration::from_micros(500))));
    assert_eq!(observed.buckets[BOUNDS].0, None);
}

#[test]
fn every_reason_and_step_has_a_place_of_its_own() {
    for (place, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(place_of(Some(reason)), place);
    }
    for (place, step) in Step::ALL.into_iter().enumerate() {
        assert_eq!(step as usize, place);
    }
    for (place, result) in RunResult::ALL.into_iter().enumerate() {
        assert_eq!(result as usize, place);
    }
}

#[tokio::test]
async fn an_end_counts_once_and_only_where_it_was_committed() {
    let (_dir, db, [running, queued, ended]) = filled().await;
    let later = crate::db::testing::T0.plus(Duration::from_secs(7));
    let meters = db.core().meters();
    // One was cancelled when the rows were made.
    assert_eq!((of(meters, Some(Reason::Cancelled)), meters.runs(RunResult::Cancellation).count()), (1, 0));

    let (own, other) = (running.clone(), queued.clone());
    let undone = db.core().write(move |tx| {
        deployments::fail(tx, &own, Reason::BuildFailed, "", None, later)?;
        Err::<(), _>(Error::Unavailable("taken back"))
    });
    undone.await.unwrap_err();
    let done = db.core().write(move |tx| {
        steps::start(tx, &running, Step::Clone, crate::db::testing::T0)?;
        steps::finish(tx, &running, Step::Clone, true, Some(0), later)?;
        steps::finish(tx, &running, Step::Clone, true, Some(0), later)?;
        deployments::fail(tx, &running, Reason::BuildFailed, "", None, later)?;
        deployments::fail(tx, &running, Reason::Internal, "", None, later)?;
        deployments::fail(tx, &ended, Reason::Internal, "", None, later)?;
        deployments::fail(tx, &other, Reason::Timeout, "", None, later)?;
        Ok::<_, Error>(())
    });
    done.await.unwrap();

    assert_eq!((of(meters, Some(Reason::BuildFailed)), of(meters, Some(Reason::Internal))), (1, 0));
    let ran = meters.runs(RunResult::Failure);
    assert_eq!((ran.count(), ran.sum), (1, Duration::from_secs(7)));
    assert_eq!((of(meters, Some(Reason::Timeout)), meters.runs(RunResult::Timeout).count()), (1, 0));
    let cloned = meters.steps(Step::Clone, true);
    assert_eq!((cloned.count(), cloned.sum, cloned.buckets[2].1), (1, Duration::from_secs(7), 1));
    assert_eq!(meters.steps(Step::Clone, false).count(), 0);
    assert!(meters.batches().count() > 0 && meters.batches().sum > Duration::ZERO);
}

#[tokio::test]
async fn a_success_is_counted_beside_the_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path(), 0).unwrap();
    add_service(&db, "other").await;
    let start = crate::db::testing::T0;
    let done = db.core().write(move |tx| {
        let service = service("api");
        crate::db::services::insert(tx, &service)?;
        let new = crate::db::testing::new(&service, "main");
        queue::enqueue(tx, &new, crate::domain::QueuePolicy::Every, 10, start)?;
        let ready = [ExecutorKind::Local].into_iter().collect();
        let claimed = queue::claim_next(tx, queue::Claims { ready, concurrency: 1 }, start)?.unwrap();
        deployments::begin_deploying(tx, &claimed.id)?;
        deployments::succeed(tx, &claimed.id, start.plus(Duration::from_secs(90)))
    });

    assert!(done.await.unwrap());

    assert_eq!(
        (of(db.core().meters(), None), db.logs().meters().ends().iter().all(|end| end.1 == 0)),
        (1, true)
    );
    assert_eq!(db.core().meters().runs(RunResult::Success).sum, Duration::from_secs(90));
}
