//! `ringback health`: asks a gateway whether it lives, or can do its work, for containers and scripts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::{Certificate, Client, Response, StatusCode, Url, redirect};

use super::output::say;
use crate::config::{LISTEN, is_here, listen, some_duration};

/// More than any gateway says; whatever is there may be no gateway.
const LONGEST: usize = 4_096;

/// Settings of `health`.
#[derive(Args, Debug)]
pub(super) struct Health {
    /// The gateway to ask; without it, the one that this machine's settings start
    #[arg(long, value_parser = url, value_name = "URL")]
    url: Option<Url>,

    /// Ask only whether it lives (/healthz), and not whether it can do its work (/readyz)
    #[arg(long)]
    live: bool,

    /// How long it may take
    #[arg(long, default_value = "3s", value_parser = some_duration, value_name = "TIME")]
    timeout: Duration,

    /// Certificates (PEM) that a gateway elsewhere may have, besides those of public authorities; on this machine any
    /// is taken, since nothing secret is said
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// The address that the gateway of this machine serves
    #[arg(long, env = "RINGBACK_LISTEN", default_value = LISTEN, value_parser = listen, hide = true)]
    listen: SocketAddr,

    /// Its certificate, where it serves TLS by itself
    #[arg(long, env = "RINGBACK_TLS_CERT", hide = true)]
    tls_cert: Option<PathBuf>,
}

impl Health {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let mut url = match &self.url {
            Some(url) => url.clone(),
            None => own(self.listen, self.tls_cert.is_some())?,
        };
        let path = if self.live { "healthz" } else { "readyz" };
        url.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
        let client = self.client(&url)?;
        let asked = tokio::time::timeout(self.timeout, ask(&client, url.clone())).await;
        let Ok(asked) = asked else {
            bail!("{url} has not answered within {:?}", self.timeout);
        };
        let (status, said) = asked.with_context(|| format!("could not reach {url}"))?;
        for line in said.lines() {
            say(line)?;
        }
        if status != StatusCode::OK {
            bail!("{url} has answered {}", status.as_u16());
        }
        Ok(())
    }

    fn client(&self, url: &Url) -> anyhow::Result<Client> {
        let mut client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none());
        if url.host_str().is_some_and(is_here) {
            client = client.tls_danger_accept_invalid_certs(true);
        } else if let Some(file) = &self.tls_ca {
            let read = std::fs::read(file);
            let pem = read.with_context(|| format!("could not read {}", file.display()))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("{} has no certificates in PEM", file.display()))?;
            client = client.tls_certs_merge(certificates);
        }
        client.build().context("could not prepare to ask")
    }
}

async fn ask(client: &Client, url: Url) -> Result<(StatusCode, String), reqwest::Error> {
    let answer = client.get(url).send().await;
    let answer = answer.map_err(reqwest::Error::without_url)?;
    let status = answer.status();
    Ok((status, text(answer).await?))
}

async fn text(mut answer: Response) -> Result<String, reqwest::Error> {
    let mut said = Vec::new();
    while said.len() < LONGEST
        && let Some(piece) = answer.chunk().await?
    {
        said.extend(piece);
    }
    said.truncate(LONGEST);
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Where the gateway of this machine is that serves this address.
fn own(listen: SocketAddr, has_tls: bool) -> anyhow::Result<Url> {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(match listen.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let scheme = if has_tls { "https" } else { "http" };
    Url::parse(&format!("{scheme}://{address}")).context("could not make an address to ask")
}

fn url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none() =>
        {
            Ok(url)
        }
        _ => Err(format!("must be an address such as http://{LISTEN}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_of_this_machine_is_where_its_settings_say() {
        let at = |listen: &str, has_tls| own(listen.parse().unwrap(), has_tls).unwrap().to_string();
        assert_eq!(at("127.0.0.1:8000", false), "http://127.0.0.1:8000/");
        assert_eq!(at("0.0.0.0:9000", true), "https://127.0.0.1:9000/");
        assert_eq!(at("[::]:9000", false), "http://[::1]:9000/");
        assert_eq!(at("192.0.2.1:80", false), "http://192.0.2.1/");
    }

    #[test]
    fn an_address_has_a_scheme_and_no_password() {
        assert!(url("http://127.0.0.1:8000/below").is_ok());
        for wrong in ["127.0.0.1:8000", "ftp://a", "http://me:secret@a", "http://"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
