//! What tokens are signed and checked with.

use jsonwebtoken::errors::Error;
use jsonwebtoken::{DecodingKey, EncodingKey};

/// The shortest secret of HS256, in bytes: RFC 7518 asks for as many bits as the hash has.
const SHORTEST_SECRET: usize = 32;

/// How tokens are signed. A gateway takes one algorithm, whatever a token says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: who can check a token can make one.
    Hs256,
    /// Ed25519.
    EdDsa,
    /// RSA (PKCS #1 v1.5) with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::EdDsa, Self::Rs256, Self::Es256];

    /// Its name in the header of a token.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// The algorithm of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    pub(super) const fn of_the_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It could be guessed.
    #[error(
        "the secret has {0} bytes; HS256 needs {SHORTEST_SECRET} or more, such as `openssl rand -hex 32` makes"
    )]
    ShortSecret(usize),
    /// It is a key of another algorithm, which everybody may have.
    #[error(
        "it is a key in PEM, and HS256 has a secret; say which algorithm it is for (--jwt-algorithm)"
    )]
    NoSecret,
    /// It is none of that algorithm.
    #[error("it is no {kind} key for {algorithm} in PEM")]
    NoKey {
        /// `public` or `private`.
        kind: &'static str,
        /// What it was to be for.
        algorithm: &'static str,
    },
}

/// What checks tokens: a secret, or a public key in PEM. White space around a secret is not part of it.
pub(super) fn checking_key(algorithm: Algorithm, key: &[u8]) -> Result<DecodingKey, KeyError> {
    let read: fn(&[u8]) -> Result<DecodingKey, Error> = match algorithm {
        Algorithm::Hs256 => return secret(key).map(DecodingKey::from_secret),
        Algorithm::EdDsa => DecodingKey::from_ed_pem,
        Algorithm::Rs256 => DecodingKey::from_rsa_pem,
        Algorithm::Es256 => DecodingKey::from_ec_pem,
    };
    read(key).map_err(|_| KeyError::NoKey {
        kind: "public",
        algorithm: algorithm.name(),
    })
}

/// What signs tokens.
pub struct SigningKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: EncodingKey,
}

impl SigningKey {
    /// A secret, or a private key in PEM.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(algorithm: Algorithm, key: &[u8]) -> Result<Self, KeyError> {
        let read: fn(&[u8]) -> Result<EncodingKey, Error> = match algorithm {
            Algorithm::Hs256 => {
                let key = EncodingKey::from_secret(secret(key)?);
                return Ok(Self { algorithm, key });
            }
            Algorithm::EdDsa => EncodingKey::from_ed_pem,
            Algorithm::Rs256 => EncodingKey::from_rsa_pem,
            Algorithm::Es256 => EncodingKey::from_ec_pem,
        };
        let key = read(key).map_err(|_| KeyError::NoKey {
            kind: "private",
            algorithm: algorithm.name(),
        })?;
        Ok(Self { algorithm, key })
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({}, …)", self.algorithm.name())
    }
}

fn secret(key: &[u8]) -> Result<&[u8], KeyError> {
    let secret = key.trim_ascii();
    if secret.starts_with(b"-----BEGIN") {
        return Err(KeyError::NoSecret);
    }
    if secret.len() < SHORTEST_SECRET {
        return Err(KeyError::ShortSecret(secret.len()));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_could_be_guessed_is_refused() {
        assert!(checking_key(Algorithm::Hs256, b" short \n").is_err());
        assert!(checking_key(Algorithm::Hs256, &[b'x'; 32]).is_ok());
        let public = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";
        assert!(matches!(
            checking_key(Algorithm::Hs256, public),
            Err(KeyError::NoSecret)
        ));
        let error = SigningKey::read(Algorithm::Hs256, b"").unwrap_err();
        assert!(error.to_string().contains("32 or more"), "{error}");
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let error = checking_key(Algorithm::EdDsa, &[b'x'; 32]).unwrap_err();
        assert_eq!(error.to_string(), "it is no public key for EdDSA in PEM");
    }
}
