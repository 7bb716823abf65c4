//! Tokens: only what was signed is taken, and of that only what is right.

use std::time::Duration;

use futures_util::FutureExt;
use ringback::auth::{
    Algorithm, Expected, Identity, NewToken, Refusal, Scopes, SigningKey, Tokens, sign,
};
use serde_json::Value;

use crate::corpus;

const SECRET: &[u8] = b"a secret that is long enough for HS256, and known to nobody else";

fn expected() -> Expected {
    Expected {
        algorithm: Algorithm::Hs256,
        audience: "ringback".to_owned(),
        issuer: "ringback".to_owned(),
    }
}

fn check(token: &str) -> Result<Identity, Refusal> {
    let tokens = Tokens::with_key(&expected(), SECRET).unwrap();
    // With one key there is nothing to wait for.
    tokens.check(token).now_or_never().unwrap()
}

fn good() -> String {
    let token = NewToken {
        subject: "alice".to_owned(),
        scopes: Scopes::parse("jobs:read"),
        lifetime: Duration::from_secs(3_600),
        audience: "ringback".to_owned(),
        issuer: "ringback".to_owned(),
    };
    let key = SigningKey::read(Algorithm::Hs256, SECRET).unwrap();
    sign(&token, &key).unwrap()
}

#[test]
fn what_we_have_not_signed_is_refused() {
    corpus::each("tokens", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        assert!(check(&text).is_err(), "{text}");
    });
}

#[test]
fn a_token_that_was_changed_anywhere_is_refused() {
    let good = good();
    assert_eq!(&*check(&good).unwrap().subject, "alice");
    for at in 0..good.len() {
        for byte in [b'A', b'_', b'.', b'=', b' '] {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            if changed != good {
                assert!(check(&changed).is_err(), "{changed}");
            }
        }
        assert!(check(&good[..at]).is_err());
    }
    for more in ["A", ".", "=", "\n", " ", ".A"] {
        assert!(check(&format!("{good}{more}")).is_err(), "{more:?}");
    }
}

#[test]
fn what_is_signed_is_taken_when_it_says_what_it_must() {
    corpus::each("settings", |bytes| {
        // Any text as the claims of a token that is signed with the right key.
        let claims: Value = serde_json::from_slice(bytes).unwrap_or_else(|_| {
            serde_json::json!({ "sub": String::from_utf8_lossy(bytes), "exp": 4_102_444_800_u64,
                "aud": "ringback", "iss": "ringback" })
        });
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        let subject = claims["sub"].as_str();
        if let Ok(identity) = check(&token) {
            assert_eq!(Some(&*identity.subject), subject);
            assert!((1..=255).contains(&identity.subject.len()));
            assert!(!identity.subject.contains('\0'));
            assert!(identity.until.unwrap() > std::time::SystemTime::now());
        }
    });
}
