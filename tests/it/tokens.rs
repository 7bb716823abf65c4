//! Which tokens are taken, and what each is good for.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::Header;
use ringback::auth::{Algorithm, Scope};
use ringback::openapi::{Method, Operation};
use serde_json::{Value, json};

use crate::support::{Answer, Api, Client, Issuer, TestDatabase};

/// Where one is told who one is.
pub(crate) const ME: &str = "/api/v1/me";

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Those of a good token.
pub(crate) fn claims() -> Value {
    json!({
        "sub": "alice", "aud": "ringback", "iss": "ringback", "exp": now() + 60, "scope": "jobs:read",
    })
}

/// The same claims with others in their place, or, for null, without.
fn but(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

#[tokio::test]
async fn a_token_is_taken_when_everything_about_it_is_right() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    // Each of these differs from a good one in one thing.
    for good in [
        claims(),
        but(&json!({"aud": ["others", "ringback"]})),
        but(&json!({"nbf": now() - 5})),
        but(&json!({"exp": now() as f64 + 60.5})),
        but(&json!({"scope": null})),
    ] {
        let answer = Api::with_token(&gateway, &issuer.any(&good)).get(ME).await;
        assert_eq!(
            (answer.status, &answer.body["subject"]),
            (200, &json!("alice")),
            "{good}"
        );
    }
    for (bad, reason) in [
        (json!({"exp": now() - 10}), "has ended"),
        (json!({"exp": null}), "no signed token"),
        (json!({"exp": "never"}), "no signed token"),
        (json!({"exp": -1}), ""),
        (json!({"nbf": now() + 60}), "not good yet"),
        (json!({"aud": "others"}), "another audience"),
        (json!({"aud": null}), "another audience"),
        (json!({"iss": "others"}), "another issuer"),
        (json!({"iss": null}), "another issuer"),
        (json!({"sub": null}), ""),
        (json!({"sub": ""}), "no subject"),
        (json!({"sub": "a\0b"}), "no subject"),
        (json!({"sub": "x".repeat(256)}), "no subject"),
        (json!({"sub": "anonymous"}), "everybody"),
        (json!({"sub": 7}), "no signed token"),
    ] {
        let token = issuer.any(&but(&bad));
        let answer = Api::with_token(&gateway, &token).get(ME).await;
        answer.is_error(401, "unauthorized");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(reason), "{bad}: {detail}");
        let socket = Client::open(&gateway, "authorization", &format!("Bearer {token}")).await;
        assert_eq!(socket.err(), Some(401), "{bad}");
    }
}

#[tokio::test]
async fn a_token_that_somebody_else_could_have_made_is_refused() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let good = issuer.any(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let admin = issuer.any(&but(&json!({"scope": "admin"})));
    let admin = admin.split('.').nth(1).unwrap();
    // {"typ":"JWT","alg":"none"}
    let none = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0";
    let other_algorithm = issuer.any_with(&Header::new(jsonwebtoken::Algorithm::HS512), &claims());
    let mut critical = Header::new(jsonwebtoken::Algorithm::HS256);
    critical.crit = Some(vec!["b64".to_owned()]);
    for bad in [
        String::new(),
        "x".to_owned(),
        "..".to_owned(),
        format!("{header}.{payload}."),
        format!("{header}.{admin}.{signature}"),
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{good}.{signature}"),
        other_algorithm,
        issuer.any_with(&critical, &claims()),
        Issuer::new(Algorithm::Hs256).any(&claims()),
        Issuer::new(Algorithm::EdDsa).any(&claims()),
    ] {
        let answer = Api::with_token(&gateway, &bad).get(ME).await;
        answer.is_error(401, "unauthorized");
    }
    let api = Api::of(&gateway);
    for headers in [
        &[][..],
        &["Basic YTpi"],
        &[good.as_str()],
        &[&format!("Bearer {good}"), &format!("Bearer {good}")],
    ] {
        let mut request = api.client.get(api.url(ME));
        for header in headers {
            request = request.header("Authorization", *header);
        }
        Answer::of(request).await.is_error(401, "unauthorized");
    }
    let plain = api.client.get(api.url(ME)).send().await.unwrap();
    assert_eq!(plain.headers()["www-authenticate"], "Bearer");
    // Not in the address either, where others would log it.
    for query in ["access_token", "token"] {
        let answer = api.get(&format!("{ME}?{query}={good}")).await;
        answer.is_error(401, "unauthorized");
    }
    assert!(
        !gateway.output().contains(signature),
        "a token should not be logged"
    );
}

#[tokio::test]
async fn a_public_key_checks_tokens_that_only_its_private_key_can_make() {
    let database = TestDatabase::new().await;
    for algorithm in [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es256] {
        let issuer = Issuer::new(algorithm);
        let gateway = issuer.serve(&database, &[]).await;
        let ask = async |token: &str| Api::with_token(&gateway, token).get(ME).await.status;
        assert_eq!(ask(&issuer.token("alice", "")).await, 200);
        assert_eq!(ask(&Issuer::new(algorithm).token("alice", "")).await, 401);
        // The public key, which everybody has, is no secret to sign with.
        assert_eq!(ask(&issuer.confused(&claims())).await, 401);
    }
}

#[tokio::test]
async fn each_operation_needs_its_scope_and_no_other() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let gateway = issuer.serve(&database, &[]).await;
    let names = |needs: Option<Scope>, with: bool| {
        let scopes = Scope::ALL
            .into_iter()
            .filter(|scope| *scope != Scope::Admin && (Some(*scope) == needs) == with);
        scopes.map(Scope::name).collect::<Vec<_>>().join(" ")
    };
    for operation in Operation::ALL {
        let needs = operation.needs();
        let path = operation
            .path()
            .replace("{id}", "00000000-0000-7000-8000-000000000000")
            .replace("{name}", "default");
        let ask = async |scopes: &str| {
            let api = Api::with_token(&gateway, &issuer.token("alice", scopes));
            let url = api.url(&path);
            let request = match operation.method() {
                Method::Get => api.client.get(url),
                Method::Post => api.client.post(url).json(&json!({})),
            };
            // A stream goes on for ever.
            request.send().await.unwrap().status().as_u16()
        };
        let (with, without) = match needs {
            Some(Scope::Admin) => ("admin".to_owned(), names(None, false)),
            Some(_) => (names(needs, true), names(needs, false)),
            None => (String::new(), "admin".to_owned()),
        };
        assert!(![401, 403].contains(&ask(&with).await), "{operation:?}");
        let expected = if needs.is_some() {
            403
        } else {
            ask(&with).await
        };
        assert_eq!(ask(&without).await, expected, "{operation:?}");
    }
    let mut reader = Client::with_token(&gateway, &issuer.token("alice", "jobs:read")).await;
    reader.ask("default", "a").await;
    let refused = reader.next().await.0;
    assert_eq!(refused["payload"][0]["type"], "forbidden", "{refused}");
    assert_eq!(database.count("ringback.job").await, 0);
    let mut writer = Client::with_token(&gateway, &issuer.token("alice", "jobs:submit")).await;
    writer.submit("default", "a").await;
}
