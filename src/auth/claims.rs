//! What a token says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::Header;
use serde::{Deserialize, Serialize};

use super::identity::{ANONYMOUS, Identity, Scopes};
use super::key::SigningKey;
use super::tokens::Refusal;

/// The longest subject, in bytes.
const LONGEST_SUBJECT: usize = 255;

/// The latest that a token is good for, in seconds since 1970: the year 9999, after which calendars end.
const LATEST: f64 = 253_370_764_800.0;

/// The claims of a token that are read from it; those that are only checked are the library's.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: String,
    /// In seconds since 1970, perhaps with a fraction.
    exp: f64,
    #[serde(default)]
    scope: String,
}

impl Claims {
    /// Who that is.
    pub(super) fn identity(self) -> Result<Identity, Refusal> {
        let is_storable = !self.sub.is_empty() && !self.sub.contains('\0');
        // Everybody and nobody: what was submitted without authentication is no subject's.
        if self.sub == ANONYMOUS {
            return Err(Refusal::Anonymous);
        }
        if !is_storable || self.sub.len() > LONGEST_SUBJECT {
            return Err(Refusal::Subject);
        }
        let until = Duration::try_from_secs_f64(self.exp.min(LATEST)).ok();
        let until = until.and_then(|until| UNIX_EPOCH.checked_add(until));
        let until = until.ok_or(Refusal::NoToken)?;
        // To the moment, and by our clock, as the sockets end that were opened with it.
        if until <= SystemTime::now() {
            return Err(Refusal::Over);
        }
        Ok(Identity {
            subject: self.sub.into(),
            scopes: Scopes::parse(&self.scope),
            until: Some(until),
        })
    }
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Who it is for.
    pub subject: String,
    /// What they may do.
    pub scopes: Scopes,
    /// How long it is good.
    pub lifetime: Duration,
    /// Who is to take it.
    pub audience: String,
    /// Who has made it.
    pub issuer: String,
}

/// The claims of a token that is made here.
#[derive(Serialize)]
struct Made<'a> {
    sub: &'a str,
    scope: String,
    aud: &'a str,
    iss: &'a str,
    iat: u64,
    exp: u64,
}

/// Makes a token.
///
/// # Errors
/// When it cannot be signed with this key.
pub fn sign(token: &NewToken, key: &SigningKey) -> Result<String, jsonwebtoken::errors::Error> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let made = Made {
        sub: &token.subject,
        scope: token.scopes.names().collect::<Vec<_>>().join(" "),
        aud: &token.audience,
        iss: &token.issuer,
        iat: now.as_secs(),
        exp: now.saturating_add(token.lifetime).as_secs(),
    };
    let header = Header::new(key.algorithm.of_the_library());
    jsonwebtoken::encode(&header, &made, &key.key)
}
