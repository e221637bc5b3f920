//! The secret that notices to a webhook are signed with. It is derived from the server key, so that none is stored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{TargetId, TokenKey};

/// Begins every secret of the Standard Webhooks specification.
const PREFIX: &str = "whsec_";

/// A signing secret in clear. It is shown once, when it is made; there is no `Display`, `Debug` or `Serialize`.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<[u8; 32]>);

impl WebhookSecret {
    /// The secret of this generation of a target.
    pub fn of(key: &TokenKey, target: &TargetId, generation: u32) -> Self {
        Self(key.derive(&format!("{target}.{generation}")))
    }

    /// What signatures are made with.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// As a receiver is given it: `whsec_` and base64.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(self.bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_same_each_time_and_another_for_each_target_generation_and_key() {
        let (key, target) = (TokenKey::generate(), TargetId::generate());
        let of = |key: &TokenKey, target: &TargetId, generation| {
            WebhookSecret::of(key, target, generation).reveal().to_string()
        };

        let first = of(&key, &target, 1);

        assert_eq!(of(&key, &target, 1), first);
        assert!(first.starts_with(PREFIX) && first.len() == PREFIX.len() + 44, "{first}");
        for other in
            [of(&key, &target, 2), of(&key, &TargetId::generate(), 1), of(&TokenKey::generate(), &target, 1)]
        {
            assert_ne!(other, first);
        }
    }
}
