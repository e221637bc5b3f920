//! Words of a shell.

/// A name as a shell takes it for one word: as it is where nothing in it means something to a shell, else in single quotes.
pub fn shell_word(name: &str) -> String {
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    if is_plain { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_or_quotes_is_one_word() {
        let names = ["ci", "größe-2.x", "Mira Kowalska", "it's", ""];

        let words = names.map(shell_word);

        assert_eq!(words, ["ci", "größe-2.x", "'Mira Kowalska'", r"'it'\''s'", "''"]);
    }
}
