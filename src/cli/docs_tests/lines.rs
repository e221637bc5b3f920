//! Command lines in a page: where they stand, and their words as a shell has them.

/// A command line of ours.
pub(super) struct Line {
    pub text: String,
    /// Whether nothing of it is left out.
    pub is_whole: bool,
}

/// The lines of fenced and indented blocks, and those of the text around them.
pub(super) fn parted(page: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut code, mut text, mut is_fenced) = (Vec::new(), Vec::new(), false);
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced || line.starts_with("    ") {
            code.push(line);
        } else {
            text.push(line);
        }
    }
    (code, text)
}

/// The command lines of ours in blocks. A line that ends with `\` goes on.
pub(super) fn commands(page: &str) -> Vec<Line> {
    let code = parted(page).0.join("\n").replace("\\\n", " ");
    code.lines().filter_map(ours).collect()
}

/// What is ours in a line: behind `sudo`, `exec` in a pod, or by itself.
fn ours(line: &str) -> Option<Line> {
    let line = line.trim();
    let line = line.strip_prefix("sudo -u stackblaze ").unwrap_or(line);
    let line = line.split_once(" -- ").map_or(line, |(_, inner)| inner);
    let is_whole = !line.contains('…');
    let text = line.replace('…', "");
    text.starts_with("stackblaze ").then_some(Line { text, is_whole })
}

/// The words of a simple command, as a shell makes them, up to what ends the command.
pub(super) fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote): (Vec<String>, Option<String>, Option<char>) =
        (Vec::new(), None, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(letters.next()),
            (None, '|' | '>' | '<' | ';' | '&') => break,
            (None, '#') if word.is_none() => break,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[test]
fn words_are_those_of_a_shell() {
    assert_eq!(
        words(r#"stackblaze a  'b c' "d \"e\"" f\ g '' > out # h"#),
        ["stackblaze", "a", "b c", "d \"e\"", "f g", ""]
    );
    assert_eq!(words("a 'b|c' | d"), ["a", "b|c"]);
}
