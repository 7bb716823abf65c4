//! Keys that are published at an address, as a JSON Web Key Set: fetched, kept a while, and fetched again when a token
//! names one that is not among them.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::{Context, bail};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use reqwest::{Client, Url, redirect};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::key::Algorithm;
use super::tokens::Refusal;

/// How long keys are taken for good without being fetched again.
const FRESH: Duration = Duration::from_secs(300);

/// How long keys are good that cannot be fetched again: an issuer that is away for a while locks nobody out.
const GOOD: Duration = Duration::from_secs(24 * 3_600);

/// How long after one fetch the next may be: whoever makes up names of keys must not make us a flood.
const PAUSE: Duration = Duration::from_secs(10);

/// How long the address may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How large its answer may be, in bytes.
const LARGEST: usize = 1024 * 1024;

/// The keys that are published at an address.
#[derive(Debug)]
pub(super) struct FetchedKeys {
    address: Url,
    algorithm: Algorithm,
    client: Client,
    known: RwLock<Option<Arc<Known>>>,
    /// When they were last asked for; held while they are.
    asked: Mutex<Option<Instant>>,
}

/// The keys as they were when they were fetched.
struct Known {
    named: HashMap<String, DecodingKey>,
    /// The only one of all: for tokens that name none.
    only: Option<DecodingKey>,
    fetched: Instant,
}

impl FetchedKeys {
    pub(super) fn new(address: &str, algorithm: Algorithm) -> anyhow::Result<Self> {
        let address = Url::parse(address).context("the address of the keys is no URL")?;
        let is_here = matches!(
            address.host_str(),
            Some("localhost" | "127.0.0.1" | "[::1]")
        );
        if address.scheme() != "https" && !(address.scheme() == "http" && is_here) {
            bail!(
                "the keys are fetched from an https address only: whoever can change them on their way could make tokens"
            );
        }
        if algorithm == Algorithm::Hs256 {
            bail!("HS256 has a secret, which nobody publishes; give it as a file");
        }
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(PATIENCE)
            .user_agent(concat!("ringback/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("could not prepare to fetch the keys")?;
        Ok(Self {
            address,
            algorithm,
            client,
            known: RwLock::new(None),
            asked: Mutex::new(None),
        })
    }

    /// The key of this name; without one, the only one.
    pub(super) async fn named(&self, name: Option<&str>) -> Result<DecodingKey, Refusal> {
        let known = self.known();
        let key = known.as_ref().and_then(|known| known.key(name));
        if let Some(key) = &key
            && known.is_some_and(|known| known.fetched.elapsed() < FRESH)
        {
            return Ok(key.clone());
        }
        match (key, self.asked.try_lock()) {
            // Somebody fetches them; meanwhile those that there are will do.
            (Some(key), Err(_)) => return Ok(key),
            (_, Ok(asked)) => self.fetch(asked).await,
            (None, Err(_)) => {
                let asked = self.asked.lock().await;
                self.fetch(asked).await;
            }
        }
        match self.known() {
            Some(known) => known.key(name).ok_or(Refusal::Signature),
            None => Err(Refusal::Unknown),
        }
    }

    /// The keys, unless they are too old.
    fn known(&self) -> Option<Arc<Known>> {
        let known = self
            .known
            .read()
            .expect("nobody panics while holding the keys")
            .clone();
        known.filter(|known| known.fetched.elapsed() < GOOD)
    }

    /// Fetches them, unless that was tried a moment ago.
    async fn fetch(&self, mut asked: tokio::sync::MutexGuard<'_, Option<Instant>>) {
        if asked.is_some_and(|asked| asked.elapsed() < PAUSE) {
            return;
        }
        let fetched = self.ask().await;
        *asked = Some(Instant::now());
        match fetched {
            Ok(keys) => {
                let known = Known::of(&keys, self.algorithm);
                tracing::debug!(keys = keys.keys.len(), "fetched the keys of tokens");
                let mut place = self
                    .known
                    .write()
                    .expect("nobody panics while holding the keys");
                *place = Some(Arc::new(known));
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(%error, "could not fetch the keys of tokens; those that are known stay good for a day");
            }
        }
    }

    async fn ask(&self) -> anyhow::Result<JwkSet> {
        let mut answer = self
            .client
            .get(self.address.clone())
            .send()
            .await?
            .error_for_status()?;
        if answer.status().is_redirection() {
            bail!("the address leads elsewhere; give the one that it leads to");
        }
        let mut text = Vec::new();
        while let Some(part) = answer.chunk().await? {
            if text.len() + part.len() > LARGEST {
                bail!("the answer is over {LARGEST} bytes");
            }
            text.extend_from_slice(&part);
        }
        serde_json::from_slice(&text).context("the answer is no JSON Web Key Set")
    }
}

impl Known {
    fn of(set: &JwkSet, algorithm: Algorithm) -> Self {
        let mut named = HashMap::new();
        let mut usable = Vec::new();
        for jwk in set.keys.iter().filter(|jwk| signs(jwk, algorithm)) {
            let Ok(key) = DecodingKey::from_jwk(jwk) else {
                continue;
            };
            if let Some(name) = &jwk.common.key_id {
                named.insert(name.clone(), key.clone());
            }
            usable.push(key);
        }
        let only = match usable.len() {
            1 => usable.pop(),
            _ => None,
        };
        Self {
            named,
            only,
            fetched: Instant::now(),
        }
    }

    fn key(&self, name: Option<&str>) -> Option<DecodingKey> {
        match name {
            Some(name) => self.named.get(name).cloned(),
            None => self.only.clone(),
        }
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Known({:?})", self.named.keys())
    }
}

/// Whether a key is one that tokens are signed with in this way.
fn signs(jwk: &Jwk, algorithm: Algorithm) -> bool {
    let is_for_signatures = matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    );
    let said = jwk.common.key_algorithm;
    is_for_signatures && said.is_none_or(|said| said.to_string() == algorithm.name())
}
