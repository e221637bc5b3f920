//! Numbers as base62 digits of a fixed width, and the alphabets of ids.

use super::entropy::{BASE36, BASE62};

/// The last `length` base62 digits of a number, most significant first.
pub(super) fn encode(mut value: u128, length: usize) -> String {
    let mut digits = vec![b'0'; length];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[usize::try_from(value % 62).unwrap_or(0)];
        value /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

/// The value of base62 digits; `None` where a digit is foreign or the value needs more than 128 bits.
pub(super) fn decode(digits: &str) -> Option<u128> {
    digits.bytes().try_fold(0_u128, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return None,
        };
        value.checked_mul(62)?.checked_add(u128::from(digit))
    })
}

/// 32 bytes as 43 base62 digits, most significant first.
pub(super) fn encode_bytes(bytes: &[u8; 32]) -> String {
    let mut digits = Vec::with_capacity(43);
    let mut rest = bytes.to_vec();
    for _ in 0..43 {
        digits.push(BASE62[usize::from(divide(&mut rest, 62))]);
    }
    digits.iter().rev().map(|&digit| char::from(digit)).collect()
}

/// Divides a big-endian number in place and gives the remainder.
fn divide(number: &mut [u8], by: u16) -> u8 {
    let mut rest = 0_u16;
    for byte in number {
        let value = rest * 256 + u16::from(*byte);
        *byte = u8::try_from(value / by).unwrap_or(u8::MAX);
        rest = value % by;
    }
    u8::try_from(rest).unwrap_or(0)
}

pub(super) fn decode_bytes(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0_u8; 32];
    for digit in digits.chars() {
        let mut carry = u16::try_from(decode(digit.encode_utf8(&mut [0; 4]))?).ok()?;
        for byte in bytes.iter_mut().rev() {
            let value = u16::from(*byte) * 62 + carry;
            *byte = u8::try_from(value % 256).ok()?;
            carry = value / 256;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(bytes)
}

/// A service id's alphabet is that of Kubernetes names.
pub(super) fn is_base36(text: &str) -> bool {
    text.bytes().all(|byte| BASE36.contains(&byte))
}

/// A hook id's alphabet is that of secrets.
pub(super) fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| BASE62.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn base62_of_128_bits_is_a_bijection(value: u128) {
            proptest::prop_assert_eq!(decode(&encode(value, 22)), Some(value));
        }

        #[test]
        fn thirty_two_bytes_are_read_back(bytes: [u8; 32]) {
            proptest::prop_assert_eq!(decode_bytes(&encode_bytes(&bytes)), Some(bytes));
        }
    }

    #[test]
    fn digits_beyond_128_bits_and_foreign_ones_are_refused() {
        assert_eq!(decode(&"z".repeat(22)), None);
        assert_eq!(decode("a-b"), None);
    }
}
