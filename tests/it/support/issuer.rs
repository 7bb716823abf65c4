//! Somebody who signs tokens, with keys of their own.

use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header};
use pem::Pem;
use ringback::auth::{Algorithm, NewToken, Scopes, SigningKey, sign};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Program, TestDatabase};

/// Somebody who signs tokens.
pub(crate) struct Issuer {
    algorithm: Algorithm,
    /// What it signs with: a secret, or a private key in PEM.
    key: Vec<u8>,
    /// What others check with: the same secret, or the public key in PEM.
    public: Vec<u8>,
    file: PathBuf,
}

impl Issuer {
    /// One with a new key.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let (key, public) = pair(algorithm);
        let name = format!("key_{}", Uuid::new_v4().simple());
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, &public).unwrap();
        Self {
            algorithm,
            key,
            public,
            file,
        }
    }

    /// What a gateway is told, so that it takes this one's tokens and no others.
    pub(crate) fn settings(&self) -> [&str; 6] {
        let file = self.file.to_str().unwrap();
        let algorithm = self.algorithm.name();
        [
            "--auth",
            "jwt",
            "--jwt-algorithm",
            algorithm,
            "--jwt-key",
            file,
        ]
    }

    /// A gateway that takes this one's tokens and no others, with further settings.
    pub(crate) async fn serve(&self, database: &TestDatabase, more: &[&str]) -> Program {
        Program::serve(database, &[&self.settings()[..], more].concat()).await
    }

    /// A good token.
    pub(crate) fn token(&self, subject: &str, scopes: &str) -> String {
        self.token_for(subject, scopes, Duration::from_secs(3_600))
    }

    /// One that is good for so long.
    pub(crate) fn token_for(&self, subject: &str, scopes: &str, lifetime: Duration) -> String {
        let token = NewToken {
            subject: subject.to_owned(),
            scopes: Scopes::parse(scopes),
            lifetime,
            audience: "ringback".to_owned(),
            issuer: "ringback".to_owned(),
        };
        let key = SigningKey::read(self.algorithm, &self.key).unwrap();
        sign(&token, &key).unwrap()
    }

    /// A token with any claims, and this algorithm in its header.
    pub(crate) fn any(&self, claims: &Value) -> String {
        self.any_with(&Header::new(self.of_the_library()), claims)
    }

    /// A token with any header.
    pub(crate) fn any_with(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.encoding()).unwrap()
    }

    /// A token that is signed with the public key as if that were a secret.
    pub(crate) fn confused(&self, claims: &Value) -> String {
        let key = EncodingKey::from_secret(&self.public);
        let header = Header::new(jsonwebtoken::Algorithm::HS256);
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }

    /// The public key as it is published, under a name.
    pub(crate) fn published(&self, name: &str) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.encoding(), self.of_the_library()).unwrap();
        jwk.common.key_id = Some(name.to_owned());
        json!(jwk)
    }

    fn of_the_library(&self) -> jsonwebtoken::Algorithm {
        self.algorithm.name().parse().unwrap()
    }

    fn encoding(&self) -> EncodingKey {
        match self.algorithm {
            Algorithm::Hs256 => EncodingKey::from_secret(&self.key),
            Algorithm::EdDsa => EncodingKey::from_ed_pem(&self.key).unwrap(),
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(&self.key).unwrap(),
            Algorithm::Es256 => EncodingKey::from_ec_pem(&self.key).unwrap(),
        }
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

fn pair(algorithm: Algorithm) -> (Vec<u8>, Vec<u8>) {
    let private = |der: &[u8]| pem::encode(&Pem::new("PRIVATE KEY", der)).into_bytes();
    let public = |der: &[u8]| pem::encode(&Pem::new("PUBLIC KEY", der)).into_bytes();
    match algorithm {
        Algorithm::Hs256 => {
            let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
            (secret.clone().into_bytes(), secret.into_bytes())
        }
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().unwrap();
            let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            (
                private(pair.to_pkcs8v1().unwrap().as_ref()),
                public(der.as_ref()),
            )
        }
        Algorithm::Rs256 => {
            let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
            let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            let key: Pkcs8V1Der<'_> = pair.as_der().unwrap();
            (private(key.as_ref()), public(der.as_ref()))
        }
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            let key = pair.to_pkcs8v1().unwrap();
            (private(key.as_ref()), public(der.as_ref()))
        }
    }
}
