//! TLS of the gateway itself, for where nothing stands in front of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::linger::Lingering;

/// How long a client may take to agree on keys.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// The certificate of a gateway, and its key.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// With a chain of certificates and a private key, both in PEM.
    ///
    /// # Errors
    /// When they are none, or do not belong together.
    pub fn new(certificates: &[u8], key: &[u8]) -> anyhow::Result<Self> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .context("the certificate is no PEM")?;
        let key = PrivateKeyDer::from_pem_slice(key).context("the key is no private key in PEM")?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .context("there is no version of TLS to speak")?
                .with_no_client_auth()
                .with_single_cert(certificates, key)
                .context("the certificate and the key do not go together")?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Agrees on keys with a client, if it does so in time.
    pub(super) async fn accept(&self, stream: Lingering) -> std::io::Result<TlsStream<Lingering>> {
        tokio::time::timeout(HANDSHAKE_WITHIN, self.0.accept(stream))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(…)")
    }
}
