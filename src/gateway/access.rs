//! From where a gateway may be spoken to: by names that are its own, from its own pages, from those of sites that are
//! allowed, or from no page at all.
//!
//! Another site's page can open a socket to a local program, and a name that is made to point here (DNS rebinding)
//! can make it look like its own; checking `Host` and `Origin` on every request shuts out both.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::api::Refused;
use crate::auth::Tokens;
use crate::wire::Problem;

/// For how long a browser may remember what it was told of other pages.
const PREFLIGHT: Duration = Duration::from_secs(600);

/// Who may speak to a gateway.
#[derive(Clone, Debug)]
pub struct Access {
    /// How clients are known.
    pub auth: Auth,
    /// The names under which it is reached, beside loopback ones and its own address.
    pub hosts: Vec<String>,
    /// The origins of the pages that may speak to it, beside its own; in lower case.
    pub origins: Vec<String>,
}

/// How clients are known.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all: whoever is on this machine may do everything.
    None,
    /// By signed tokens.
    Tokens(Arc<Tokens>),
}

/// Where a gateway listens, and who may speak to it.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) address: SocketAddr,
    pub(super) access: Access,
}

/// Tells browsers which other pages may speak to this gateway: none, unless some are allowed.
pub(super) fn cors(access: &Access) -> Option<CorsLayer> {
    if access.origins.is_empty() {
        return None;
    }
    let origins = access.origins.iter();
    let origins = origins.filter_map(|origin| origin.parse::<HeaderValue>().ok());
    let headers = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("idempotency-key"),
        HeaderName::from_static("last-event-id"),
    ];
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(headers)
            .expose_headers([header::LOCATION, header::RETRY_AFTER])
            .max_age(PREFLIGHT),
    )
}

/// Lets pass what comes from where it may.
pub(super) async fn from_where(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    match site.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => Refused::from(Problem::of_the_request(403, reason)).into_response(),
    }
}

impl Site {
    fn check(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        if matches!(self.access.auth, Auth::None) && headers.keys().any(is_of_a_proxy) {
            return Err(
                "a proxy has passed this on (Forwarded, X-Forwarded-…), and without authentication only this machine is \
                 served; see --auth",
            );
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(Ok(host)), None) = (hosts.next().map(HeaderValue::to_str), hosts.next()) else {
            return Err("a request must have one Host header");
        };
        if !self.is_ours(host) {
            return Err(
                "this Host is not served here; use 127.0.0.1, [::1], localhost, or a name of --allowed-hosts",
            );
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next().map(HeaderValue::to_str), origins.next()) {
            // Not a browser, or a plain navigation.
            (None, _) => Ok(()),
            (Some(Ok(origin)), None) if is_same(origin, host) || self.allows(origin) => Ok(()),
            _ => Err(
                "requests from pages of another origin are refused, but for those of --allowed-origins",
            ),
        }
    }

    /// Whether `host` is a name of this gateway. Its port may be another than ours: that of a tunnel's other end.
    fn is_ours(&self, host: &str) -> bool {
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
            Ok(ip) if ip.is_ipv6() != bare.is_some() => false,
            Ok(ip) if ip.is_loopback() || ip == self.address.ip() => true,
            Ok(_) => self.is_allowed_name(name),
            Err(_) => name.eq_ignore_ascii_case("localhost") || self.is_allowed_name(name),
        }
    }

    fn is_allowed_name(&self, name: &str) -> bool {
        let mut hosts = self.access.hosts.iter();
        hosts.any(|host| host.eq_ignore_ascii_case(name))
    }

    fn allows(&self, origin: &str) -> bool {
        let mut origins = self.access.origins.iter();
        origins.any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

fn is_of_a_proxy(name: &HeaderName) -> bool {
    let is_one = |known: &str| name.as_str() == known;
    is_one("forwarded") || is_one("x-real-ip") || name.as_str().starts_with("x-forwarded-")
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

    fn site(hosts: &[&str], origins: &[&str]) -> Site {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Site {
            address: "127.0.0.1:8000".parse().unwrap(),
            access: Access {
                auth: Auth::None,
                hosts: owned(hosts),
                origins: owned(origins),
            },
        }
    }

    fn asks(site: &Site, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        site.check(&headers).is_ok()
    }

    fn asked(host: &str, origin: Option<&str>) -> bool {
        asks(&site(&[], &[]), host, origin)
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
        assert!(site(&[], &[]).check(&headers).is_err());
    }

    #[test]
    fn names_and_origins_that_are_allowed_are_served_and_no_others() {
        let site = site(
            &["jobs.example.com", "192.0.2.7"],
            &["https://app.example.com"],
        );
        let app = Some("https://app.example.com");
        assert!(asks(&site, "jobs.example.com", None));
        assert!(asks(&site, "Jobs.Example.Com:8443", app));
        assert!(asks(&site, "192.0.2.7:8000", app));
        assert!(!asks(&site, "jobs.example.com.evil.example", None));
        assert!(!asks(&site, "example.com", None));
        for origin in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.example",
            "https://example.com",
        ] {
            assert!(!asks(&site, "jobs.example.com", Some(origin)), "{origin}");
        }
    }

    #[test]
    fn what_a_proxy_has_passed_on_is_not_for_this_machine_alone() {
        for name in [
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-real-ip",
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::HOST, "localhost".parse().unwrap());
            headers.append(name, "192.0.2.1".parse().unwrap());
            assert!(site(&[], &[]).check(&headers).is_err(), "{name}");
        }
    }
}
