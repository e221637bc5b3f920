//! The sample repository, and git. The only processes that the command line starts are here.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::cli::failure::{FAILED, Failure};

/// Files of branch `main`.
const FILES: [(&str, &str); 4] = [
    ("build.sh", include_str!("build.sh")),
    ("deploy.sh", include_str!("deploy.sh")),
    ("index.html", include_str!("index.html")),
    ("style.css", include_str!("style.css")),
];
/// The one file that branch `feat/new-ui` changes.
const NEW_UI: (&str, &str) = ("style.css", include_str!("new_ui.css"));
/// The second branch.
pub(super) const BRANCH: &str = "feat/new-ui";
/// The branch whose build fails: a page of it lacks its end.
pub(super) const BROKEN: &str = "fix/headline";

/// What git says its version is.
///
/// # Errors
/// Where there is no git that can be run.
pub(in crate::cli) fn git_version() -> Result<String, Failure> {
    let output = Command::new("git").arg("--version").stdin(Stdio::null()).output();
    let text = match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => {
            return Err(Failure::new(FAILED, "git cannot be run; it fetches the source of every deployment")
                .hint("install it, for example: apt-get install git"));
        }
    };
    Ok(text.strip_prefix("git version ").unwrap_or(&text).to_owned())
}

/// Makes the repository with its branches.
pub(super) fn make(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    git(folder, &["init", "--quiet"])?;
    // What `git init -b main` does, also with a git that does not know the option.
    git(folder, &["symbolic-ref", "HEAD", "refs/heads/main"])?;
    for (name, text) in FILES {
        write(folder, name, text)?;
    }
    commit(folder, "Say hello")?;
    branch(folder, BRANCH, NEW_UI, "Give it a new look")?;
    let page = include_str!("index.html").replace("</body>\n</html>\n", "").replace("Hello", "Good morning");
    branch(folder, BROKEN, ("index.html", &page), "Say good morning")
}

/// A branch off `main` that changes one file.
fn branch(folder: &Path, name: &str, (file, text): (&str, &str), message: &str) -> Result<(), Failure> {
    git(folder, &["checkout", "--quiet", "-b", name])?;
    write(folder, file, text)?;
    commit(folder, message)?;
    git(folder, &["checkout", "--quiet", "main"])
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let file = folder.join(name);
    Ok(std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?)
}

fn commit(folder: &Path, message: &str) -> Result<(), Failure> {
    git(folder, &["add", "--all"])?;
    git(folder, &["commit", "--quiet", "--no-verify", "--message", message])
}

/// Runs git apart from the user's own settings and repositories.
fn git(folder: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let identity = ["user.name=StackBlaze demo", "user.email=demo@localhost", "commit.gpgsign=false"];
    let mut command = Command::new("git");
    command.arg("-C").arg(folder);
    for setting in identity {
        command.args(["-c", setting]);
    }
    command.args(arguments).stdin(Stdio::null());
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_TEMPLATE_DIR"]
    {
        command.env_remove(variable);
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().context("cannot run git")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(FAILED, format!("git {} failed: {said}", arguments.join(" "))))
}
