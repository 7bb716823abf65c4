//! Settings that say who may speak to a gateway.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::auth::Algorithm;

/// Who may speak to a gateway.
#[derive(Args, Clone, Debug)]
pub struct AccessConfig {
    /// How clients are known: not at all, on this machine alone, or by signed tokens
    #[arg(
        long,
        env = "RINGBACK_AUTH",
        value_enum,
        default_value_t,
        value_name = "HOW"
    )]
    pub auth: AuthKind,

    /// What a token must say.
    #[command(flatten)]
    pub tokens: TokenConfig,

    /// A file with the secret (HS256) or the public key (PEM) that tokens are checked with
    #[arg(long, env = "RINGBACK_JWT_KEY", value_name = "FILE")]
    pub jwt_key: Option<PathBuf>,

    /// The address of the public keys (a JSON Web Key Set), instead of a file
    #[arg(
        long,
        env = "RINGBACK_JWT_KEYS_URL",
        value_name = "URL",
        conflicts_with = "jwt_key"
    )]
    pub jwt_keys_url: Option<String>,

    /// The certificate to speak TLS with, and those that vouch for it (PEM); without, something in front of it does
    #[arg(
        long,
        env = "RINGBACK_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,

    /// Its private key (PEM)
    #[arg(
        long,
        env = "RINGBACK_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,

    /// The names under which the gateway is reached, beside loopback ones and the address it listens on
    #[arg(
        long,
        env = "RINGBACK_ALLOWED_HOSTS",
        value_delimiter = ',',
        value_name = "NAME,…"
    )]
    pub allowed_hosts: Vec<String>,

    /// The sites whose pages may speak to the gateway, beside its own
    #[arg(long, env = "RINGBACK_ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin, value_name = "ORIGIN,…")]
    pub allowed_origins: Vec<String>,
}

/// How clients are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AuthKind {
    /// Not at all: whoever is on this machine may do everything
    #[default]
    None,
    /// By tokens that somebody has signed (JSON Web Tokens)
    Jwt,
}

/// What a token must say.
#[derive(Args, Clone, Debug)]
pub struct TokenConfig {
    /// How tokens are signed; no other way is taken
    #[arg(long, env = "RINGBACK_JWT_ALGORITHM", default_value = "HS256", value_parser = algorithm, value_name = "HS256|EdDSA|RS256|ES256")]
    pub jwt_algorithm: Algorithm,

    /// Whom tokens must be for (aud)
    #[arg(
        long,
        env = "RINGBACK_JWT_AUDIENCE",
        default_value = "ringback",
        value_name = "NAME"
    )]
    pub jwt_audience: String,

    /// Who must have made them (iss)
    #[arg(
        long,
        env = "RINGBACK_JWT_ISSUER",
        default_value = "ringback",
        value_name = "NAME"
    )]
    pub jwt_issuer: String,
}

/// What tokens are signed with.
#[derive(Args, Clone, Debug)]
pub struct SigningConfig {
    /// A file with the secret (HS256) or the private key (PEM) to sign with
    #[arg(long, env = "RINGBACK_JWT_SIGNING_KEY", value_name = "FILE")]
    pub jwt_signing_key: Option<PathBuf>,

    /// The file with the secret that a gateway checks tokens with: with HS256 it signs them as well
    #[arg(long, env = "RINGBACK_JWT_KEY", value_name = "FILE")]
    pub jwt_key: Option<PathBuf>,
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    Algorithm::named(text).ok_or_else(|| {
        let known = Algorithm::ALL.map(Algorithm::name).join(", ");
        format!("{text:?} is not one of {known}")
    })
}

/// An origin as browsers send it: a scheme, a name, and a port where it is not the scheme's own.
fn origin(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(site) if !site.is_empty() && !site.contains(['/', '*', '?', '#', '@']) => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(format!(
            "{text:?} is not an origin, such as https://app.example.com or http://localhost:5173"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_site() {
        assert_eq!(
            origin("https://App.example.com"),
            Ok("https://app.example.com".to_owned())
        );
        assert!(origin("http://localhost:5173").is_ok());
        for text in [
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://*.example.com",
            "https://app.example.com/",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_algorithm_is_one_of_four() {
        assert_eq!(algorithm("EdDSA"), Ok(Algorithm::EdDsa));
        assert!(algorithm("none").unwrap_err().contains("HS256"));
    }
}
