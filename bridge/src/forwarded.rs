//! Visitors who come by way of proxies: where they come from, by which scheme, and for which host, as far as proxies
//! tell it whose word counts. Anybody can send such a header, so that from elsewhere none of them is believed.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use crate::protocol::Params;

/// The networks of proxies that are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Proxies(Vec<Network>);

/// Addresses that have their first bits in common.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// What proxies tell of a visitor.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Visitor<'a> {
    pub address: Option<IpAddr>,
    pub https: Option<bool>,
    pub host: Option<&'a [u8]>,
    pub port: Option<&'a [u8]>,
}

impl TryFrom<Vec<String>> for Proxies {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Proxies, String> {
        let network = |text: &String| {
            Network::parse(text).ok_or_else(|| format!("`{text}` is no network, such as `10.0.0.0/8`"))
        };
        texts.iter().map(network).collect::<Result<_, _>>().map(Proxies)
    }
}

impl Proxies {
    /// What is told of the visitor; nothing if whoever connects to the web server is none of them.
    pub fn visitor<'a>(&self, params: &'a Params) -> Option<Visitor<'a>> {
        let peer = address(params.value(b"REMOTE_ADDR")?)?;
        if !self.include(peer) {
            return None;
        }
        // Each proxy adds the address that it was asked from at the end. The visitor is the first one from there that is no
        // proxy of ours: what stands before it is a word of the visitor's own.
        let (mut visitor, mut proxies) = (peer, 0);
        for hop in parts(params, b"HTTP_X_FORWARDED_FOR").rev() {
            let Some(hop) = address(hop) else { break };
            proxies += 1;
            visitor = hop;
            if !self.include(hop) {
                break;
            }
        }
        let https = told(params, b"HTTP_X_FORWARDED_PROTO", proxies).and_then(|scheme| {
            let is = |name: &[u8]| scheme.eq_ignore_ascii_case(name);
            if is(b"https") { Some(true) } else { is(b"http").then_some(false) }
        });
        let host = told(params, b"HTTP_X_FORWARDED_HOST", proxies).filter(|host| is_host(host));
        let port = told(params, b"HTTP_X_FORWARDED_PORT", proxies);
        let is_port = |port: &&[u8]| (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
        let address = (proxies > 0).then_some(visitor);
        Some(Visitor { address, https, host, port: port.filter(is_port) })
    }

    fn include(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.includes(address))
    }
}

/// Whether a parameter is a header by which proxies tell of visitors.
pub fn is_forwarding(name: &[u8]) -> bool {
    name.starts_with(b"HTTP_X_FORWARDED_") || matches!(name, b"HTTP_FORWARDED" | b"HTTP_X_REAL_IP")
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Network { address, bits })
    }

    fn includes(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(own) & mask == u32::from(other) & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(own) & mask == u128::from(other) & mask
            }
            _ => false,
        }
    }
}

/// An address with or without a port, as IIS's own proxy adds one. An IPv4 address in IPv6's clothes is one of IPv4.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    // The zone of a link is no part of an address.
    let bare = bare.split('%').next().unwrap_or(bare);
    let parsed = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|both| both.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

/// What stands between the commas of a header.
fn parts<'a>(params: &'a Params, name: &[u8]) -> impl DoubleEndedIterator<Item = &'a [u8]> + use<'a> {
    let value = params.value(name).unwrap_or_default();
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty())
}

/// What the outermost of so many proxies has told, if each has added its own; else what the nearest one has.
fn told<'a>(params: &'a Params, name: &[u8], proxies: usize) -> Option<&'a [u8]> {
    let all: Vec<_> = parts(params, name).rev().collect();
    all.get(proxies.saturating_sub(1)).or(all.first()).copied()
}

fn is_host(host: &[u8]) -> bool {
    host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]~%".contains(byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::protocol::encode;

    fn params(pairs: &[(&str, &str)]) -> Params {
        let mut bytes = Vec::new();
        pairs.iter().for_each(|(name, value)| encode::pair(&mut bytes, name.as_bytes(), value.as_bytes()));
        Params::parse(bytes).unwrap()
    }

    fn proxies(texts: &[&str]) -> Proxies {
        Proxies::try_from(texts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    /// The visitor's address as it is found, `-` for a peer that is no proxy.
    #[track_caller]
    fn check(peer: &str, chain: &str, expected: &str) {
        let params = params(&[("REMOTE_ADDR", peer), ("HTTP_X_FORWARDED_FOR", chain)]);
        let proxies = proxies(&["10.0.0.0/8", "fd00::/8", "192.0.2.1"]);
        let found = proxies.visitor(&params).map(|visitor| visitor.address);
        let found =
            found.map_or("-".to_owned(), |address| address.map_or(String::new(), |it| it.to_string()));
        assert_eq!(found, expected, "{peer}: {chain}");
    }

    #[test]
    fn the_visitor_is_the_last_address_that_is_no_proxy_of_ours() {
        check("10.0.0.1", "203.0.113.5", "203.0.113.5");
        check("10.0.0.1", "198.51.100.7, 203.0.113.5, 10.2.3.4", "203.0.113.5");
        check("fd00::1", "2001:db8::7 , [fd00::2]:443", "2001:db8::7");
        check("::ffff:10.0.0.1", "203.0.113.5:51234", "203.0.113.5");
        check("10.0.0.1", "10.0.0.3, 192.0.2.1", "10.0.0.3");
        // A proxy that hides whom it was asked by.
        check("10.0.0.1", "203.0.113.5, unknown, 10.0.0.2", "10.0.0.2");
        check("10.0.0.1", "unknown", "");
        check("10.0.0.1", "", "");
    }

    #[test]
    fn from_elsewhere_nothing_is_believed() {
        check("203.0.113.9", "198.51.100.7", "-");
        check("192.0.2.2", "198.51.100.7", "-");
        check("", "198.51.100.7", "-");
        assert_eq!(Proxies::default().visitor(&params(&[("REMOTE_ADDR", "10.0.0.1")])), None);
    }

    #[test]
    fn scheme_and_host_are_the_outermost_proxys_word() {
        let told = |proto: &str, host: &str, chain: &str| {
            let params = params(&[
                ("REMOTE_ADDR", "10.0.0.1"),
                ("HTTP_X_FORWARDED_FOR", chain),
                ("HTTP_X_FORWARDED_PROTO", proto),
                ("HTTP_X_FORWARDED_HOST", host),
                ("HTTP_X_FORWARDED_PORT", "8443"),
            ]);
            let proxies = proxies(&["10.0.0.0/8"]);
            let visitor = proxies.visitor(&params).unwrap();
            assert_eq!(visitor.port, Some(&b"8443"[..]));
            (visitor.https, visitor.host.map(|host| String::from_utf8_lossy(host).into_owned()))
        };
        let host = |name: &str| Some(name.to_owned());
        assert_eq!(told("HTTPS", "www.example", "203.0.113.5"), (Some(true), host("www.example")));
        // The visitor's own word stands in front.
        let two = "203.0.113.5, 10.0.0.2";
        assert_eq!(
            told("ftp, https, http", "evil, www.example, inner", two),
            (Some(true), host("www.example"))
        );
        assert_eq!(told("https", "www.example:8443", two), (Some(true), host("www.example:8443")));
        assert_eq!(told("http, gopher", "a/b", "203.0.113.5"), (None, None));
        assert_eq!(told("", "", "203.0.113.5"), (None, None));
    }

    #[test]
    fn a_text_that_is_no_network_is_refused() {
        for text in ["10.0.0.0/33", "proxy", "fd00::/129", "10.0.0.0/x", ""] {
            let error = Proxies::try_from(vec![text.to_owned()]).unwrap_err();
            assert!(error.contains("no network"), "{error}");
        }
        assert!(proxies(&["0.0.0.0/0"]).include("203.0.113.5".parse().unwrap()));
        assert!(!proxies(&["0.0.0.0/0"]).include("::1".parse().unwrap()));
    }

    #[test]
    fn headers_of_proxies_are_known_by_their_names() {
        for name in ["HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PREFIX", "HTTP_FORWARDED", "HTTP_X_REAL_IP"] {
            assert!(is_forwarding(name.as_bytes()), "{name}");
        }
        assert!(!is_forwarding(b"HTTP_X_FORWARD") && !is_forwarding(b"HTTP_HOST"));
    }
}
