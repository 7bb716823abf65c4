//! A secret that we make, give away once, and know again by its hash.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A secret: of a session, or a ticket.
///
/// It is looked for by its hash, so that comparing takes no longer the more of it is right.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new secret.
    #[must_use]
    pub fn random() -> Self {
        // Two random UUIDs have 244 random bits.
        Self(
            [Uuid::new_v4(), Uuid::new_v4()]
                .map(|half| half.simple().to_string())
                .concat(),
        )
    }

    /// The secret that a client has sent.
    #[must_use]
    pub fn given(text: String) -> Self {
        Self(text)
    }

    /// Whether it can be one of ours.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        self.0.len() == 64 && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// The secret itself, for its client and nobody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_new_each_time_and_never_logged() {
        let secret = Secret::random();
        assert_eq!(secret.reveal().len(), 64);
        assert!(secret.is_well_formed());
        assert!(!Secret::given("none".to_owned()).is_well_formed());
        assert_ne!(secret, Secret::random());
        assert_eq!(secret, Secret::given(secret.reveal().to_owned()));
        assert!(!format!("{secret:?}").contains(secret.reveal()));
    }
}
