//! Where the image of a deployment comes from.

/// Where the image of a deployment comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It is built from the repository.
    Build,
    /// The caller named it.
    Image,
    /// It is that of another deployment, which the caller named.
    Promoted,
    /// A rollback serves again what an earlier deployment left.
    Kept,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Build, Self::Image, Self::Promoted, Self::Kept];
    /// What a hook's rule can name: to build, or to take what is built, promoted or not.
    pub const ASKED: [Self; 2] = [Self::Build, Self::Image];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Image => "image",
            Self::Promoted => "promoted",
            Self::Kept => "kept",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }

    /// Reads one that a rule can name.
    pub fn parse_asked(text: &str) -> Option<Self> {
        Self::parse(text).filter(|source| Self::ASKED.contains(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_a_rule_names_two_of_them() {
        assert!(Source::ALL.into_iter().all(|source| Source::parse(source.as_str()) == Some(source)));
        assert_eq!(
            Source::ALL.map(|source| Source::parse_asked(source.as_str()).is_some()),
            [true, true, false, false]
        );
    }
}
