//! Networks whose proxies are believed: `10.0.0.0/8`, or one address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Some addresses that have their first bits in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    pub fn parse(text: &str) -> Result<Network, String> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let wanted = "a network is wanted, such as `10.0.0.0/8` or `fd00::/8`, or one address";
        let address: IpAddr = address.parse().map_err(|_| wanted)?;
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        let is_number = |bits: &&str| !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = match bits {
            None => most,
            Some(bits) => {
                let bits = Some(bits).filter(is_number).and_then(|bits| bits.parse().ok());
                bits.filter(|bits| *bits <= most)
                    .ok_or_else(|| format!("after the `/` a number of bits from 1 to {most} is wanted"))?
            }
        };
        if bits == 0 {
            return Err("it is every address there is: each visitor could say to be another".to_owned());
        }
        let network = Network { first: first(address, bits), bits };
        match network.first == address {
            true => Ok(network),
            false => Err(format!("it is an address within a network: write `{network}`")),
        }
    }
}

/// The first address that has these bits.
fn first(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            Ipv4Addr::from(u32::from(address) & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            Ipv6Addr::from(u128::from(address) & mask).into()
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_its_first_address_and_its_bits() {
        for (text, expected) in [
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("192.0.2.7", Ok("192.0.2.7/32")),
            ("fd00::/8", Ok("fd00::/8")),
            ("::1", Ok("::1/128")),
            ("128.0.0.0/1", Ok("128.0.0.0/1")),
            ("10.1.2.3/8", Err("write `10.0.0.0/8`")),
            ("0.0.0.0/0", Err("every address")),
            ("::/0", Err("every address")),
            ("10.0.0.0/33", Err("from 1 to 32")),
            ("10.0.0.0/+8", Err("from 1 to 32")),
            ("10.0.0.0/", Err("from 1 to 32")),
            ("fd00::/129", Err("from 1 to 128")),
            ("10.0.0/8", Err("a network is wanted")),
            ("proxy.example", Err("a network is wanted")),
            ("", Err("a network is wanted")),
        ] {
            match (Network::parse(text), expected) {
                (Ok(network), Ok(expected)) => assert_eq!(network.to_string(), expected),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{text}: {why}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
