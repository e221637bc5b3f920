//! What the pages lead to.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;

use super::{pages, read, root};

/// The text of a page outside of its blocks and spans of code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    let prose = lines.collect::<Vec<_>>().join("\n");
    Regex::new("`[^`\n]*`").unwrap().replace_all(&prose, "``").into_owned()
}

/// The anchors of a page, as forges make them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let headings = text.lines().filter(|line| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code && line.starts_with('#')
    });
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    headings.map(anchor).collect()
}

/// Why a link of a page leads nowhere.
fn broken(page: &Path, text: &str, target: &str) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = page.parent().unwrap().join(file);
    if !file.is_empty() && !path.exists() {
        return Some(format!("{target}: no such file"));
    }
    let anchor = anchor?;
    let led_to = if file.is_empty() { text.to_owned() } else { read(&path) };
    (!anchors(&led_to).contains(anchor)).then(|| format!("{target}: no such heading"))
}

#[test]
fn each_link_leads_to_a_file_and_to_a_heading() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = read(&page);
        for found in link.captures_iter(&prose(&text)) {
            count += 1;
            let why = broken(&page, &text, &found[1]);
            wrong.extend(why.map(|why| format!("{}: {why}", page.display())));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 40, "only {count} were found");
}

#[test]
fn each_file_of_the_project_that_is_named_is_there() {
    let place =
        Regex::new("`((?:docs|tests|src|deploy|benches|templates|static)/[A-Za-z0-9_./-]+)`").unwrap();
    let mut wrong = Vec::new();
    for page in pages() {
        let text = read(&page);
        let found = place.captures_iter(&text).map(|found| found[1].to_owned());
        let missing = found.filter(|name| !root().join(name.split("::").next().unwrap()).exists());
        wrong.extend(missing.map(|name| format!("{}: {name}", page.display())));
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_index_names_every_page() {
    let index = read(&root().join("docs/README.md"));
    let own = |page: &Path| page.parent().unwrap().ends_with("docs") && !page.ends_with("README.md");
    let names = pages().into_iter().filter(|page| own(page));
    let names = names.map(|page| page.file_name().unwrap().to_string_lossy().into_owned());

    let missing: Vec<_> = names.filter(|name| !index.contains(&format!("({name}"))).collect();

    assert!(missing.is_empty(), "{missing:?}");
}
