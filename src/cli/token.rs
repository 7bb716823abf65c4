//! `ringback token`: makes a token, for development and for operators.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::access::read;
use super::output::say;
use crate::auth::{ANONYMOUS, Algorithm, NewToken, Scope, Scopes, SigningKey, sign};
use crate::config::{SigningConfig, TokenConfig, duration};

/// The longest that a token may be good: what is given away for longer should be taken back some day.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Settings of `token`.
#[derive(Args, Debug)]
pub(super) struct Token {
    /// Who it is for: the owner of what they submit
    subject: String,

    /// What they may do: jobs:submit, jobs:read, notices:send, metrics:read, admin
    #[arg(
        long = "scope",
        value_delimiter = ',',
        default_value = "jobs:submit,jobs:read",
        value_parser = scope,
        value_name = "SCOPE,…"
    )]
    scopes: Vec<Scope>,

    /// How long it is good
    #[arg(long, default_value = "1h", value_parser = duration, value_name = "TIME")]
    ttl: Duration,

    #[command(flatten)]
    tokens: TokenConfig,

    #[command(flatten)]
    signing: SigningConfig,
}

impl Token {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let algorithm = self.tokens.jwt_algorithm;
        let secret = self
            .signing
            .jwt_key
            .filter(|_| algorithm == Algorithm::Hs256);
        let Some(file) = self.signing.jwt_signing_key.or(secret) else {
            bail!(
                "a token needs what to sign it with: --jwt-signing-key with a file (for HS256 --jwt-key does as well)"
            );
        };
        if self.subject.is_empty() || self.subject.len() > 255 || self.subject.contains('\0') {
            bail!("a subject is a text of 1 to 255 bytes");
        }
        if self.subject == ANONYMOUS {
            bail!("a token cannot be for {ANONYMOUS}, who is everybody without authentication");
        }
        if self.ttl.is_zero() || self.ttl > LONGEST {
            bail!("a token is good for some time, and for a year at most");
        }
        let key = SigningKey::read(algorithm, &read(&file)?)
            .with_context(|| format!("the key in {} cannot be used", file.display()))?;
        let token = NewToken {
            subject: self.subject,
            scopes: Scopes::from_iter(self.scopes),
            lifetime: self.ttl,
            audience: self.tokens.jwt_audience,
            issuer: self.tokens.jwt_issuer,
        };
        say(sign(&token, &key).context("could not sign the token")?)
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::named(text).ok_or_else(|| {
        let known = Scope::ALL.map(Scope::name).join(", ");
        format!("{text:?} is not one of {known}")
    })
}
