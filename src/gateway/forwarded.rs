//! For whom a connection speaks: its other end, or, where that is a proxy that is trusted, whoever it names.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The header in which proxies name whom they speak for.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of whoever asks. Each proxy adds whom it heard to the end, so that is read from the end, as long as those
/// that are named are trusted themselves: what comes before is anybody's word.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| {
        let address = address.to_canonical();
        trusted.iter().any(|network| network.contains(&address))
    };
    let named = headers.get_all(FORWARDED_FOR).iter().rev();
    let named = named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.rsplit(','))
        .map(|address| address.trim().parse::<IpAddr>());
    let mut client = peer;
    for address in named {
        if !is_trusted(&client) {
            break;
        }
        match address {
            Ok(address) => client = address,
            // What cannot be read names nobody, and nor does what comes before it.
            Err(_) => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_another() {
        assert_eq!(asked("10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(asked("::ffff:10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(asked("192.0.2.1", &["192.0.2.7"]), "192.0.2.1");
        assert_eq!(asked("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_a_client_says_of_itself_is_nobodys_word() {
        assert_eq!(asked("10.0.0.1", &["198.51.100.1, 192.0.2.7"]), "192.0.2.7");
        assert_eq!(
            asked("10.0.0.1", &["198.51.100.1", "192.0.2.7"]),
            "192.0.2.7"
        );
        assert_eq!(asked("10.0.0.1", &["192.0.2.7, 10.0.0.2"]), "192.0.2.7");
        assert_eq!(asked("10.0.0.1", &["192.0.2.7, unknown"]), "10.0.0.1");
        assert_eq!(
            asked("10.0.0.1", &["192.0.2.7, unknown, 10.0.0.2"]),
            "10.0.0.2"
        );
    }
}
