//! Terminal output to runs of text with classes of the stylesheet; never to HTML.
//!
//! Colours and weights become classes, every other control is dropped. A class is one of a fixed set, so nothing
//! that a build prints can reach an attribute.

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};

use crate::web::pages::log::links;

/// Classes of the colours 0–7, in the terminal's order.
const COLOURS: [&str; 8] = ["k", "r", "g", "y", "bl", "m", "cy", "wh"];
/// What the eight look like on a common terminal; other colours go to the nearest of these.
const PALETTE: [[i32; 3]; 8] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
];

/// Text in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Classes, parted by blanks; empty for plain text.
    pub classes: String,
    /// The text, without control characters other than tabs.
    pub text: String,
}

impl Segment {
    /// The text in parts: whether one is an address, and the part.
    pub fn parts(&self) -> Vec<(bool, &str)> {
        links::parts(&self.text)
    }
}

/// Colour and weight; carried from line to line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Index of the colour, and whether it is the bright one.
    colour: Option<(usize, bool)>,
    bold: bool,
    dim: bool,
    underlined: bool,
}

impl Style {
    fn classes(self) -> String {
        let mut classes = Vec::new();
        classes.extend(self.colour.map(|(colour, _)| COLOURS[colour]));
        let is_bright = self.colour.is_some_and(|(_, bright)| bright);
        classes.extend((self.bold || is_bright).then_some("b"));
        classes.extend(self.dim.then_some("d"));
        classes.extend(self.underlined.then_some("u"));
        classes.join(" ")
    }

    /// Applies one SGR sequence. Backgrounds are read, so that their numbers are not taken for others, and ignored.
    fn apply(&mut self, params: &Params) {
        let mut params = params.iter();
        while let Some(param) = params.next() {
            let code = param.first().copied().unwrap_or(0);
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                4 => self.underlined = param.get(1) != Some(&0),
                21 => self.underlined = true,
                22 => (self.bold, self.dim) = (false, false),
                24 => self.underlined = false,
                30..=37 => self.colour = Some((usize::from(code - 30), false)),
                90..=97 => self.colour = Some((usize::from(code - 90), true)),
                39 => self.colour = None,
                38 | 48 => {
                    let colour = extended(param, &mut params);
                    if code == 38 && colour.is_some() {
                        self.colour = colour;
                    }
                }
                _ => {}
            }
        }
    }
}

/// Reads the colour after 38 or 48, written with colons in one parameter or with semicolons over several.
fn extended<'a>(param: &[u16], rest: &mut impl Iterator<Item = &'a [u16]>) -> Option<(usize, bool)> {
    let mut next = || rest.next().and_then(|param| param.first().copied());
    match param {
        [_, 5, index, ..] => indexed(*index),
        [_, 2, _, r, g, b, ..] | [_, 2, r, g, b] => Some((nearest([*r, *g, *b]), false)),
        [_] => match next()? {
            5 => indexed(next()?),
            2 => Some((nearest([next()?, next()?, next()?]), false)),
            _ => None,
        },
        _ => None,
    }
}

/// One of the 256 colours: the eight, the eight bright ones, a cube of 6 × 6 × 6, and 24 greys.
fn indexed(index: u16) -> Option<(usize, bool)> {
    match index {
        0..=7 => Some((usize::from(index), false)),
        8..=15 => Some((usize::from(index - 8), true)),
        16..=231 => {
            let cube = index - 16;
            let level = |step: u16| if step == 0 { 0 } else { 55 + 40 * step };
            Some((nearest([level(cube / 36), level(cube / 6 % 6), level(cube % 6)]), false))
        }
        232..=255 => Some((nearest([8 + 10 * (index - 232); 3]), false)),
        _ => None,
    }
}

fn nearest(colour: [u16; 3]) -> usize {
    let distance = |known: &[i32; 3]| -> i32 {
        known.iter().zip(colour).map(|(a, b)| (a - i32::from(b.min(255))).pow(2)).sum()
    };
    (0..PALETTE.len()).min_by_key(|&index| distance(&PALETTE[index])).unwrap_or(7)
}

/// Reads one line, without its line feed, in and to the given style. A carriage return starts the line anew, so that a
/// progress bar keeps its last state.
pub fn read_line(line: &str, style: &mut Style) -> Vec<Segment> {
    let mut reader = Reader { style: *style, segments: Vec::new(), returned: false };
    // A parser for each line: a sequence that never ends swallows its own line at most.
    let mut parser = Parser::<DefaultCharAccumulator>::new();
    for byte in line.bytes() {
        parser.advance(&mut reader, byte);
    }
    *style = reader.style;
    reader.segments
}

/// The text of the segments alone.
pub fn plain(segments: &[Segment]) -> String {
    segments.iter().map(|segment| segment.text.as_str()).collect()
}

struct Reader {
    style: Style,
    segments: Vec<Segment>,
    returned: bool,
}

impl Perform for Reader {
    fn print(&mut self, c: char) {
        if c.is_control() && c != '\t' || reorders(c) {
            return;
        }
        if std::mem::take(&mut self.returned) {
            self.segments.clear();
        }
        let classes = self.style.classes();
        match self.segments.last_mut() {
            Some(last) if last.classes == classes => last.text.push(c),
            _ => self.segments.push(Segment { classes, text: c.into() }),
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.returned = true,
            b'\t' => self.print('\t'),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if action == b'm' && intermediates.is_empty() && !ignore {
            self.style.apply(params);
        }
    }
}

/// Tells whether a character turns the order of others round, so that a line reads as what it is not.
fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line as `classes:text` parts, from a fresh style.
    fn read(line: &str) -> String {
        let segments = read_line(line, &mut Style::default());
        let parts: Vec<_> = segments.iter().map(|s| format!("{}:{}", s.classes, s.text)).collect();
        parts.join("|")
    }

    #[test]
    fn colours_and_weights_become_classes() {
        for (line, expected) in [
            ("plain", ":plain"),
            ("\x1b[31mred\x1b[0m rest", "r:red|: rest"),
            ("\x1b[1;36m[1/4]\x1b[22m x", "cy b:[1/4]|cy: x"),
            ("\x1b[92mbright\x1b[39m off", "g b:bright|: off"),
            ("\x1b[2mdim\x1b[m\x1b[4mline\x1b[24m", "d:dim|u:line"),
            ("\x1b[34;43mon yellow\x1b[49m", "bl:on yellow"),
            ("\x1b[30mk\x1b[33my\x1b[35mm\x1b[37mw", "k:k|y:y|m:m|wh:w"),
        ] {
            assert_eq!(read(line), expected, "{line:?}");
        }
    }

    #[test]
    fn larger_palettes_go_to_the_nearest_of_the_eight() {
        for (line, expected) in [
            ("\x1b[38;5;1mx", "r:x"),
            ("\x1b[38;5;10mx", "g b:x"),
            ("\x1b[38;5;208mx", "y:x"),
            ("\x1b[38;5;250mx", "wh:x"),
            ("\x1b[38;5;21mx", "bl:x"),
            ("\x1b[38;5;232mx", "k:x"),
            ("\x1b[38;2;255;85;85mx", "r:x"),
            ("\x1b[38:2::0:200:210mx", "cy:x"),
            ("\x1b[38:2:200:0:210mx", "m:x"),
            ("\x1b[48;2;1;31;1;32mx", "g:x"),
            ("\x1b[38;2;999;0;0mx", "r:x"),
            ("\x1b[38;5;999mx", ":x"),
            ("\x1b[38;5mx", ":x"),
            ("\x1b[38mx", ":x"),
            ("\x1b[38;7;1mx", "b:x"),
        ] {
            assert_eq!(read(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_carriage_return_keeps_the_last_state() {
        assert_eq!(read("10 %\r50 %\r100 %\r"), ":100 %");
        assert_eq!(read("done\r"), ":done");
        assert_eq!(read("a\r\x1b[K\x1b[32mb"), "g:b");
        assert_eq!(read("\r\r"), "");
    }

    #[test]
    fn style_is_carried_from_line_to_line() {
        let mut style = Style::default();
        read_line("\x1b[1;31mfirst", &mut style);

        let second = read_line("second\x1b[0m", &mut style);

        assert_eq!(second, [Segment { classes: "r b".into(), text: "second".into() }]);
        assert_eq!(style, Style::default());
    }

    #[test]
    fn other_controls_are_dropped() {
        for line in [
            "a\x1b[?25lb",
            "a\x1b]8;;https://evil.example\x1b\\b",
            "a\x1b]0;title\x07b",
            "a\x1bP+q\x1b\\b",
            "a\x1b[2J\x1b[1;1Hb",
            "a\x1b[>4;2mb",
            "a\x00\x07\x08\x0b\x0c\x7fb",
            "a\u{9b}b",
            "a\u{202e}b",
            "a\u{2066}b",
        ] {
            assert_eq!(read(line), ":ab", "{line:?}");
        }
        assert_eq!(read("a\tb"), ":a\tb");
        assert_eq!(read("größe ✓ 日本"), ":größe ✓ 日本");
    }

    #[test]
    fn a_sequence_that_never_ends_stays_in_its_line() {
        let mut style = Style::default();
        read_line("a\x1b]0;never ends", &mut style);

        assert_eq!(plain(&read_line("next", &mut style)), "next");
    }

    #[test]
    fn markup_is_only_text() {
        assert_eq!(read("<script>alert(1)</script>"), ":<script>alert(1)</script>");
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_in_classes_are_ours_and_text_has_no_controls(
            line in "(\\x1b\\[[0-9;:]{0,12}[mKJh]|\\x1b[\\]P_^X]|\\r|[ -~]|\\PC|\\pC){0,60}"
        ) {
            for segment in read_line(&line, &mut Style::default()) {
                for class in segment.classes.split(' ').filter(|class| !class.is_empty()) {
                    proptest::prop_assert!(["b", "d", "u"].contains(&class) || COLOURS.contains(&class));
                }
                proptest::prop_assert!(segment.text.chars().all(|c| c == '\t' || !c.is_control()));
            }
        }
    }
}
