//! Finds which program a Dockerfile asks to be read by. Pure.
//!
//! The rules are BuildKit's own (`frontend/dockerfile/parser/directives.go`): directives stand in the first lines, `#` or
//! `//` before them, or the whole file is a JSON object. The builder is told not to follow any; this is for the sentence.

/// Names of the frontend that the builder has built in.
const BUILT_IN: [&str; 2] = ["docker/dockerfile", "docker/dockerfile-upstream"];
/// Directives that may stand before or after `syntax`.
const DIRECTIVES: [&str; 3] = ["syntax", "escape", "check"];

/// The image of another frontend, where the Dockerfile asks for one.
pub(super) fn foreign_frontend(text: &str) -> Option<String> {
    let named = syntax(text)?;
    let image = named.split(' ').next().unwrap_or_default();
    let bare = image.strip_prefix("docker.io/").unwrap_or(image);
    let name = bare.split([':', '@']).next().unwrap_or_default();
    (!BUILT_IN.contains(&name)).then(|| image.to_owned())
}

fn syntax(text: &str) -> Option<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = if text.starts_with("#!") { text.split_once('\n').map_or("", |(_, rest)| rest) } else { text };
    ["#", "//"].into_iter().find_map(|mark| in_comments(text, mark)).or_else(|| {
        let object: serde_json::Value = serde_json::from_str(text).ok()?;
        Some(object.get("syntax")?.as_str()?.to_owned())
    })
}

fn in_comments(text: &str, mark: &str) -> Option<String> {
    let directives = text.lines().map_while(|line| {
        let (name, value) = line.strip_prefix(mark)?.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        DIRECTIVES.contains(&name.as_str()).then(|| (name, value.trim()))
    });
    directives.into_iter().find(|(name, _)| name == "syntax").map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_frontend_is_no_other_whatever_its_version() {
        for text in [
            "FROM a",
            "# syntax=docker/dockerfile:1\nFROM a",
            "#syntax = docker.io/docker/dockerfile:1.7-labs\nFROM a",
            "# syntax=docker/dockerfile@sha256:00\nFROM a",
            "# syntax=docker/dockerfile-upstream:master\nFROM a",
            "# why\n# syntax=example.com/own\nFROM a",
            "\n# syntax=example.com/own\nFROM a",
            "FROM a\n# syntax=example.com/own",
        ] {
            assert_eq!(foreign_frontend(text), None, "{text}");
        }
    }

    #[test]
    fn another_one_is_seen_in_each_form_that_the_builder_knows() {
        for text in [
            "# syntax=example.com/own\nFROM a",
            "#SYNTAX=example.com/own --flag\r\nFROM a",
            "\u{feff}# escape=`\n# syntax = example.com/own \nFROM a",
            "#!/usr/bin/env docker\n# syntax=example.com/own\nFROM a",
            "// syntax=example.com/own\n{}",
            r#"{"syntax": "example.com/own"}"#,
        ] {
            assert_eq!(foreign_frontend(text).as_deref(), Some("example.com/own"), "{text}");
        }
    }
}
