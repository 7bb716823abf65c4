//! Who may speak to a gateway, as its settings say.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::auth::{Expected, Tokens};
use crate::config::{AccessConfig, AuthKind, TokenConfig};
use crate::gateway::{Access, Auth, Tls};

/// Reads the settings; a gateway that would serve strangers does not start.
pub(super) fn access(config: &AccessConfig, listen: SocketAddr) -> anyhow::Result<Access> {
    let auth = match config.auth {
        AuthKind::None => {
            check_open(config, listen)?;
            Auth::None
        }
        AuthKind::Jwt => Auth::Tokens(Arc::new(tokens(config)?)),
    };
    Ok(Access {
        auth,
        hosts: config.allowed_hosts.clone(),
        origins: config.allowed_origins.clone(),
    })
}

fn check_open(config: &AccessConfig, listen: SocketAddr) -> anyhow::Result<()> {
    if !listen.ip().is_loopback() {
        bail!(
            "{} can be reached from other machines, and without authentication whoever reaches it may do everything; \
             ask for tokens (openssl rand -hex 32 > ringback.key, then --auth jwt --jwt-key ringback.key, and \
             `ringback token` makes them), or listen on 127.0.0.1 or [::1]",
            listen.ip()
        );
    }
    if config.jwt_key.is_some() || config.jwt_keys_url.is_some() {
        bail!(
            "there is a key for tokens, but no authentication; say --auth jwt, or leave the key out"
        );
    }
    Ok(())
}

fn tokens(config: &AccessConfig) -> anyhow::Result<Tokens> {
    let expected = expected(&config.tokens);
    match (&config.jwt_key, &config.jwt_keys_url) {
        (Some(file), _) => {
            let key = read(file)?;
            Tokens::with_key(&expected, &key)
                .with_context(|| format!("the key in {} cannot be used", file.display()))
        }
        (None, Some(address)) => Tokens::with_keys_from(&expected, address)
            .with_context(|| format!("the keys at {address} cannot be used")),
        (None, None) => bail!(
            "--auth jwt needs what tokens are checked with: --jwt-key with a file (a secret for HS256, such as \
             `openssl rand -hex 32` makes, or a public key in PEM), or --jwt-keys-url"
        ),
    }
}

fn expected(config: &TokenConfig) -> Expected {
    Expected {
        algorithm: config.jwt_algorithm,
        audience: config.jwt_audience.clone(),
        issuer: config.jwt_issuer.clone(),
    }
}

/// The bytes of a key or a certificate.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("could not read {}", file.display()))
}

/// The certificate, where the gateway is to speak TLS itself.
pub(super) fn tls(config: &AccessConfig) -> anyhow::Result<Option<Tls>> {
    let (Some(certificate), Some(key)) = (&config.tls_cert, &config.tls_key) else {
        return Ok(None);
    };
    let tls = Tls::new(&read(certificate)?, &read(key)?);
    tls.map(Some).with_context(|| {
        format!(
            "could not use the certificate in {} with the key in {}",
            certificate.display(),
            key.display()
        )
    })
}
