//! Hook and API tokens: how they are made, checked without any I/O, and stored as a hash.
//!
//! A token carries a MAC of the server key over its own ids and secret, so a forged one ends before the database
//! is asked; and it carries 190 random bits of which only the SHA-256 is stored, so neither the database nor the
//! key file, nor both together, is enough to fire an existing hook.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::digits::{decode, decode_bytes, encode, encode_bytes};
use super::entropy::{BASE62, fill, random_digits};
use super::{HookId, ServiceId};

/// Begins every hook token; secret scanners look for it, so it must never change.
const HOOK_PREFIX: &str = "sbhook_";
/// Begins every API token.
const API_PREFIX: &str = "sbapi_";
/// Length of a hook token in characters.
const HOOK_LENGTH: usize = 91;
/// Length of an API token in characters.
const API_LENGTH: usize = 77;
/// Characters of a hook id or API token id in the token.
pub(super) const ID_LENGTH: usize = 10;
/// Characters of the random secret: 32 base62 digits are 190 bits.
const SECRET_LENGTH: usize = 32;
/// Base62 digits of a 128-bit MAC.
const MAC_LENGTH: usize = 22;
/// Bytes of the HMAC that a token carries.
const MAC_BYTES: usize = 16;
/// Base62 digits of a CRC-32.
const CRC_LENGTH: usize = 6;
/// Bytes of the server key.
const KEY_BYTES: usize = 32;

/// The server's own key, read from a file of its own. Never logged, never stored in the database.
pub struct TokenKey {
    id: u8,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

/// Why a key file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenKeyError {
    /// The text is not one line `<key id> <43 base62 digits>`.
    #[error("is not a server key: expected one line with a key id and 43 letters and digits")]
    Shape,
}

impl TokenKey {
    /// Draws a new key with key id `0`.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(bytes.as_mut());
        Self { id: b'0', bytes }
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// Where the text has another shape.
    pub fn parse(text: &str) -> Result<Self, TokenKeyError> {
        let (id, digits) = text.trim_end().split_once(' ').ok_or(TokenKeyError::Shape)?;
        let [id] = *id.as_bytes() else { return Err(TokenKeyError::Shape) };
        let bytes = (digits.len() == 43 && BASE62.contains(&id)).then(|| decode_bytes(digits)).flatten();
        Ok(Self { id, bytes: Zeroizing::new(bytes.ok_or(TokenKeyError::Shape)?) })
    }

    /// The text to write into the key file.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{} {}\n", char::from(self.id), encode_bytes(&self.bytes)))
    }

    /// A digest, as 22 base62 digits, that tells two keys apart and gives nothing away. Stored in the database.
    pub fn fingerprint(&self) -> String {
        let digest =
            Sha256::new().chain_update(b"stackblaze.key.v1\0").chain_update(self.bytes.as_ref()).finalize();
        encode(u128::from_be_bytes(digest[..16].try_into().unwrap_or_default()), MAC_LENGTH)
    }

    /// A secret of its own for what `label` names; the same each time, and of no use to learn the key or another one.
    pub(super) fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mac = self.mac(Kind::Derived, label);
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    fn mac(&self, kind: Kind, message: &str) -> Hmac<Sha256> {
        keyed(self.bytes.as_ref(), kind, message)
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn keyed(key: &[u8], kind: Kind, message: &str) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(kind.domain());
    mac.update(message.as_bytes());
    mac
}

#[derive(Clone, Copy)]
enum Kind {
    Hook,
    Api,
    /// A secret that is not stored.
    Derived,
}

impl Kind {
    const fn domain(self) -> &'static [u8] {
        match self {
            Self::Hook => b"sbhook.v1\0",
            Self::Api => b"sbapi.v1\0",
            Self::Derived => b"stackblaze.derived.v1\0",
        }
    }
}

/// A hook token in clear. It is shown once, when it is made; there is no `Display`, `Debug` or `Serialize`.
#[derive(Clone)]
pub struct HookToken {
    text: Zeroizing<String>,
    /// The service that the token names.
    pub service: ServiceId,
    /// The hook that the token names.
    pub hook: HookId,
}

impl HookToken {
    /// Makes a new token for a hook.
    pub fn mint(key: &TokenKey, service: &ServiceId, hook: &HookId) -> Self {
        let head = format!("{HOOK_PREFIX}{service}_{}{hook}", char::from(key.id));
        Self { text: seal(key, Kind::Hook, &head), service: service.clone(), hook: hook.clone() }
    }

    /// Checks shape, CRC, key id and MAC, in this order and without I/O; the MAC in constant time. `None` says only
    /// that the text is no token of this server.
    pub fn parse(key: &TokenKey, text: &str) -> Option<Self> {
        if text.len() != HOOK_LENGTH || !text.starts_with(HOOK_PREFIX) || text.as_bytes()[19] != b'_' {
            return None;
        }
        open(key, Kind::Hook, text, 20)?;
        let service = ServiceId::parse(&text[7..19])?;
        let hook = HookId::parse(&text[21..21 + ID_LENGTH])?;
        Some(Self { text: Zeroizing::new(text.to_owned()), service, hook })
    }

    /// The token itself, to be shown once or put into a URL that is shown once.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored in its place.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.text)
    }
}

/// What an API token may do; each scope includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at services, hooks, deployments and logs.
    Read,
    /// Also deploy, cancel, redeploy and roll back.
    Deploy,
    /// Also create, change and delete.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Deploy, Self::Admin];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::Admin => "admin",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// Eight hexadecimal digits that tell two secret texts apart; they give nothing away of one that is hard to guess.
pub(super) fn fingerprint_of_text(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("{:08x}", u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]))
}

/// An API token in clear; the same care as for a [`HookToken`].
pub struct ApiToken {
    text: Zeroizing<String>,
    /// Ten letters and digits that name the token's row.
    pub id: String,
}

impl ApiToken {
    /// Makes a new token with a new id.
    pub fn mint(key: &TokenKey) -> Self {
        let id = random_digits(BASE62, ID_LENGTH);
        let head = format!("{API_PREFIX}{}{id}", char::from(key.id));
        Self { text: seal(key, Kind::Api, &head), id }
    }

    /// Checks shape, CRC, key id and MAC without I/O; `None` says only that the text is no token of this server.
    pub fn parse(key: &TokenKey, text: &str) -> Option<Self> {
        if text.len() != API_LENGTH || !text.starts_with(API_PREFIX) {
            return None;
        }
        open(key, Kind::Api, text, API_PREFIX.len())?;
        let id = text[API_PREFIX.len() + 1..API_PREFIX.len() + 1 + ID_LENGTH].to_owned();
        Some(Self { text: Zeroizing::new(text.to_owned()), id })
    }

    /// The token itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored in its place.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.text)
    }
}

/// The SHA-256 of a token. The input has 190 random bits, so a fast hash is right. Compared in constant time.
#[derive(Clone)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Hashes the text of a token.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Takes the stored bytes; `None` unless there are 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Tells in constant time whether both are the same.
    pub fn matches(&self, other: &Self) -> bool {
        use hmac::digest::CtOutput;
        CtOutput::<Sha256>::new(self.0.into()) == CtOutput::<Sha256>::new(other.0.into())
    }
}

fn seal(key: &TokenKey, kind: Kind, head: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(format!("{head}{}", random_digits(BASE62, SECRET_LENGTH)));
    let mac = key.mac(kind, &text).finalize().into_bytes();
    let mut short = [0; MAC_BYTES];
    short.copy_from_slice(&mac[..MAC_BYTES]);
    text.push_str(&encode(u128::from_be_bytes(short), MAC_LENGTH));
    let crc = crc32fast::hash(text.as_bytes());
    text.push_str(&encode(u128::from(crc), CRC_LENGTH));
    text
}

/// The checks that need no I/O, cheapest first. `key_at` is the position of the key id.
fn open(key: &TokenKey, kind: Kind, text: &str, key_at: usize) -> Option<()> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let (body, crc) = text.split_at(text.len() - CRC_LENGTH);
    if decode(crc)? != u128::from(crc32fast::hash(body.as_bytes())) {
        return None;
    }
    let (message, mac) = body.split_at(body.len() - MAC_LENGTH);
    let mac = decode(mac)?.to_be_bytes();
    let known = text.as_bytes()[key_at] == key.id;
    // A key id that is not ours costs the same as one that is.
    let state = if known { key.mac(kind, message) } else { keyed(&[0; KEY_BYTES], kind, message) };
    let genuine = state.verify_truncated_left(&mac).is_ok();
    (genuine && known).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(key: &TokenKey) -> HookToken {
        HookToken::mint(key, &ServiceId::generate(), &HookId::generate())
    }

    #[test]
    fn a_minted_token_has_the_documented_shape_and_is_read_back() {
        let key = TokenKey::generate();
        let minted = token(&key);

        let text = minted.reveal();
        let shape = regex::Regex::new("^sbhook_[0-9a-z]{12}_[0-9A-Za-z]{71}$").unwrap();
        assert!(shape.is_match(text) && text.len() == 91);
        let read = HookToken::parse(&key, text).unwrap();
        assert!(read.service == minted.service && read.hook == minted.hook);
        assert!(read.hash().matches(&minted.hash()));
    }

    #[test]
    fn every_single_changed_character_makes_it_a_stranger() {
        let key = TokenKey::generate();
        let minted = token(&key);

        for at in 0..91 {
            for replacement in ["0", "A", "z", "_", "-", "%"] {
                let mut text = minted.reveal().to_owned();
                text.replace_range(at..=at, replacement);
                if text != minted.reveal() {
                    assert!(HookToken::parse(&key, &text).is_none(), "{at} {replacement}");
                }
            }
        }
    }

    #[test]
    fn a_right_checksum_does_not_help_without_the_key() {
        let (ours, theirs) = (TokenKey::generate(), TokenKey::generate());

        assert!(HookToken::parse(&ours, token(&theirs).reveal()).is_none());
        for key_id in [b'1', b'z'] {
            let other = TokenKey { id: key_id, bytes: ours.bytes.clone() };
            assert!(HookToken::parse(&ours, token(&other).reveal()).is_none(), "an unknown key id");
        }
    }

    #[test]
    fn parts_of_two_genuine_tokens_do_not_make_a_third() {
        let key = TokenKey::generate();
        let (a, b) = (token(&key), token(&key));

        for cut in 1..91 {
            let spliced = format!("{}{}", &a.reveal()[..cut], &b.reveal()[cut..]);
            if spliced != a.reveal() && spliced != b.reveal() {
                assert!(HookToken::parse(&key, &spliced).is_none(), "{cut}");
            }
        }
    }

    #[test]
    fn an_api_token_is_no_hook_token_and_the_other_way_round() {
        let key = TokenKey::generate();
        let api = ApiToken::mint(&key);

        assert_eq!(api.reveal().len(), 77);
        assert_eq!(ApiToken::parse(&key, api.reveal()).unwrap().id, api.id);
        assert!(HookToken::parse(&key, api.reveal()).is_none());
        assert!(ApiToken::parse(&key, token(&key).reveal()).is_none());
    }

    #[test]
    fn a_key_file_is_read_back_and_anything_else_is_refused() {
        let key = TokenKey::generate();
        let text = key.to_text();

        assert_eq!(TokenKey::parse(&text).unwrap().fingerprint(), key.fingerprint());
        assert_eq!(text.trim_end().len(), 45);
        for wrong in ["", "0", "0 short", &text[1..], "0 zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"] {
            assert!(TokenKey::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn garbage_is_never_a_token(text in "sbhook_[0-9a-z]{12}_[0-9A-Za-z]{71}") {
            proptest::prop_assert!(HookToken::parse(&TokenKey::generate(), &text).is_none());
        }
    }
}
