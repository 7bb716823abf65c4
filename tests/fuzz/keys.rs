//! The files of keys, which an operator may mix up.

use ringback::auth::{Algorithm, Expected, SigningKey, Tokens};
use ringback::gateway::Tls;

use crate::corpus;

#[test]
fn a_file_is_a_key_or_is_refused_with_a_reason() {
    corpus::each("keys", |bytes| {
        for algorithm in Algorithm::ALL {
            let expected = Expected {
                algorithm,
                audience: String::new(),
                issuer: String::new(),
            };
            if let Err(error) = Tokens::with_key(&expected, bytes) {
                assert!(!error.to_string().is_empty());
            }
            if let Err(error) = SigningKey::read(algorithm, bytes) {
                assert!(!error.to_string().is_empty());
            }
        }
        if let Err(error) = Tls::new(bytes, bytes) {
            assert!(!format!("{error:#}").is_empty());
        }
    });
}
