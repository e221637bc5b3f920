//! Values that break a rule of the product, and all of them at once.

/// A value that breaks a rule of the product: which field, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct Invalid {
    /// The field or parameter as the caller spelled it, for example `branch` or `local.env`.
    pub field: String,
    /// What is wrong and what would be accepted, without a full stop.
    pub detail: String,
}

impl Invalid {
    /// Names a field and what would be right.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// Everything that is wrong with what somebody gave, in the order of its fields, so that it can be told at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<Invalid>);

impl Faults {
    /// What was read; where it could not be, that is kept.
    pub fn take<T>(&mut self, read: Result<T, Invalid>) -> Option<T> {
        read.map_err(|invalid| self.0.push(invalid)).ok()
    }

    /// The same of what may have several faults.
    pub fn take_all<T>(&mut self, read: Result<T, Vec<Invalid>>) -> Option<T> {
        read.map_err(|faults| self.0.extend(faults)).ok()
    }

    /// Those that can be read, where all of them can.
    pub fn take_each<T, C: FromIterator<T>>(
        &mut self,
        read: impl IntoIterator<Item = Result<T, Invalid>>,
    ) -> Option<C> {
        let before = self.0.len();
        let all: Vec<Option<T>> = read.into_iter().map(|one| self.take(one)).collect();
        (self.0.len() == before).then(|| all.into_iter().flatten().collect())
    }

    /// Names a field and what would be right.
    pub fn add(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Invalid::new(field, detail));
    }

    /// Whether nothing was wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them; at least one.
    ///
    /// # Errors
    /// Where there is any.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<Invalid>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_in_order() {
        let mut faults = Faults::default();
        assert_eq!(faults.take(Ok(1)), Some(1));
        assert_eq!(faults.take::<u8>(Err(Invalid::new("a", "1"))), None);
        let numbers = |texts: [&str; 3]| texts.map(|text| text.parse().map_err(|_| Invalid::new("b", text)));
        assert_eq!(faults.take_each::<u8, Vec<_>>(numbers(["1", "2", "3"])), Some(vec![1, 2, 3]));
        assert_eq!(faults.take_each::<u8, Vec<_>>(numbers(["x", "2", "y"])), None);
        faults.add("c", "3");

        let told = faults.finish(()).unwrap_err();

        assert_eq!(told.iter().map(|one| one.detail.as_str()).collect::<Vec<_>>(), ["1", "x", "y", "3"]);
        assert_eq!(Faults::default().finish(7), Ok(7));
    }
}
