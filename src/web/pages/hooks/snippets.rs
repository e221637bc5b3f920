//! The text that CI systems take to call a hook: one shell part, dressed for each of them. Secrets come in by the
//! variable's name alone.
//!
//! In the texts below `«…»` is a variable, `‹…›` is only for those who wait for the result, and `⟨…⟩` only for those who
//! deploy exactly the commit that the job is about.

/// A piece of a snippet: its text, what it is, and for whom it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The text as it is copied.
    pub text: String,
    /// `v` for a variable, `c` for a comment, else empty.
    pub class: &'static str,
    /// Whether it is part of the wait-for-result variant alone.
    pub waits: bool,
    /// Whether it is part of the exactly-this-commit variant alone.
    pub pins: bool,
}

impl Part {
    /// Classes by which the page hides what is not wanted.
    pub fn wants(&self) -> &'static str {
        match (self.waits, self.pins) {
            (false, false) => "",
            (true, false) => "w",
            (false, true) => "x",
            (true, true) => "w x",
        }
    }
}

/// A CI system, and what a snippet for it has around the shell part.
#[derive(Debug)]
pub struct System {
    /// Two to four letters, as the stylesheet knows it.
    pub id: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// Who else takes the same text.
    pub note: Option<&'static str>,
    before: &'static str,
    after: &'static str,
    /// Columns by which the shell part is moved to the right.
    indent: usize,
    /// The first line of the shell part.
    first: &'static str,
    /// What makes a repeated call the same call.
    key: &'static str,
    /// The branch and the commit that the job is about.
    branch: &'static str,
    commit: &'static str,
    /// How a dollar sign before a brace is written, where the system itself would read it.
    dollar: &'static str,
    /// Where the answer is kept while it is read.
    answer: &'static str,
}

const SHELL: &str = r#"curl --fail-with-body -sS --retry 3 --retry-connrefused -X POST‹ -o @answer@› \
  -H "Idempotency-Key: «@key@»" \⟨
  -G --data-urlencode "branch=«@branch@»" --data-urlencode "commit=«@commit@»" \⟩
  "«$STACKBLAZE_DEPLOY_HOOK»"‹ || { cat @answer@; exit 1; }
echo "See $(grep -o 'http[^"]*' @answer@); a 503 below means: not yet"
# wait for the end: exit code 0 only when it is serving
id=$(grep -o "dep_[0-9a-z]*" @answer@ | head -n 1)
curl --fail-with-body -sS --retry 2000 --retry-connrefused \
  -H "Accept: text/plain" -H "Authorization: Bearer «@dollar@{STACKBLAZE_DEPLOY_HOOK##*/}»" \
  "@base@/deployments/$id/wait"›"#;

/// The systems, in the order of their tabs.
pub const SYSTEMS: [System; 8] = [
    System {
        id: "curl",
        label: "curl",
        note: None,
        before: "",
        after: "",
        indent: 0,
        // No system's variables here, and uuidgen is not everywhere; od is.
        first: r#"key=$(od -An -tx1 -N16 /dev/urandom | tr -d " \n")"#,
        key: "$key",
        branch: "$(git branch --show-current)",
        commit: "$(git rev-parse HEAD)",
        dollar: "$",
        answer: "deploy.json",
    },
    System {
        id: "gh",
        label: "GitHub Actions",
        note: Some("Gitea and Forgejo Actions take the same text."),
        before: "- name: Deploy\n  env:\n    STACKBLAZE_DEPLOY_HOOK: «${{ secrets.STACKBLAZE_DEPLOY_HOOK }}»\n  run: |\n",
        after: "",
        indent: 4,
        first: "set -eu",
        key: "$GITHUB_RUN_ID-${GITHUB_RUN_ATTEMPT:-1}",
        branch: "$GITHUB_REF_NAME",
        commit: "$GITHUB_SHA",
        dollar: "$",
        answer: "deploy.json",
    },
    System {
        id: "gl",
        label: "GitLab CI",
        note: None,
        before: "deploy:\n  stage: deploy\n  rules:\n    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH\n  script:\n    - |\n",
        after: "",
        indent: 6,
        first: "set -eu",
        key: "$CI_JOB_ID",
        branch: "$CI_COMMIT_BRANCH",
        commit: "$CI_COMMIT_SHA",
        dollar: "$",
        answer: "deploy.json",
    },
    System {
        id: "jk",
        label: "Jenkins",
        note: None,
        before: "withCredentials([string(credentialsId: 'stackblaze-deploy-hook',\n                        variable: 'STACKBLAZE_DEPLOY_HOOK')]) {\n  sh '''\n",
        after: "\n  '''\n}",
        indent: 4,
        first: "set +x -eu",
        // A job's name may have blanks in it, a key may not.
        key: r#"$(echo "$BUILD_TAG" | tr " " -)"#,
        branch: "${BRANCH_NAME:-${GIT_BRANCH#*/}}",
        commit: "$GIT_COMMIT",
        dollar: "$",
        answer: "deploy.json",
    },
    System {
        id: "cc",
        label: "CircleCI",
        note: None,
        before: "- run:\n    name: Deploy\n    command: |\n",
        after: "",
        indent: 6,
        first: "set -eu",
        key: "$CIRCLE_WORKFLOW_JOB_ID",
        branch: "$CIRCLE_BRANCH",
        commit: "$CIRCLE_SHA1",
        dollar: "$",
        answer: "deploy.json",
    },
    System {
        id: "bb",
        label: "Bitbucket",
        note: None,
        before: "- step:\n    name: Deploy\n    script:\n      - |\n",
        after: "",
        indent: 8,
        first: "set -eu",
        key: "$BITBUCKET_STEP_UUID",
        branch: "$BITBUCKET_BRANCH",
        commit: "$BITBUCKET_COMMIT",
        dollar: "$",
        answer: "deploy.json",
    },
    System {
        id: "wp",
        label: "Woodpecker",
        note: None,
        before: "- name: deploy\n  image: curlimages/curl\n  environment:\n    STACKBLAZE_DEPLOY_HOOK:\n      from_secret: stackblaze_deploy_hook\n  commands:\n    - |\n",
        after: "",
        indent: 6,
        first: "set -eu",
        key: "$CI_PIPELINE_NUMBER-$CI_STEP_NUMBER",
        // That image's user may not write where the sources are.
        branch: "$CI_COMMIT_BRANCH",
        commit: "$CI_COMMIT_SHA",
        dollar: "$$",
        answer: "/tmp/deploy.json",
    },
    System {
        id: "az",
        label: "Azure Pipelines",
        note: None,
        before: "- bash: |\n",
        after: "\n  displayName: Deploy\n  env:\n    STACKBLAZE_DEPLOY_HOOK: «$(STACKBLAZE_DEPLOY_HOOK)»",
        indent: 4,
        first: "set -eu",
        key: "$(Build.BuildId)-$(System.JobAttempt)",
        branch: "${BUILD_SOURCEBRANCH#refs/heads/}",
        commit: "$BUILD_SOURCEVERSION",
        dollar: "$",
        answer: "deploy.json",
    },
];

impl System {
    fn marked_shell(&self, base: &str) -> String {
        let words = [
            ("@key@", self.key),
            ("@branch@", self.branch),
            ("@commit@", self.commit),
            ("@dollar@", self.dollar),
            ("@answer@", self.answer),
            ("@base@", base),
        ];
        let shell = words.iter().fold(SHELL.to_owned(), |shell, (word, value)| shell.replace(word, value));
        format!("{}\n{shell}", self.first)
    }

    /// The shell part for a server whose API is below `base`, with or without the wait for the result, for exactly the
    /// job's commit or for the head of the default branch.
    pub fn shell(&self, base: &str, waits: bool, pins: bool) -> String {
        let parts = parts(&self.marked_shell(base)).into_iter();
        parts.filter(|part| (waits || !part.waits) && (pins || !part.pins)).map(|part| part.text).collect()
    }

    /// All of the snippet.
    pub fn snippet(&self, base: &str) -> Vec<Part> {
        let blanks = " ".repeat(self.indent);
        let shell = self.marked_shell(base).replace('\n', &format!("\n{blanks}"));
        parts(&format!("{}{blanks}{shell}{}", self.before, self.after))
    }
}

/// Takes the marks out of a text; a comment is a line that begins with `#`.
fn parts(marked: &str) -> Vec<Part> {
    let mut found: Vec<Part> = Vec::new();
    let (mut class, mut waits, mut pins) = ("", false, false);
    for line in marked.split_inclusive('\n') {
        let is_comment = line.trim_start().starts_with('#');
        for letter in line.chars() {
            match letter {
                '«' => class = "v",
                '»' => class = "",
                '‹' => waits = true,
                '›' => waits = false,
                '⟨' => pins = true,
                '⟩' => pins = false,
                _ => {
                    let class = if is_comment && letter != '\n' { "c" } else { class };
                    match found.last_mut() {
                        Some(last) if (last.class, last.waits, last.pins) == (class, waits, pins) => {
                            last.text.push(letter);
                        }
                        _ => found.push(Part { text: letter.to_string(), class, waits, pins }),
                    }
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://deploy.example.com";

    fn text(system: &System) -> String {
        system.snippet(BASE).into_iter().map(|part| part.text).collect()
    }

    #[test]
    fn no_mark_is_left_and_no_word_is_to_be_filled_in() {
        for system in &SYSTEMS {
            let text = text(system);
            for word in ["«", "»", "‹", "›", "⟨", "⟩", "@", "sbhook_"] {
                assert!(!text.contains(word), "{}: {word}", system.id);
            }
            assert!(text.contains("\"$STACKBLAZE_DEPLOY_HOOK\"") && text.contains(BASE), "{}", system.id);
        }
    }

    #[test]
    fn a_snippet_holds_its_shell_part_line_by_line() {
        for system in &SYSTEMS {
            let text = text(system);
            for line in system.shell(BASE, true, true).lines() {
                assert!(
                    text.contains(&format!("{}{line}", " ".repeat(system.indent))),
                    "{}: {line}",
                    system.id
                );
            }
        }
    }

    #[test]
    fn who_does_not_wait_sees_the_answer() {
        let shell = SYSTEMS[1].shell(BASE, false, false);

        assert_eq!(shell.lines().count(), 4);
        assert_eq!(SYSTEMS[1].shell(BASE, false, true).lines().count(), 5);
        assert!(!shell.contains("deploy.json") && !shell.contains("/wait"));
        assert!(shell.ends_with("\"$STACKBLAZE_DEPLOY_HOOK\""));
    }

    #[test]
    fn only_what_needs_it_is_marked() {
        let found = SYSTEMS[2].snippet(BASE);

        let of = |class: &str| {
            let own = found.iter().filter(|part| part.class == class);
            own.map(|part| part.text.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(
            of("v"),
            [
                "$CI_JOB_ID",
                "$CI_COMMIT_BRANCH",
                "$CI_COMMIT_SHA",
                "$STACKBLAZE_DEPLOY_HOOK",
                "${STACKBLAZE_DEPLOY_HOOK##*/}",
            ]
        );
        assert_eq!(of("c").len(), 1);
        assert!(found.last().unwrap().waits);
    }
}
