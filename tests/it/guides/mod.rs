//! The pages of `docs/`: what they link to, whether their texts are what they look like, and the lines that run here.

mod blocks;
mod links;
mod others;
mod server;
mod vps;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::guest::output;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A page of `docs/`.
fn page(name: &str) -> String {
    read(&root().join("docs").join(name))
}

/// All pages that are written for readers.
fn pages() -> Vec<PathBuf> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    pages.extend(["README.md", "CHANGELOG.md", "ARCHITECTURE.md"].map(|name| root().join(name)));
    pages.sort();
    pages
}

/// A block between fences.
#[derive(Debug)]
struct Block {
    language: String,
    /// Without the indent that the fence has.
    text: String,
    /// The line of its fence, from 1 on.
    line: usize,
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut found, mut open): (Vec<Block>, Option<(Block, usize)>) = (Vec::new(), None);
    for (index, line) in page.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(_), Some((block, _))) => found.push(block),
            (Some(language), None) => {
                let language = language.to_owned();
                open = Some((Block { language, text: String::new(), line: index + 1 }, indent));
            }
            (None, Some((mut block, indent))) => {
                block.text.push_str(line.get(indent..).unwrap_or_default());
                block.text.push('\n');
                open = Some((block, indent));
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block has no end");
    found
}

/// The shell texts of a page, those below the heading that begins so where one is named.
fn shell_of(page: &str, heading: Option<&str>) -> Vec<String> {
    let part = heading.map_or(page, |heading| {
        let rest = page.split_once(&format!("\n{heading}")).unwrap_or_else(|| panic!("no {heading}")).1;
        let level = heading.split(' ').next().unwrap();
        rest.split(&format!("\n{level} ")).next().unwrap()
    });
    blocks(part).into_iter().filter(|block| block.language == "sh").map(|block| block.text).collect()
}

/// A program that stands in place of the machine's own.
fn program(folder: &Path, name: &str, script: &str) {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join(name), format!("#!/bin/sh\nset -e\n{script}\n")).unwrap();
    std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Where a reader's commands run: a folder, a data directory, and programs before those of the machine.
struct Shell<'a> {
    folder: &'a Path,
    data: &'a Path,
    variables: Vec<(&'a str, String)>,
}

impl Shell<'_> {
    /// Search path with our program, and with what stands in the folder in place of programs of the machine.
    fn path(&self) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_stackblaze")).parent().unwrap();
        let usual = std::env::var_os("PATH").unwrap();
        format!("{}:{}:{}", self.folder.join("bin").display(), program.display(), usual.display())
    }

    /// Runs shell text.
    fn run(&self, text: &str) -> Output {
        let mut command = Command::new("sh");
        command.args(["-e", "-c", text]).current_dir(self.folder).env_remove("STATE_DIRECTORY");
        command.env("PATH", self.path()).env("STACKBLAZE_DATA_DIR", self.data).env("HOME", self.folder);
        output(command.envs(self.variables.iter().map(|(name, value)| (name, value))))
    }

    /// Runs shell text that has to end well; what it printed.
    fn ok(&self, text: &str) -> String {
        let Output { status, stdout, stderr } = self.run(text);
        let (printed, said) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{text}\n{printed}{said}");
        printed.into_owned()
    }
}
