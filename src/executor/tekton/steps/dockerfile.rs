//! Finds in a Dockerfile what the builder's layer cache does not see. Pure.
//!
//! buildah finds the layer of a RUN by the text of that RUN. What a mount shows goes into it only where the mount spells
//! `type=bind` and has no `from=` of a stage, and a heredoc only while no ARG has a value. Where something else changes,
//! or changes back, the cache gives what the RUN made of the old one. Whatever is not sure to be seen counts as unseen.

/// Types of a mount as the builder spells them. What other mounts than `bind` show is no part of the image anywhere.
const MOUNT_TYPES: &[&str] = &["bind", "cache", "secret", "ssh", "tmpfs"];

/// What the cache does not see, in words, where the Dockerfile has any.
pub(super) fn unseen_by_cache(text: &str) -> Option<&'static str> {
    let lines = instructions(text);
    let all: Vec<_> = lines.iter().map(|line| keyword(line)).collect();
    let of = |wanted: &'static str| all.iter().filter(move |(name, _)| name == wanted).map(|(_, rest)| *rest);
    let stages: Vec<_> = of("from").filter_map(stage_name).collect();
    let has_argument = of("arg").next().is_some();
    of("run").find_map(|run| {
        let (flags, command) = flags(run);
        let unseen = flags.iter().find_map(|flag| unseen_mount(flag.strip_prefix("--mount")?, &stages));
        unseen.or_else(|| (has_argument && command.contains("<<")).then_some("RUN with a heredoc beside ARG"))
    })
}

fn unseen_mount(mount: &str, stages: &[&str]) -> Option<&'static str> {
    let options = mount.strip_prefix('=').unwrap_or_default().split(',');
    let values = |name| {
        options.clone().filter_map(move |option| option.split_once('=').filter(|(key, _)| *key == name))
    };
    let is_of_stage = |name: &str| {
        name.parse::<usize>().is_ok() || stages.iter().any(|stage| stage.eq_ignore_ascii_case(name))
    };
    if mount.contains('$') {
        Some("RUN --mount with a variable")
    } else if values("type").next().is_none()
        || values("type").any(|(_, value)| !MOUNT_TYPES.contains(&value))
    {
        Some("RUN --mount without type=")
    } else if values("from").any(|(_, name)| is_of_stage(name)) {
        Some("RUN --mount from a stage")
    } else {
        None
    }
}

/// The instructions, each without its line breaks. The lines of a heredoc are taken for instructions too.
fn instructions(text: &str) -> Vec<String> {
    let escape = escape(text);
    let (mut all, mut goes_on) = (Vec::<String>::new(), false);
    for line in text.lines() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let continued = line.trim_end().strip_suffix(escape);
        let part = continued.unwrap_or(line);
        match all.last_mut().filter(|_| goes_on) {
            Some(open) => open.push_str(part),
            None => all.push(part.to_owned()),
        }
        goes_on = continued.is_some();
    }
    all
}

/// What ends a line that goes on. The builder looks for the directive in the first line only.
fn escape(text: &str) -> char {
    let first: String = text.lines().next().unwrap_or_default().split_whitespace().collect();
    let first = first.trim_start_matches('\u{feff}').to_ascii_lowercase();
    if first.starts_with("#escape=`") { '`' } else { '\\' }
}

/// An instruction's name in small letters, and what follows it; of ONBUILD those of the instruction behind it.
fn keyword(instruction: &str) -> (String, &str) {
    let mut rest = instruction.trim_start_matches('\u{feff}').trim();
    loop {
        let (name, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        rest = behind.trim_start();
        if !name.eq_ignore_ascii_case("onbuild") {
            return (name.to_ascii_lowercase(), rest);
        }
    }
}

/// What a FROM calls its stage.
fn stage_name(from: &str) -> Option<&str> {
    let mut words = from.split_whitespace().skip_while(|word| !word.eq_ignore_ascii_case("as"));
    words.nth(1)
}

/// The flags of an instruction without their quotes, and what stands behind them.
fn flags(arguments: &str) -> (Vec<String>, &str) {
    let (mut flags, mut rest) = (Vec::new(), arguments.trim_start());
    while rest.starts_with("--") {
        let (flag, behind) = word(rest);
        flags.push(flag);
        rest = behind.trim_start();
    }
    (flags, rest)
}

/// The first word without its quotes, and what stands behind it.
fn word(text: &str) -> (String, &str) {
    let (mut word, mut quote, mut chars) = (String::new(), None, text.char_indices());
    while let Some((at, char)) = chars.next() {
        match (quote, char) {
            (_, '\\') => word.extend(chars.next().map(|(_, escaped)| escaped)),
            (Some(open), _) if char == open => quote = None,
            (None, '\'' | '"') => quote = Some(char),
            (None, _) if char.is_whitespace() => return (word, &text[at..]),
            _ => word.push(char),
        }
    }
    (word, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTYPED: Option<&str> = Some("RUN --mount without type=");

    #[test]
    fn a_mount_that_does_not_spell_its_type_is_found_wherever_it_stands() {
        for text in [
            "FROM a\nRUN --mount=target=. make",
            "FROM a\nrun --mount=target=. make",
            "FROM a\n  \tRun\t--mount=source=v,target=/v cat /v",
            "FROM a\nRUN --mount=type=cache,target=/c --mount=target=. make",
            "FROM a\nRUN --network=none --mount=target=. make",
            "FROM a\nRUN --mount='type=bind,source=a b' --mount=target=. make",
            "FROM a\nRUN --mount=from=b,target=/b make",
            "FROM a\nRUN --mount=Type=bind,target=. make",
            "FROM a\nRUN --mount=type=BIND,target=. make",
            "FROM a\nRUN --mount target=. make",
            "FROM a\nONBUILD RUN --mount=target=. make",
            "FROM a\nRUN \\\n  --mount=target=. \\\n  make",
            "FROM a\nRUN --mount=type=cache,target=/c \\\n# why\n\n  # and why\n  --mount=target=. make",
            "FROM a\r\nRUN --mount=type=cache,target=/c \\\r\n --mount=target=. make\r\n",
            "FROM a\nRUN --mount=type=cache,target=/c \\  \n --mount=target=. make",
            "FROM a\nRUN --mount=ty\\\npe=bind --mount=tar\\\nget=. make",
            "# escape=`\nFROM a\nRUN --mount=type=cache,target=/c `\n --mount=target=. make",
            "\u{feff}#Escape = `\nFROM a\nRUN --mount=type=cache,target=/c `\n --mount=target=. make",
            "\u{feff}RUN --mount=target=. make",
            "FROM a\nCOPY <<END /x\nhello\nEND\nRUN --mount=target=. make",
            "FROM a\nRUN --mount=target=.",
        ] {
            assert_eq!(unseen_by_cache(text), UNTYPED, "{text}");
        }
    }

    #[test]
    fn what_the_cache_sees_is_left_alone() {
        for text in [
            "",
            "FROM a",
            "FROM a\nRUN make",
            "FROM a\nRUN --mount=type=bind,target=. --network=none --mount=type=cache,target=/c make",
            "FROM a\nRUN --mount=target=.,type=bind make",
            "FROM a\nRUN \"--mount=target=.\" make",
            "FROM a\nRUN --mount=type=secret,id=x --mount=type=ssh --mount=type=tmpfs,target=/t make",
            "FROM a\nRUN --mount=type=bind,from=registry.example.com/tool,target=/tool make",
            "FROM a\nRUN podman run --mount=target=. make",
            "FROM a\n# RUN --mount=target=. make",
            "FROM a\nRUN make \\\n# --mount=target=.\n all",
            "FROM a\nLABEL run=\"RUN --mount=target=.\"",
            "FROM a\nCOPY --from=b /x /x",
            "FROM a\nRUN <<END\nmake\nEND",
            "# syntax=x\n# escape=`\nFROM a\nLABEL a=`\nRUN make",
        ] {
            assert_eq!(unseen_by_cache(text), None, "{text}");
        }
    }

    #[test]
    fn the_files_of_a_stage_a_variable_and_a_heredoc_beside_an_argument_are_unseen() {
        let stage = Some("RUN --mount from a stage");
        let base = "FROM --platform=linux/amd64 a as Made\nRUN make\nFROM b\n";

        for (run, unseen) in [
            ("RUN --mount=type=bind,from=made,target=/m make", stage),
            ("RUN --mount=type=cache,target=/m,from=Made make", stage),
            ("RUN --mount=type=bind,from=0,target=/m make", stage),
            ("RUN --mount=type=bind,from=other,target=/m make", None),
            ("RUN --mount=type=bind,from=$WHICH,target=/m make", Some("RUN --mount with a variable")),
            ("ARG A=1\nRUN <<END\nmake\nEND", Some("RUN with a heredoc beside ARG")),
            ("ARG A=1\nRUN make", None),
        ] {
            assert_eq!(unseen_by_cache(&format!("{base}{run}\n")), unseen, "{run}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_fail(text in r##"([a-z]{0,3}|RUN|FROM|ONBUILD|ARG|--mount=|type=|from=|<<|[ \n\\`'"#$=,ü-])*"##) {
            unseen_by_cache(&text);
        }
    }
}
