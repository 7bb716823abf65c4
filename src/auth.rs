//! Who somebody is and what they may do: identities, their scopes, and the signed tokens that say so.
//!
//! It knows nothing of sockets and tables: the gateway asks it whose a token is, and `ringback token` makes one.

mod claims;
mod fetched;
mod identity;
mod key;
mod secret;
mod tokens;

pub use claims::{NewToken, sign};
pub use identity::{ANONYMOUS, Identity, Scope, Scopes};
pub use key::{Algorithm, KeyError, SigningKey};
pub use secret::Secret;
pub use tokens::{Expected, Refusal, Tokens};
