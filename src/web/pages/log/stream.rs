//! The page of a long log: answered as it is read, so that neither its text nor its HTML is ever held whole.

use std::collections::VecDeque;
use std::io;

use askama::Template;
use futures_util::stream;
use poem::{Body, IntoResponse, Response};

use crate::db::{Error, Reader};
use crate::domain::Step;
use crate::web::pages::Rendered;
use crate::web::pages::log::lines::{self, Raw, Splitter};
use crate::web::pages::log::place::Place;
use crate::web::pages::log::steps::{Block, FEW, Group, StepLog};
use crate::web::state::AppState;

/// Where `components/log.html` leaves out blocks. No value makes it, since in values `<` is escaped.
const LATER: &str = "<!--later-->\n";

/// The lines of one step, to be read when their place has come.
pub(in crate::web::pages) struct Section {
    place: Place,
    groups: Vec<Group>,
    /// Whether its last line may go on.
    grows: bool,
    has_times: bool,
    splitter: Splitter,
    reader: lines::Reader,
    written: StepLog,
}

/// A part of `components/log.html`.
#[derive(Template)]
#[template(path = "components/log_blocks.html")]
struct Blocks<'a> {
    blocks: &'a [Block],
    groups: &'a [Group],
}

impl Section {
    pub(super) fn new(step: Step, place: Place, groups: Vec<Group>, grows: bool, has_times: bool) -> Self {
        let (splitter, reader) = (Splitter::default(), lines::Reader::default());
        Self { place, groups, grows, has_times, splitter, reader, written: StepLog::new(step) }
    }

    /// Reads on, and gives the HTML of the blocks that have become whole.
    fn read(&mut self, reader: &Reader<'_>) -> Result<askama::Result<String>, Error> {
        let parts = self.place.read(reader)?;
        let (own, lines, groups) = (&mut self.written, &mut self.reader, &self.groups);
        let (mut html, mut result) = (String::new(), Ok(()));
        let mut take = |raw: Raw<'_>| {
            match &raw {
                raw if raw.step() == own.step => own.read(raw, lines),
                Raw::Line { step, text, .. } => drop(lines.skim(*step, text)),
                Raw::Cut { .. } => {}
            }
            if own.blocks.len() > FEW && result.is_ok() {
                result = Blocks { blocks: &own.take_whole(), groups }.render_into(&mut html);
            }
        };
        for part in &parts {
            self.splitter.push(part.piece(self.has_times), &mut take);
        }
        if self.place.is_over() {
            std::mem::take(&mut self.splitter).finish(self.grows, &mut take);
            own.finish();
        }
        let blocks = if self.place.is_over() { std::mem::take(&mut own.blocks) } else { own.take_whole() };
        let rest = |()| Blocks { blocks: &blocks, groups }.render_into(&mut html);
        Ok(result.and_then(rest).map(|()| html))
    }

    /// All of it.
    #[cfg(test)]
    pub(super) fn html(mut self, reader: &Reader<'_>) -> String {
        let mut html = String::new();
        while !self.place.is_over() {
            html += &self.read(reader).unwrap().unwrap();
        }
        html
    }
}

#[cfg(test)]
pub(super) fn html(blocks: &[Block], groups: &[Group]) -> String {
    Blocks { blocks, groups }.render().unwrap()
}

/// A part of the page.
enum Part {
    Html(String),
    Lines(Box<Section>),
}

/// Answers with a page; the sections come in the places that it leaves for them, in order.
pub(in crate::web::pages) fn respond(state: &AppState, page: Rendered, later: Vec<Section>) -> Response {
    if later.is_empty() {
        return page.into_response();
    }
    let state = state.clone();
    page.into_response_with(move |html| {
        let parts = (state, split(&html, later));
        Body::from_bytes_stream(stream::try_unfold(parts, |(state, mut parts)| async move {
            Ok::<_, io::Error>(next(&state, &mut parts).await?.map(|html| (html, (state, parts))))
        }))
    })
}

fn split(html: &str, later: Vec<Section>) -> VecDeque<Part> {
    let mut parts = VecDeque::new();
    let mut later = later.into_iter();
    for (index, html) in html.split(LATER).enumerate() {
        if index > 0 {
            parts.extend(later.next().map(|section| Part::Lines(Box::new(section))));
        }
        parts.push_back(Part::Html(html.to_owned()));
    }
    parts
}

/// The next part with anything in it. Whoever has gone away asks for none.
async fn next(state: &AppState, parts: &mut VecDeque<Part>) -> io::Result<Option<String>> {
    loop {
        let mut section = match parts.pop_front() {
            None => return Ok(None),
            Some(Part::Html(html)) => return Ok(Some(html)),
            Some(Part::Lines(section)) => section,
        };
        let read = move |reader: &Reader<'_>| {
            let html = section.read(reader)?;
            Ok::<_, Error>((section, html))
        };
        let (section, html) = state.db().logs().read(read).await.map_err(io::Error::other)?;
        if !section.place.is_over() {
            parts.push_front(Part::Lines(section));
        }
        let html = html.map_err(io::Error::other)?;
        if !html.is_empty() {
            return Ok(Some(html));
        }
    }
}
