//! What a function of this layer costs does not depend on how much has happened before, or on how much waits. Each is run
//! over a thousand rows of every kind and over ten thousand; none may take more than twice the steps of SQLite's machine.
//! No time is measured, so that the speed of this machine is nothing to it.

mod cases;
mod notice_cases;
mod world;

use std::path::Path;

use super::deployments::Filter;
use cases::{CHANGES, Case, KEPT, LISTS, LOGS, QUEUE, page, text};
use notice_cases::NOTICES;
use world::{Size, World};

/// Trees grow deeper, and what is found has a few rows more: so many steps are no growth.
const SLACK: i64 = 100;

/// Functions that are not run here, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("badges::", "tables that people fill by hand"),
    ("caches::", "tables that people fill by hand"),
    ("checks::", "tables that people fill by hand"),
    ("facts::", "tables that people fill by hand"),
    ("hooks::", "tables that people fill by hand"),
    ("operators::", "tables that people fill by hand"),
    ("services::", "tables that people fill by hand"),
    ("sessions::", "tables that people fill by hand"),
    ("tokens::", "tables that people fill by hand"),
    ("found::enter", "once for each run that a restored copy has lost"),
    ("gauges::gauges", "counts what waits and runs, when somebody asks"),
    ("log_end::find", "reads where the pieces of one log begin, of which the kept bytes are the limit"),
    ("log_tail::tail", "reads the end of one log, of which its two limits are the limit"),
    ("notices::counts", "counts all that waits, when it is asked for"),
    ("targets::", "tables that people fill by hand"),
    ("waiting::move_by", "changes all that waits, when somebody sets the clock"),
    ("waiting::skip_absence", "changes all that waits, once at the start"),
];

fn cases() -> Vec<Case> {
    [LISTS, QUEUE, CHANGES, KEPT, LOGS, NOTICES].concat()
}

#[test]
fn nothing_costs_more_where_more_has_happened_or_waits() {
    let worlds = [
        Size { rows: 1_000, queued: 100 },
        Size { rows: 10_000, queued: 100 },
        Size { rows: 1_000, queued: 5_000 },
    ]
    .map(World::new);

    let grown: Vec<String> = cases()
        .iter()
        .enumerate()
        .filter_map(|(at, (name, act))| {
            let [small, history, queue] = worlds.each_ref().map(|world| world.steps_of(act));
            assert!(small > 0, "{name}: nothing was counted");
            let is_grown = history.max(queue) > 2 * small + SLACK;
            is_grown
                .then(|| format!("{at} {name}: {small} steps, {history} with history, {queue} with a queue"))
        })
        .collect();

    assert!(grown.is_empty(), "{grown:#?}");
}

/// A text that no index knows is looked for in a window, and a page further back goes on from there.
#[test]
fn a_text_is_looked_for_in_so_many_rows_and_then_further_back() {
    let world = World::new(Size { rows: 10_000, queued: 10 });
    let (mut before, mut found, mut pages) = (None, Vec::new(), 0);
    let most = world.steps_of(|w| drop(page(w, text("no such thing"))));

    loop {
        let listed = page(&world, Filter { before, ..text("feat/77") });
        pages += 1;
        found.extend(listed.deployments.into_iter().map(|one| one.branch.to_string()));
        before = listed.more;
        if before.is_none() {
            break;
        }
    }

    assert!(most < 500_000, "{most}");
    let mut wanted: Vec<_> = (1..=10_000)
        .filter(|row| row % 7 == 0 && row % 20 != 0)
        .map(|row| format!("feat/{row}"))
        .filter(|branch| branch.contains("feat/77"))
        .collect();
    wanted.reverse();
    assert_eq!(found, wanted);
    assert!(pages > 3, "{pages}");
}

/// Every function that takes a reader or a transaction is run above, or left out for a reason.
#[test]
fn no_function_is_forgotten() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/db");
    let rooms =
        ["", "deployments", "hooks", "notices"].map(|room| std::fs::read_dir(root.join(room)).unwrap());
    let known: Vec<&str> = cases().iter().map(|(name, _)| *name).collect();
    let mut forgotten = Vec::new();
    for path in rooms.into_iter().flatten().map(|file| file.unwrap().path()) {
        let folder = path.parent().unwrap();
        let module = if folder == root { path.file_stem() } else { folder.file_name() };
        let module = module.unwrap().to_string_lossy();
        let is_ours = path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs");
        if !is_ours
            || ["testing", "growth_tests", "mod", "writer", "store", "readers", "restore"].contains(&&*module)
        {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        for head in source.split("\npub fn ").skip(1) {
            let name = format!("{module}::{}", head.split('(').next().unwrap());
            let takes = head.split(')').next().unwrap();
            let is_left_out = LEFT_OUT.iter().any(|(left_out, _)| name.starts_with(left_out));
            if (takes.contains("Reader<") || takes.contains("Tx<"))
                && !known.contains(&&*name)
                && !is_left_out
            {
                forgotten.push(name);
            }
        }
    }
    assert!(forgotten.is_empty(), "{forgotten:#?}");
}
