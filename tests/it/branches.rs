//! Branch names, against a corpus and against git itself.

use std::process::Command;

use stackblaze::domain::Branch;

const ACCEPTED: &str = include_str!("../data/branches/accepted.txt");
const REFUSED: &str = include_str!("../data/branches/refused.txt");

fn git_accepts(name: &str) -> bool {
    // A NUL cannot be an argument; git could never be given it either.
    !name.contains('\0')
        && Command::new("git")
            .args(["check-ref-format", &format!("refs/heads/{name}")])
            .status()
            .unwrap()
            .success()
}

/// `|text|` with `\\` and `\u{…}` for what an editor would spoil.
fn unescape(line: &str) -> String {
    let text = line.strip_prefix('|').and_then(|rest| rest.strip_suffix('|')).unwrap();
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        result.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        if let Some(code) = escape.strip_prefix("u{") {
            let (digits, more) = code.split_once('}').unwrap();
            result.push(char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap());
            rest = more;
        } else {
            result.push('\\');
            rest = &escape[1..];
        }
    }
    result + rest
}

#[test]
fn names_of_real_projects_are_accepted_by_us_and_by_git() {
    let names: Vec<_> = ACCEPTED.lines().collect();

    assert!(names.len() >= 200, "{}", names.len());
    for name in names {
        assert!(Branch::parse(name).is_ok(), "{name}: {:?}", Branch::parse(name));
        assert!(git_accepts(name), "git refuses {name}");
    }
}

#[test]
fn hostile_names_are_refused() {
    let names: Vec<_> = REFUSED.lines().map(unescape).collect();

    assert!(names.len() >= 200, "{}", names.len());
    for name in names {
        assert!(Branch::parse(&name).is_err(), "{name:?}");
    }
}

#[test]
fn whatever_is_accepted_git_accepts_too() {
    // Every pair and triple of what git's rules are about, alone and between letters.
    let parts =
        [".", "/", "@", "-", "lock", ".lock", "{", "a", "HEAD", "#", "%", "=", "+", ",", "_", "é", "1"];
    let mut accepted = 0;
    for first in parts {
        for second in parts {
            for third in ["", "/x", ".", "@"] {
                let name = format!("{first}{second}{third}");
                if Branch::parse(&name).is_ok() {
                    accepted += 1;
                    assert!(git_accepts(&name), "{name}");
                }
            }
        }
    }

    assert!(accepted > 200, "{accepted}");
}
