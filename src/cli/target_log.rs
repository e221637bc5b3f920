//! What a target was told, and what it answered.

use std::process::ExitCode;

use crate::cli::answer::Answer;
use crate::cli::failure::{FAILED, Failure};
use crate::cli::output::{age, or_dash, shown};
use crate::cli::remote::Session;
use crate::wire::list::List;
use crate::wire::target::NoticeJson;

/// The state of a notice that the target took.
const DELIVERED: &str = "delivered";

/// Sends a target something and shows its answer; the exit code tells whether it took it.
pub(super) async fn test(session: &Session, id: &str, path: &str) -> Result<ExitCode, Failure> {
    let notice: Answer<NoticeJson> = Answer::read(session.client.post_nothing(path).await?)?;
    let has_arrived = notice.state == DELIVERED;
    if !session.out.printed_as_json(&notice.json) {
        let last = notice.last.as_ref();
        session.out.fields(&[
            ("notice", notice.id.clone()),
            ("state", notice.state.to_string()),
            ("HTTP status", shown(last.and_then(|last| last.status).as_ref())),
            ("took", last.map(|last| format!("{} ms", last.took_ms)).unwrap_or_default()),
            ("answer", last.map(|last| last.answer.clone()).unwrap_or_default()),
        ]);
    }
    let next = if has_arrived { "log" } else { "show" };
    session.next(&format!("stackblaze target {next} {id}"));
    Ok(if has_arrived { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// The last notices to a target.
pub(super) async fn list(session: &Session, id: &str, path: &str) -> Result<(), Failure> {
    let list = session.client.get(path).await?;
    if session.out.printed_as_json(&list) {
        return Ok(());
    }
    let list: Answer<List<NoticeJson>> = Answer::read(list)?;
    if list.items.is_empty() {
        session.out.note("It was told of nothing yet.");
        session.next(&format!("stackblaze target test {id}"));
        return Ok(());
    }
    let rows: Vec<_> = list.items.iter().map(row).collect();
    let head = ["WHEN", "STATE", "EVENT", "DEPLOYMENT", "TRIES", "STATUS", "TOOK", "ID", "ANSWER"];
    session.out.table(&head, &rows, 1);
    Ok(())
}

fn row(notice: &NoticeJson) -> Vec<String> {
    let last = notice.last.as_ref();
    let status = shown(last.and_then(|last| last.status).as_ref());
    let took = last.map(|last| format!("{} ms", last.took_ms)).unwrap_or_default();
    let answer = last.map(|last| last.answer.clone()).unwrap_or_default();
    vec![
        age(Some(notice.at)),
        notice.state.to_string(),
        notice.event.to_string(),
        or_dash(shown(notice.deployment_id.as_ref())),
        notice.tries.to_string(),
        or_dash(status),
        or_dash(took),
        notice.id.clone(),
        or_dash(answer),
    ]
}

/// Lets a notice be sent once more.
pub(super) async fn redeliver(session: &Session, id: &str, path: &str) -> Result<(), Failure> {
    let notice: Answer<NoticeJson> = Answer::read(session.client.post_nothing(path).await?)?;
    session.out.result(&notice.json, &format!("notice {} is sent once more", notice.id));
    session.next(&format!("stackblaze target log {id}"));
    Ok(())
}
