//! Output of builds on a terminal: colours pass, everything else that a terminal would obey does not.

/// The escape character.
const ESCAPE: u8 = 0x1b;
/// Ends an operating system command, as ESC \ does.
const BELL: u8 = 0x07;
/// First byte of the two that UTF-8 has for the control characters from U+0080 to U+009F.
const LEAD: u8 = 0xc2;

/// What the last byte was part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    Lead,
    Escape,
    /// `ESC [`, up to its final letter.
    Control,
    /// `ESC ]` and its like, up to BEL or ESC \.
    Command,
    CommandEscape,
}

/// Filters a log that arrives in pieces, cut anywhere.
pub(super) struct LogText {
    has_colour: bool,
    state: State,
    sequence: Vec<u8>,
}

impl LogText {
    /// Colours stay where `has_colour`.
    pub(super) fn new(has_colour: bool) -> Self {
        Self { has_colour, state: State::Plain, sequence: Vec::new() }
    }

    /// The next piece as it may be shown.
    pub(super) fn filter(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(piece.len());
        for &byte in piece {
            self.state = self.step(byte, &mut shown);
        }
        shown
    }

    fn step(&mut self, byte: u8, shown: &mut Vec<u8>) -> State {
        // A sequence that has not ended is given up at the end of its line.
        if byte == b'\n' {
            self.sequence.clear();
            return plain(byte, shown);
        }
        match self.state {
            State::Lead if (0x80..=0x9f).contains(&byte) => State::Plain,
            State::Lead => {
                shown.push(LEAD);
                plain(byte, shown)
            }
            State::Plain => plain(byte, shown),
            State::Escape if byte == b'[' => {
                self.sequence.clear();
                State::Control
            }
            State::Escape if b"]PX^_".contains(&byte) => State::Command,
            // A sequence of two bytes, or with blanks and signs between the first and the last.
            State::Escape if (0x20..=0x2f).contains(&byte) => State::Escape,
            State::Escape => State::Plain,
            State::Control if (0x40..=0x7e).contains(&byte) => {
                if byte == b'm' && self.has_colour && self.is_colour() {
                    shown.extend_from_slice(b"\x1b[");
                    shown.append(&mut self.sequence);
                    shown.push(b'm');
                }
                State::Plain
            }
            State::Control => {
                self.sequence.push(byte);
                State::Control
            }
            State::Command if byte == BELL => State::Plain,
            State::Command if byte == ESCAPE => State::CommandEscape,
            State::CommandEscape if byte == b'\\' => State::Plain,
            State::Command | State::CommandEscape => State::Command,
        }
    }

    fn is_colour(&self) -> bool {
        self.sequence.iter().all(|byte| byte.is_ascii_digit() || b";:".contains(byte))
    }
}

fn plain(byte: u8, shown: &mut Vec<u8>) -> State {
    match byte {
        ESCAPE => State::Escape,
        LEAD => State::Lead,
        b'\n' | b'\t' | b'\r' | 0x20..=0x7e | 0x80..=0xff => {
            shown.push(byte);
            State::Plain
        }
        _ => State::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(has_colour: bool, pieces: &[&str]) -> String {
        let mut text = LogText::new(has_colour);
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| text.filter(piece.as_bytes())).collect();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn colours_pass_where_they_are_wanted_also_when_cut_in_two() {
        assert_eq!(shown(true, &["a\x1b[1;3", "2mb\x1b[0m"]), "a\x1b[1;32mb\x1b[0m");
        assert_eq!(shown(false, &["a\x1b[1;3", "2mb\x1b[0m"]), "ab");
    }

    #[test]
    fn what_moves_the_cursor_sets_a_title_or_the_clipboard_never_passes() {
        let nasty = "a\x1b[2Jb\x1b]52;c;aGk=\x07c\x1b]0;title\x1b\\d\x1b(0e\u{9b}2Jf\x08\x07g";
        assert_eq!(shown(true, &[nasty]), "abcde2Jfg");
    }

    #[test]
    fn a_sequence_that_never_ends_hides_no_other_line() {
        for open in ["\x1b]0;title", "\x1b[31", "\x1bP+q", "\x1b"] {
            assert_eq!(shown(true, &[&format!("a{open}\nb\n")]), "a\nb\n", "{open:?}");
        }
    }

    #[test]
    fn letters_of_every_script_pass() {
        assert_eq!(shown(true, &["Ænd £ 日本\tx\r\n"]), "Ænd £ 日本\tx\r\n");
    }
}
