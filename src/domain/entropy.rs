//! Random digits for ids and secrets, from the operating system.

/// `0-9A-Za-z`, the alphabet of secrets.
pub(crate) const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// `0-9a-z`, the alphabet of ids, legal in Kubernetes names.
pub(crate) const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Draws `count` digits of `alphabet`, each equally likely (rejection sampling), from the OS generator.
///
/// # Panics
/// Where the operating system cannot give random bytes: nothing here may go on without them.
pub fn random_digits(alphabet: &[u8], count: usize) -> String {
    let limit = 256 - 256 % alphabet.len();
    let mut digits = String::with_capacity(count);
    let mut pool = [0_u8; 64];
    while digits.len() < count {
        fill(&mut pool);
        let fair = pool.iter().filter(|&&byte| usize::from(byte) < limit);
        digits.extend(
            fair.take(count - digits.len())
                .map(|&byte| char::from(alphabet[usize::from(byte) % alphabet.len()])),
        );
    }
    digits
}

/// Fills `bytes` from the operating system's generator.
pub(crate) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_of_the_alphabet_and_evenly_spread() {
        let digits = random_digits(BASE62, 62_000);

        let mut counts = [0_u32; 128];
        digits.bytes().for_each(|digit| counts[usize::from(digit)] += 1);
        for &letter in BASE62 {
            assert!(
                (800..1_200).contains(&counts[usize::from(letter)]),
                "{letter} {}",
                counts[usize::from(letter)]
            );
        }
        assert_eq!(digits.len(), 62_000);
    }
}
