//! Checking tokens: signed JSON Web Tokens (RFC 7519), by one algorithm, for this audience, from this issuer.

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};

use super::claims::Claims;
use super::fetched::FetchedKeys;
use super::identity::Identity;
use super::key::{Algorithm, KeyError, checking_key};

/// By how many seconds the clock of whoever makes tokens may be ahead of ours.
const LEEWAY: u64 = 5;

/// What a token must say to be taken.
#[derive(Clone, Debug)]
pub struct Expected {
    /// How it is signed.
    pub algorithm: Algorithm,
    /// Whom it is for: `aud`.
    pub audience: String,
    /// Who has made it: `iss`.
    pub issuer: String,
}

/// What checks tokens.
#[derive(Debug)]
pub struct Tokens {
    keys: Keys,
    validation: Validation,
}

enum Keys {
    One(DecodingKey),
    Fetched(FetchedKeys),
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is something else.
    #[error("this is no signed token")]
    NoToken,
    /// It is signed in another way.
    #[error("the token is signed with another algorithm than is taken here")]
    Algorithm,
    /// Its signature is wrong, or its key is not known.
    #[error("the token is not signed with a key that is known here")]
    Signature,
    /// It has ended.
    #[error("the token has ended; get a fresh one")]
    Over,
    /// It has not begun.
    #[error("the token is not good yet")]
    NotYet,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Somebody else has made it.
    #[error("the token is from another issuer")]
    Issuer,
    /// It does not say whose it is.
    #[error("the token has no subject of 1 to 255 bytes")]
    Subject,
    /// It is for everybody.
    #[error("a token cannot be for the subject anonymous, who is everybody without authentication")]
    Anonymous,
    /// Nobody can tell: the keys cannot be fetched.
    #[error("the keys that tokens are signed with cannot be fetched; try again")]
    Unknown,
}

impl Tokens {
    /// Checks them with one key: a secret, or a public key in PEM.
    ///
    /// # Errors
    /// When it is none.
    pub fn with_key(expected: &Expected, key: &[u8]) -> Result<Self, KeyError> {
        let key = checking_key(expected.algorithm, key)?;
        Ok(Self::new(expected, Keys::One(key)))
    }

    /// Checks them with the keys that are published at an address as a JSON Web Key Set (RFC 7517).
    ///
    /// # Errors
    /// When that is not an address of `https`, or of `http` on this machine; or no client can be made.
    pub fn with_keys_from(expected: &Expected, address: &str) -> anyhow::Result<Self> {
        let keys = FetchedKeys::new(address, expected.algorithm)?;
        Ok(Self::new(expected, Keys::Fetched(keys)))
    }

    fn new(expected: &Expected, keys: Keys) -> Self {
        let mut validation = Validation::new(expected.algorithm.of_the_library());
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_audience(&[&expected.audience]);
        validation.set_issuer(&[&expected.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        Self { keys, validation }
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn check(&self, token: &str) -> Result<Identity, Refusal> {
        let claims = match &self.keys {
            Keys::One(key) => decode::<Claims>(token, key, &self.validation),
            Keys::Fetched(keys) => {
                let header = decode_header(token).map_err(|error| refusal(&error))?;
                if !self.validation.algorithms.contains(&header.alg) {
                    return Err(Refusal::Algorithm);
                }
                let key = keys.named(header.kid.as_deref()).await?;
                decode::<Claims>(token, &key, &self.validation)
            }
        };
        let token = claims.map_err(|error| refusal(&error))?;
        // What a token says must be understood, and is not (RFC 7515, 4.1.11).
        if token.header.crit.is_some() {
            return Err(Refusal::NoToken);
        }
        token.claims.identity()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(_) => f.write_str("One(…)"),
            Self::Fetched(keys) => keys.fmt(f),
        }
    }
}

fn refusal(error: &Error) -> Refusal {
    match error.kind() {
        ErrorKind::ExpiredSignature => Refusal::Over,
        ErrorKind::ImmatureSignature => Refusal::NotYet,
        ErrorKind::InvalidAudience => Refusal::Audience,
        ErrorKind::InvalidIssuer => Refusal::Issuer,
        ErrorKind::InvalidSubject => Refusal::Subject,
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Refusal::Algorithm,
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "aud" => Refusal::Audience,
            "iss" => Refusal::Issuer,
            "sub" => Refusal::Subject,
            _ => Refusal::NoToken,
        },
        _ => Refusal::NoToken,
    }
}
