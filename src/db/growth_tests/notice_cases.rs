//! The functions about notices.

use super::cases::Case;
use super::world::{World, now};
use crate::db::{notices, targets};
use crate::domain::{Notice, NoticeState};

/// The first notice that is due.
fn first_due(w: &World) -> Notice {
    notices::due(&w.core.tx(), now(), 1).unwrap().notices.remove(0).1
}

pub(super) const NOTICES: &[Case] = &[
    ("notices::find", |w| drop(notices::find(&w.core.tx(), &w.target, &first_due(w).id).unwrap().unwrap())),
    ("notices::list_for_target", |w| {
        assert_eq!(notices::list_for_target(&w.core.tx(), &w.target, 5).unwrap().len(), 5);
    }),
    ("notices::list_for_deployment", |w| {
        assert_eq!(notices::list_for_deployment(&w.core.tx(), &w.middle.id, 5).unwrap().len(), 1);
    }),
    ("notices::due", |w| assert_eq!(notices::due(&w.core.tx(), now(), 8).unwrap().notices.len(), 8)),
    ("notices::remote", |w| {
        assert_eq!(notices::remote(&w.core.tx(), &w.target, &w.middle.id).unwrap(), None);
    }),
    ("notices::alike", |w| {
        assert_eq!(notices::alike(&w.core.tx(), &w.target, &first_due(w), now()).unwrap().left_out, 0);
    }),
    ("notices::end", |w| {
        let (notice, state) = (first_due(w), NoticeState::Delivered);
        notices::end(&w.core.tx(), &w.target, &notice, state, None, None).unwrap();
    }),
    ("notices::postpone", |w| {
        notices::postpone(&w.core.tx(), &first_due(w), Some(now()), None, None).unwrap();
    }),
    ("notices::give_up_all", |w| notices::give_up_all(&w.core.tx(), &w.target, "why").unwrap()),
    ("notices::bring_up", |w| notices::bring_up(&w.core.tx(), &w.target).unwrap()),
    ("notices::delete_of", |w| notices::delete_of(&w.core.tx(), &w.target).unwrap()),
    ("notices::redeliver", |w| {
        let told = notices::list_for_deployment(&w.core.tx(), &w.middle.id, 1).unwrap().remove(0).1;
        assert!(notices::redeliver(&w.core.tx(), &told.id, now()).unwrap());
    }),
    ("notices::old_url_used", |w| {
        notices::old_url_used(&w.core.tx(), (&w.hot.id, &w.hook.id), "called", now()).unwrap();
    }),
    ("notices::target_disabled", |w| {
        let target = targets::find(&w.core.tx(), &w.target).unwrap().unwrap();
        notices::target_disabled(&w.core.tx(), &target, "off", now()).unwrap();
    }),
    ("notices::test", |w| {
        let target = targets::find(&w.core.tx(), &w.target).unwrap().unwrap();
        drop(notices::test(&w.core.tx(), &target, "try", now()).unwrap());
    }),
    ("notices::delete_old", |w| assert!(notices::delete_old(&w.core.tx(), now(), 100).unwrap())),
];
