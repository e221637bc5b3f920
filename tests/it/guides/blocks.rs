//! Whether a block is what its fence says.

use std::process::Command;

use serde_json::Value;

use super::{Block, blocks, page, pages, read};
use crate::harness::guest::output;

/// Why a block is not what it looks like; none too where nobody knows.
fn fault(block: &Block) -> Option<String> {
    match block.language.as_str() {
        "sh" => {
            let read = output(Command::new("sh").args(["-n", "-c", &block.text]));
            (!read.status.success()).then(|| String::from_utf8_lossy(&read.stderr).into_owned())
        }
        // What is left out is said by a sign for it.
        "json" => {
            serde_json::from_str::<Value>(&block.text.replace(",…", "")).err().map(|why| why.to_string())
        }
        "yaml" => serde_saphyr::from_str::<Value>(&block.text).err().map(|why| why.to_string()),
        "toml" => toml::from_str::<toml::Table>(&block.text).err().map(|why| why.to_string()),
        "ini" => block.text.lines().find(|line| !is_ini(line)).map(str::to_owned),
        "" | "python" | "nginx" | "caddy" | "haproxy" | "apache" | "js" => None,
        other => Some(format!("nobody knows the language {other}")),
    }
}

/// A section, a setting or nothing.
fn is_ini(line: &str) -> bool {
    let is_section = line.starts_with('[') && line.ends_with(']');
    let is_setting = line.split_once('=').is_some_and(|(name, _)| name.chars().all(char::is_alphabetic));
    line.is_empty() || is_section || is_setting
}

#[test]
fn each_block_is_of_the_language_that_its_fence_names() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in pages() {
        for block in blocks(&read(&page)) {
            count += 1;
            let why = fault(&block);
            wrong.extend(why.map(|why| format!("{}, line {}: {why}", page.display(), block.line)));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 40, "only {count} were found");
}

#[test]
fn the_guides_have_the_proxys_block_as_it_is_tested() {
    let caddy = |name: &str| {
        let found = blocks(&page(name)).into_iter().find(|block| block.language == "caddy");
        found.unwrap().text
    };

    assert_eq!(caddy("VPS.md"), caddy("PROXIES.md"));
}

#[test]
fn the_guide_to_k3s_makes_service_and_hook_as_the_readme_does() {
    let readme = read(&super::root().join("README.md"));
    let joined = |text: &str| text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let readme = joined(&readme);
    let lines = super::shell_of(&page("K3S.md"), Some("## The service and its hook")).concat();

    let lines: Vec<_> = lines.replace("\\\n", " ").lines().map(joined).collect();

    assert_eq!(lines.len(), 5);
    for line in lines {
        assert!(readme.contains(&format!("{line} ")), "{line}");
    }
}
