//! The id of a deployment and the name of its run, which are one thing in two spellings.

use std::fmt;

use super::Timestamp;
use super::digits::is_base36;
use super::entropy::{BASE36, random_digits};

/// Characters of the id that hold the milliseconds since 1970; enough until 2059.
const TIME_DIGITS: usize = 8;
/// Characters drawn anew for each id: 62 bits, since knowing an id is the right to read its status.
const RANDOM_DIGITS: usize = 12;

/// `dep_` and 20 of `[0-9a-z]`: 8 for the millisecond, so that names sort by age, and 12 random.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeploymentId(String);

/// The name of a deployment's run: the id with `-` for `_`, a legal Kubernetes name of 24 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunName(String);

impl DeploymentId {
    /// Draws a new id for this moment.
    pub fn generate(now: Timestamp) -> Self {
        let mut time = [b'0'; TIME_DIGITS];
        let mut rest = u64::try_from(now.as_millis()).unwrap_or(0);
        for digit in time.iter_mut().rev() {
            *digit = BASE36[usize::try_from(rest % 36).unwrap_or(0)];
            rest /= 36;
        }
        let time: String = time.into_iter().map(char::from).collect();
        Self(format!("dep_{time}{}", random_digits(BASE36, RANDOM_DIGITS)))
    }

    /// When it was accepted: the moment that it was drawn for.
    pub fn accepted_at(&self) -> Timestamp {
        let digits = self.0.trim_start_matches("dep_").get(..TIME_DIGITS).unwrap_or_default();
        Timestamp::from_millis(i64::from_str_radix(digits, 36).unwrap_or(0))
    }

    /// Reads either spelling, `dep_…` or the run name `dep-…`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("dep_").or_else(|| text.strip_prefix("dep-"))?;
        (digits.len() == TIME_DIGITS + RANDOM_DIGITS && is_base36(digits))
            .then(|| Self(format!("dep_{digits}")))
    }

    /// The id as shown, `dep_…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its run.
    pub fn run_name(&self) -> RunName {
        RunName(self.0.replace('_', "-"))
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for DeploymentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for DeploymentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("is no id of a deployment"))
    }
}

impl RunName {
    /// The name, `dep-…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The deployment that the run belongs to.
    pub fn deployment_id(&self) -> DeploymentId {
        DeploymentId(self.0.replace('-', "_"))
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_24_characters_sorts_by_age_and_is_drawn_anew_each_time() {
        let earlier = DeploymentId::generate(Timestamp::from_millis(1_795_530_649_120));
        let later = DeploymentId::generate(Timestamp::from_millis(1_795_530_649_121));
        let again = DeploymentId::generate(Timestamp::from_millis(1_795_530_649_121));

        assert!(earlier.as_str() < later.as_str() && earlier.as_str().len() == 24);
        assert_ne!(later, again);
    }

    #[test]
    fn an_id_tells_when_it_was_accepted() {
        let at = Timestamp::from_millis(1_795_530_649_120);

        assert_eq!(DeploymentId::generate(at).accepted_at(), at);
    }

    #[test]
    fn both_spellings_are_read_and_anything_else_is_not() {
        let id = DeploymentId::generate(Timestamp::from_millis(1));

        assert_eq!(DeploymentId::parse(id.run_name().as_str()), Some(id.clone()));
        assert_eq!(DeploymentId::parse(id.as_str()), Some(id));
        for wrong in [
            "",
            "dep_",
            "dep_mwuangvh9xk2mq7rz4t",
            "dep_MWUANGVH9XK2MQ7RZ4TB",
            "dep:mwuangvh9xk2mq7rz4tb",
            "dep_mwuangvh9xk2mq7rz4tbb",
        ] {
            assert_eq!(DeploymentId::parse(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn id_and_run_name_are_a_bijection_and_the_name_is_a_dns_label(ms in 0_i64..2_800_000_000_000) {
            let id = DeploymentId::generate(Timestamp::from_millis(ms));
            let name = id.run_name();

            proptest::prop_assert_eq!(name.deployment_id(), id);
            proptest::prop_assert!(name.as_str().len() == 24);
            proptest::prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        }
    }
}
