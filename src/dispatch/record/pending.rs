//! Text of a log that is not stored yet.

/// Most text that waits for a database which does not take it, in bytes; the oldest goes.
const MAX_BYTES: usize = 256 * 1024;

/// Waits to be stored.
#[derive(Debug, Default)]
pub(super) struct Pending {
    text: String,
    /// Bytes that could not be stored and are told of in the text that follows.
    lost: usize,
}

impl Pending {
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What is to be stored now.
    pub(super) fn to_store(&self) -> String {
        match self.lost {
            0 => self.text.clone(),
            lost => format!("… {lost} bytes were lost …\n{}", self.text),
        }
    }

    /// All of it was stored.
    pub(super) fn clear(&mut self) {
        self.lost = 0;
        self.text.clear();
    }

    /// Drops what there is no room for. Whole lines go, so that what stays begins where a line does.
    pub(super) fn shrink(&mut self) {
        let surplus = self.text.len().saturating_sub(MAX_BYTES);
        let surplus = self.text.ceil_char_boundary(surplus);
        let line = self.text[surplus..].find('\n').filter(|_| surplus > 0);
        let surplus = line.map_or(surplus, |at| surplus + at + 1);
        self.text.drain(..surplus);
        self.lost += surplus;
    }
}
