//! Passwords of operators: what may be one, and the slow hash that is stored in its place.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash as Stored;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use zeroize::Zeroizing;

use super::Invalid;
use super::entropy::{BASE62, random_digits};

/// Shortest password, in characters.
pub const PASSWORD_MIN: usize = 12;
/// Longest password, in bytes; hashing takes all of them.
const LONGEST: usize = 1024;
/// Different characters that a password has at least.
const DIFFERENT: usize = 4;
/// Base62 digits that hold the 128 random bits that OWASP asks of a salt.
const SALT_DIGITS: usize = 22;
/// What is long enough and among the first things that are tried; lower case, one a line.
const COMMON: &str = include_str!("common_passwords.txt");
/// The hash of a password that nobody has, with the parameters of every other. Checking against it takes as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9i$uL5fGGMmsyOHZOkjVGG7+S8qnM7MAcRBVv0Qz3t4sZQ";

/// A password as typed; the same care as for a token. Never logged.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes what somebody typed to prove who they are; any text may have been a password once.
    pub fn typed(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// Takes a new password for the operator of that name.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn choose(text: &str, name: &str) -> Result<Self, Invalid> {
        let wrong = |detail: &str| Err(Invalid::new("password", detail));
        if text.chars().count() < PASSWORD_MIN {
            return wrong("a password has 12 characters or more");
        }
        if text.len() > LONGEST {
            return wrong("a password has at most 1,024 bytes");
        }
        let mut characters: Vec<_> = text.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        let lower = text.to_lowercase();
        let is_guessed =
            characters.len() < DIFFERENT || is_name(&lower, name) || COMMON.lines().any(|one| one == lower);
        if is_guessed {
            return wrong("this password is among the first that are tried; choose another");
        }
        Ok(Self::typed(text))
    }

    /// Hashes it with a new salt: Argon2id, 19 MiB, 2 passes. Takes tens of milliseconds of one core.
    pub fn hash(&self) -> PasswordHash {
        let salt = random_digits(BASE62, SALT_DIGITS);
        let hash: Result<Stored, _> =
            Argon2::default().hash_password_with_salt(self.0.as_bytes(), salt.as_bytes());
        PasswordHash(hash.map(|hash| hash.to_string()).unwrap_or_default())
    }

    /// Tells whether it is the one that was hashed. Takes as long where there is no hash, and is false then.
    pub fn is(&self, hash: Option<&PasswordHash>) -> bool {
        let stored = Stored::new(hash.map_or(NOBODY, |hash| &hash.0));
        let fits =
            stored.is_ok_and(|stored| Argon2::default().verify_password(self.0.as_bytes(), &stored).is_ok());
        fits && hash.is_some()
    }
}

/// Whether a password is little more than the operator's name.
fn is_name(lower: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    !name.is_empty() && lower.replace(&name, "").chars().count() < DIFFERENT
}

/// An Argon2id hash in the PHC form, which names its own parameters. Never shown; fits no password where it is empty.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes the stored text.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "a quiet harbour at dusk";

    #[test]
    fn the_password_that_was_hashed_fits_and_no_other() {
        let hash = Password::choose(GOOD, "mira").unwrap().hash();

        assert!(Password::typed(GOOD).is(Some(&hash)));
        for other in ["", "a quiet harbour at dus", "A quiet harbour at dusk", "a quiet harbour at dusk "] {
            assert!(!Password::typed(other).is(Some(&hash)), "{other}");
        }
    }

    #[test]
    fn a_hash_has_the_owasp_parameters_and_a_salt_of_its_own() {
        let [one, other] = [(); 2].map(|()| Password::typed(GOOD).hash());

        assert!(one.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.as_str());
        assert!(one != other);
        assert!(PasswordHash::from_stored(one.as_str().to_owned()) == one);
    }

    #[test]
    fn nobody_has_a_hash_of_the_same_cost_and_no_password_for_it() {
        let nobody = Stored::new(NOBODY).unwrap();
        let real = Password::typed(GOOD).hash();
        let real = Stored::new(real.as_str()).unwrap();

        assert_eq!(nobody.params, real.params);
        assert_eq!(nobody.hash.unwrap().as_bytes().len(), real.hash.unwrap().as_bytes().len());
        assert!(!Password::typed(GOOD).is(None) && !Password::typed("").is(None));
    }

    #[test]
    fn a_broken_hash_fits_nothing() {
        for broken in ["", "$argon2id$", "plain"] {
            assert!(
                !Password::typed(broken).is(Some(&PasswordHash::from_stored(broken.to_owned()))),
                "{broken}"
            );
        }
    }

    #[test]
    fn what_is_short_long_common_or_the_name_is_refused() {
        let long = "longer ".repeat(200);
        for refused in [
            "",
            "eleven char",
            long.as_str(),
            "aaaaaaaaaaaaaaaa",
            "abababababababab",
            "PasswordPassword",
            "correct horse battery staple",
            "mira-mira-mira",
            "MiraMiraMira12",
        ] {
            assert!(Password::choose(refused, "mira").is_err(), "{refused}");
        }
        for taken in [GOOD, "größe über alles 9", "mira goes to the market"] {
            assert!(Password::choose(taken, "mira").is_ok(), "{taken}");
        }
    }

    #[test]
    fn the_common_ones_are_long_enough_to_matter_and_written_in_lower_case() {
        for common in COMMON.lines() {
            assert!(common.chars().count() >= PASSWORD_MIN && common == common.to_lowercase(), "{common}");
        }
    }
}
