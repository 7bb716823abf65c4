//! Who may speak to this gateway: requests that name it by a loopback name, from its own pages or from no page at all.
//!
//! Another site's page can open a socket to a local program, and a name that is made to point here (DNS rebinding)
//! can make it look like its own; checking `Host` and `Origin` on every request shuts out both.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::api::Refused;
use crate::wire::Problem;

pub(super) async fn same_origin(address: SocketAddr, request: Request, next: Next) -> Response {
    match check(address, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => Refused::from(Problem::of_the_request(403, reason)).into_response(),
    }
}

fn check(address: SocketAddr, headers: &HeaderMap) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(Ok(host)), None) = (hosts.next().map(header::HeaderValue::to_str), hosts.next())
    else {
        return Err("a request must have one Host header");
    };
    if !is_local(host, address) {
        return Err("this Host is not served here; use 127.0.0.1, [::1] or localhost");
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (
        origins.next().map(header::HeaderValue::to_str),
        origins.next(),
    ) {
        // Not a browser, or a plain navigation.
        (None, _) => Ok(()),
        (Some(Ok(origin)), None) if is_same(origin, host) => Ok(()),
        _ => Err("requests from pages of another origin are refused"),
    }
}

/// Whether `host` is a loopback name. Its port may be another than ours: that of a tunnel's other end.
fn is_local(host: &str, address: SocketAddr) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, "80"),
    };
    if port.parse::<u16>().is_err() {
        return false;
    }
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match bare.unwrap_or(name).parse::<IpAddr>() {
        Ok(ip) => (ip.is_ipv6() == bare.is_some()) && (ip.is_loopback() || ip == address.ip()),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

fn is_same(origin: &str, host: &str) -> bool {
    let site = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    site.is_some_and(|site| site.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        check("127.0.0.1:8000".parse().unwrap(), &headers).is_ok()
    }

    #[test]
    fn loopback_names_are_served() {
        for host in [
            "127.0.0.1:8000",
            "localhost:8000",
            "LOCALHOST",
            "[::1]:8000",
            "[::1]",
            "127.0.0.1",
            "localhost:9",
        ] {
            assert!(asked(host, None), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "evil.example:8000",
            "localhost.evil.example",
            "10.0.0.1:8000",
            "::1",
            "localhost:x",
            "",
            "[::1",
        ] {
            assert!(!asked(host, None), "{host}");
        }
    }

    #[test]
    fn only_our_own_pages_may_ask() {
        assert!(asked("localhost:8000", Some("http://localhost:8000")));
        assert!(asked("localhost:8000", Some("https://LOCALHOST:8000")));
        for origin in [
            "http://evil.example",
            "http://localhost:3000",
            "http://127.0.0.1:8000",
            "null",
            "file://",
        ] {
            assert!(!asked("localhost:8000", Some(origin)), "{origin}");
        }
    }

    #[test]
    fn doubled_headers_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "localhost".parse().unwrap());
        headers.append(header::HOST, "evil.example".parse().unwrap());
        assert!(check("127.0.0.1:8000".parse().unwrap(), &headers).is_err());
    }
}
