//! The signature of a request, as Standard Webhooks has it: whoever has the secret knows that the request came from here,
//! is meant for this moment, and was not changed on its way.

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a secret begins with that is written in Base64.
const PREFIX: &str = "whsec_";

/// The shortest secret, in bytes; the specification asks for as many.
const SHORTEST: usize = 24;

/// What requests are signed with.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    /// That of a secret: `whsec_` and Base64, or plain text.
    pub(super) fn parse(secret: &str) -> anyhow::Result<Self> {
        let bytes = match secret.strip_prefix(PREFIX) {
            Some(text) => STANDARD
                .decode(text)
                .ok()
                .context("the secret begins with whsec_, and what follows is no Base64")?,
            None => secret.as_bytes().to_vec(),
        };
        if bytes.len() < SHORTEST {
            bail!(
                "the secret has {} bytes, and needs {SHORTEST} or more",
                bytes.len()
            );
        }
        let hmac = Hmac::new_from_slice(&bytes).expect("a key of any length is one");
        Ok(Self(hmac))
    }

    /// The signature of a message.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut hmac = self.0.clone();
        hmac.update(format!("{id}.{timestamp}.").as_bytes());
        hmac.update(body);
        format!("v1,{}", STANDARD.encode(hmac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that are published with the specification.
    #[test]
    fn a_signature_is_the_published_one() {
        let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = key.sign(id, 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_ne!(signature, key.sign(id, 1_614_265_331, body));
    }

    #[test]
    fn a_secret_is_base64_or_text_and_not_short() {
        let text = Key::parse("a text of 24 characters!").unwrap();
        let base64 = Key::parse("whsec_YSB0ZXh0IG9mIDI0IGNoYXJhY3RlcnMh").unwrap();
        assert_eq!(text.sign("a", 1, b"b"), base64.sign("a", 1, b"b"));
        for wrong in ["", "whsec_", "whsec_?", "short", "whsec_c2hvcnQ="] {
            assert!(Key::parse(wrong).is_err(), "{wrong}");
        }
    }
}
