//! Where NATS is, and how to log in.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, ensure};
use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

/// The servers of one NATS, and the login that they share. Its words are without secrets.
#[derive(Clone)]
pub struct Servers {
    addresses: Vec<ServerAddr>,
    login: Option<Login>,
}

#[derive(Clone)]
enum Login {
    Token(String),
    Password { user: String, password: String },
}

impl Servers {
    pub(super) fn addresses(&self) -> &[ServerAddr] {
        &self.addresses
    }

    /// The same options, with the login.
    pub(super) fn login(&self, options: ConnectOptions) -> ConnectOptions {
        match self.login.clone() {
            None => options,
            Some(Login::Token(token)) => options.token(token),
            Some(Login::Password { user, password }) => options.user_and_password(user, password),
        }
    }
}

impl FromStr for Servers {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut addresses = Vec::new();
        let mut login = None;
        for one in text.split(',') {
            let (address, its_login) = server(one.trim()).context(
                "NATS_URL is not a list of servers, such as nats://user:password@host:4222,tls://other:4222",
            )?;
            login = login.or(its_login);
            addresses.push(address);
        }
        Ok(Self { addresses, login })
    }
}

/// One server, without its login, and that.
fn server(text: &str) -> anyhow::Result<(ServerAddr, Option<Login>)> {
    let is_known = ["nats://", "tls://"].iter().any(|it| text.starts_with(it));
    ensure!(is_known, "a server begins with nats:// or tls://");
    let mut url = ServerAddr::from_str(text)?.into_inner();
    ensure!(url.has_host(), "a server has a host");
    let path = url.path().trim_matches('/');
    let is_bare = path.is_empty() && url.query().is_none() && url.fragment().is_none();
    ensure!(is_bare, "nothing follows the port of a server");
    let plain = |text| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(Cow::into_owned).context("a login is not text")
    };
    let login = match (plain(url.username())?, url.password()) {
        (user, Some(password)) => Some(Login::Password {
            user,
            password: plain(password)?,
        }),
        (token, None) if !token.is_empty() => Some(Login::Token(token)),
        (_, None) => None,
    };
    // Nobody prints what is not in it.
    let is_gone = url.set_password(None).and_then(|()| url.set_username(""));
    ensure!(is_gone.is_ok(), "a login needs a host");
    Ok((ServerAddr::from_url(url)?, login))
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, address) in self.addresses.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}", address.host(), address.port())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Servers({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_a_list_and_their_words_have_no_secrets() {
        let servers: Servers = "nats://me:s%40cret@one:4333, tls://two".parse().unwrap();
        assert_eq!(servers.to_string(), "one:4333,two:4222");
        assert_eq!(format!("{servers:?}"), "Servers(one:4333,two:4222)");
        let Some(Login::Password { user, password }) = servers.login else {
            panic!("it has a login");
        };
        assert_eq!((user.as_str(), password.as_str()), ("me", "s@cret"));
        let token: Servers = "nats://t0ken@[::1]:4222".parse().unwrap();
        assert!(matches!(token.login, Some(Login::Token(token)) if token == "t0ken"));
        let open: Servers = "nats://localhost".parse().unwrap();
        assert!(open.login.is_none());
    }

    #[test]
    fn what_is_no_list_of_servers_is_refused_without_repeating_it() {
        for wrong in [
            "",
            "localhost:4222",
            "http://secret@localhost",
            "nats://",
            "nats://localhost:port",
            "nats://secret@localhost/path",
            "nats://localhost,",
        ] {
            let error = wrong.parse::<Servers>().unwrap_err();
            assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        }
    }
}
