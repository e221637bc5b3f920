//! What is secret of a target, and how it is given: by a file or by stdin, never as a word of the command line.

use std::path::Path;

use anyhow::Context;

use crate::cli::failure::Failure;
use crate::cli::remote::Session;
use crate::domain::{TargetKind, TargetUrl};
use crate::wire::target::TargetBody;

/// Stands for stdin.
const STDIN: &str = "-";

/// The address and the token of a target, as they are sent.
pub(super) struct Given {
    pub(super) url: Option<String>,
    pub(super) secret: Option<String>,
}

impl Given {
    /// Reads what stands in a file or comes over stdin.
    pub(super) fn read(url: Option<String>, secret_file: Option<&str>) -> Result<Self, Failure> {
        if url.as_deref() == Some(STDIN) && secret_file == Some(STDIN) {
            return Err(Failure::usage("URL and --secret-file cannot both be stdin"));
        }
        let url = url.map(|url| if url == STDIN { read_secret(STDIN) } else { Ok(url) });
        let secret = secret_file.map(read_secret);
        Ok(Self { url: url.transpose()?, secret: secret.transpose()? })
    }
}

fn read_secret(file: &str) -> Result<String, Failure> {
    if file == STDIN {
        let read = std::io::read_to_string(std::io::stdin()).context("cannot read stdin")?;
        return Ok(read.trim().to_owned());
    }
    read_file(Path::new(file))
}

/// The text of a file without the line's end.
pub(super) fn read_file(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// `[KIND] URL`: of one word alone it is told what it is.
pub(super) fn kind_and_url(
    first: String,
    second: Option<String>,
) -> Result<(Option<String>, String), Failure> {
    match second {
        Some(url) => Ok((Some(first), url)),
        None if TargetKind::parse(&first).is_none() => Ok((None, first)),
        None => Err(Failure::usage("the URL is missing")
            .hint(format!("for example: stackblaze target add {first} https://example.com/hooks/deploys"))),
    }
}

/// A refusal that names kind and address as the line has them: they are no flags.
pub(super) fn as_typed(mut failure: Failure, session: &Session) -> Failure {
    if !session.out.json {
        let word =
            |field: String| if ["kind", "url"].contains(&&*field) { field.to_uppercase() } else { field };
        failure.parameter = failure.parameter.map(word);
    }
    failure
}

/// Says what is stored in clear, and warns of what is sent so.
pub(super) fn say_what_is_kept(session: &Session, body: &TargetBody, kind: &str) {
    let url = body.url.as_deref().and_then(|url| TargetUrl::parse(url).ok());
    let is_chat = TargetKind::parse(kind).is_some_and(TargetKind::is_chat);
    if url.as_ref().is_some_and(TargetUrl::is_plain) {
        session.out.warn("over http:// whoever is on the way can read what is told; use https://");
    }
    if body.secret.is_some() {
        session.out.note("The token is stored in clear and is not shown again.");
    }
    if url.is_some() && is_chat {
        session.out.note("The address is a secret: it is stored in clear, and only its host is shown again.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_an_address_unless_it_is_a_kind() {
        let read =
            |first: &str, second: Option<&str>| kind_and_url(first.to_owned(), second.map(str::to_owned));
        let github = "https://github.com/you/api";

        assert_eq!(read(github, None).unwrap(), (None, github.to_owned()));
        assert_eq!(read("-", None).unwrap(), (None, "-".to_owned()));
        assert_eq!(read("slack", Some("-")).unwrap(), (Some("slack".to_owned()), "-".to_owned()));
        assert_eq!(read("slack", None).unwrap_err().text, "the URL is missing");
    }

    #[test]
    fn a_token_is_read_from_a_file_without_its_lines_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "ghp_x\r\n").unwrap();

        let given = Given::read(Some("https://x.example/".to_owned()), file.to_str()).unwrap();

        assert_eq!(
            (given.url.as_deref(), given.secret.as_deref()),
            (Some("https://x.example/"), Some("ghp_x"))
        );
        let missing = Given::read(None, Some("/nowhere/token")).err().unwrap();
        assert!(missing.text.starts_with("cannot read /nowhere/token"), "{}", missing.text);
        assert!(Given::read(Some("-".to_owned()), Some("-")).err().unwrap().text.contains("both be stdin"));
    }
}
