//! A field that can be left as it is, emptied or set.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A field of a change: missing leaves what is there, null empties it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It was not named.
    #[default]
    Keep,
    /// It was null.
    Empty,
    /// It has this value.
    Set(T),
}

impl<T> Change<T> {
    /// Whether it was not named; such a field is not written.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// Whether it has a value.
    pub const fn is_set(&self) -> bool {
        matches!(self, Self::Set(_))
    }

    /// Sets what is given; nothing leaves what is there.
    pub fn given(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }

    /// The value that is set.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Empty => None,
        }
    }

    /// Changes the value that is set.
    ///
    /// # Errors
    /// What `map` says of it.
    pub fn try_map<U, E>(self, map: impl FnOnce(T) -> Result<U, E>) -> Result<Change<U>, E> {
        Ok(match self {
            Self::Keep => Change::Keep,
            Self::Empty => Change::Empty,
            Self::Set(value) => Change::Set(map(value)?),
        })
    }

    /// What is there after the change.
    pub fn apply(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Empty => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(value) => serializer.serialize_some(value),
            Self::Keep | Self::Empty => serializer.serialize_none(),
        }
    }
}

/// Of a field that is there; one that is missing has to be left to its default.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::from)
    }
}

impl<T> From<Option<T>> for Change<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Self::Set)
    }
}
