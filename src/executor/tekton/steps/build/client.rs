//! The builder's client, `buildctl`: what it is told, and what it tells.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::domain::ImageDigest;
use crate::executor::step_failure::StepFailure;
use crate::executor::tekton::steps::paced_output::pass_on;

use super::cause::Evidence;
use super::progress::Progress;
use super::{BuildStep, Places, failed};

/// How long a line that has not ended is held.
const PAUSE: Duration = Duration::from_secs(1);
/// Pauses after which a line that has not ended ends as it stands.
const HANGING: u64 = 2;
/// Pauses after which the log says that the build goes on: what an instruction leaves running holds its end up.
const SILENCE: u64 = 60;
/// Lines that may wait to be read.
const WAITING_LINES: usize = 64;
/// Makes the builder read every Dockerfile itself: it takes this for a sign that another frontend did so already.
const NO_OTHER_FRONTEND: &str = "cmdline=docker/dockerfile";

/// One build.
pub(super) struct Client<'a> {
    pub(super) step: &'a BuildStep,
    pub(super) places: &'a Places,
    pub(super) address: String,
    pub(super) commit: &'a str,
    pub(super) secrets: &'a BTreeMap<String, PathBuf>,
    pub(super) docker_config: Option<&'a Path>,
}

/// How a build ended.
pub(super) struct BuildEnd {
    pub(super) is_good: bool,
    pub(super) evidence: Evidence,
}

impl Client<'_> {
    /// Runs it and shows what it tells.
    pub(super) fn build(&self) -> Result<BuildEnd, StepFailure> {
        let unstarted = |error: io::Error| {
            failed("the builder's client cannot be run".to_owned()).with_detail(error.to_string())
        };
        // An empty folder: nothing of the step's own is found by a relative path.
        let folder = self.step.scratch.join("empty");
        std::fs::create_dir_all(&folder).map_err(unstarted)?;
        let mut command = Command::new("buildctl");
        command.args(self.arguments()).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        command.envs(self.docker_config.map(|config| ("DOCKER_CONFIG", config)));
        let child = command.stderr(Stdio::piped()).spawn().map_err(unstarted)?;
        self.follow(child).map_err(unstarted)
    }

    fn follow(&self, mut child: Child) -> io::Result<BuildEnd> {
        let lines = child.stderr.take().map(read_lines);
        let (output, mut log) = io::pipe()?;
        let shown = thread::spawn(move || pass_on(output, io::stdout()));
        let secrets = self.secrets.values().filter_map(|file| std::fs::read_to_string(file).ok());
        let (mut progress, mut silent) = (Progress::new(secrets), 0);
        for line in lines.into_iter().flatten() {
            silent = if line.is_some() { 0 } else { silent + 1 };
            match line {
                Some(line) => progress.take(&line),
                None if silent == SILENCE => progress.silence(SILENCE),
                None if silent == HANGING => progress.pause(),
                None => {}
            }
            log.write_all(progress.log().as_bytes())?;
        }
        let status = child.wait()?;
        let (rest, failed, plain) = progress.finish();
        log.write_all(rest.as_bytes())?;
        drop(log);
        shown.join().ok();
        Ok(BuildEnd { is_good: status.success(), evidence: Evidence { failed, plain } })
    }

    /// Every value is one argument, whatever is in it.
    fn arguments(&self) -> Vec<OsString> {
        let (folder, name) = self.places.of_dockerfile();
        let step = self.step;
        let mut all: Vec<OsString> =
            ["--addr", &self.address, "build", "--frontend", "dockerfile.v0"].map(Into::into).to_vec();
        all.push("--progress=rawjson".into());
        let mut add = |flag: &str, value: OsString| all.extend([flag.into(), value]);
        add("--local", joined("context=", &self.places.context));
        add("--local", joined("dockerfile=", folder));
        add("--opt", format!("filename={name}").into());
        add("--opt", NO_OTHER_FRONTEND.into());
        if let Some(target) = &step.target {
            add("--opt", format!("target={target}").into());
        }
        for (name, value) in &step.build_args {
            add("--opt", format!("build-arg:{name}={value}").into());
        }
        add("--opt", format!("label:org.opencontainers.image.revision={}", self.commit).into());
        for (id, file) in self.secrets {
            add("--secret", joined(&format!("id={id},src="), file));
        }
        if let Some(image) = &step.image {
            add("--output", format!("type=image,name={image},push=true").into());
            add("--metadata-file", self.metadata_file().into());
        }
        if let Some(cache) = &step.cache {
            add("--import-cache", format!("type=registry,ref={cache}").into());
            // One that cannot be written makes the next build slower and fails none.
            let kept = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true";
            add("--export-cache", format!("type=registry,ref={cache},{kept}").into());
        }
        all
    }

    fn metadata_file(&self) -> PathBuf {
        self.step.scratch.join("metadata.json")
    }

    /// The digest of what was pushed.
    pub(super) fn digest(&self) -> Result<ImageDigest, String> {
        let file = self.metadata_file();
        let text = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let told: Value = serde_json::from_slice(&text).unwrap_or_default();
        let digest = told["containerimage.digest"].as_str().unwrap_or_default();
        ImageDigest::parse(digest).ok_or_else(|| "the pushed image has no sha256 digest".to_owned())
    }
}

/// The lines, and nothing for each pause between them.
fn read_lines(from: impl io::Read + Send + 'static) -> Lines {
    let (sender, lines) = mpsc::sync_channel(WAITING_LINES);
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            line.clear();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    Lines { lines, pause: PAUSE }
}

struct Lines {
    lines: Receiver<String>,
    pause: Duration,
}

impl Iterator for Lines {
    type Item = Option<String>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.lines.recv_timeout(self.pause) {
            Ok(line) => Some(Some(line)),
            Err(RecvTimeoutError::Timeout) => Some(None),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }
}

fn joined(prefix: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(prefix);
    argument.push(path);
    argument
}

#[cfg(test)]
mod tests {
    use super::super::tests::step;
    use super::*;

    #[test]
    fn every_value_is_one_argument() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
        let step = BuildStep { target: Some("prod".to_owned()), ..step(folder.path()) };
        let secrets = BTreeMap::from([("npm".to_owned(), PathBuf::from("/secrets/npm"))]);
        let places = step.places().unwrap();
        let client = Client {
            step: &step,
            places: &places,
            address: "unix:///x".to_owned(),
            commit: "4444",
            secrets: &secrets,
            docker_config: None,
        };

        let arguments: Vec<_> =
            client.arguments().iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let has = |flag: &str, value: &str| arguments.windows(2).any(|pair| pair == [flag, value]);

        assert!(has("--opt", "build-arg:MODE=$(params.image) --x"), "{arguments:?}");
        assert!(has("--opt", "label:org.opencontainers.image.revision=4444") && has("--opt", "target=prod"));
        assert!(has("--secret", "id=npm,src=/secrets/npm") && has("--opt", NO_OTHER_FRONTEND));
        assert!(has("--output", "type=image,name=r.example.com/api:dep-1,push=true"));
        assert!(has("--import-cache", "type=registry,ref=r.example.com/api-cache-e1"));
    }

    #[test]
    fn a_pause_is_told_between_lines() {
        let (sender, lines) = mpsc::channel();
        let mut lines = Lines { lines, pause: Duration::from_millis(1) };

        assert_eq!(lines.next(), Some(None));
        sender.send("a".to_owned()).unwrap();
        drop(sender);

        assert_eq!([lines.next(), lines.next()], [Some(Some("a".to_owned())), None]);
    }
}
