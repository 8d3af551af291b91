//! What Linux tells: who listens on a port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::{Listening, Machine};

/// There is nothing more.
pub fn read(_: Option<&Path>, machine: Machine) -> Machine {
    machine
}

/// Nobody is asked.
pub fn synchronized() -> Option<bool> {
    None
}

pub fn listen_list() -> Vec<IpAddr> {
    Vec::new()
}

/// Who listens on one of these ports.
pub fn listening(ports: &[u16]) -> Vec<Listening> {
    let mut sockets: Vec<(SocketAddr, u64)> = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        sockets.extend(text.lines().filter_map(socket).filter(|(at, _)| ports.contains(&at.port())));
    }
    if sockets.is_empty() {
        return Vec::new();
    }
    let holders = holders(&sockets);
    let listening = |(at, inode): &(SocketAddr, u64)| {
        let process = holders.iter().find(|(held, _)| held == inode).map(|(_, process)| *process);
        let name = |process| std::fs::read_to_string(format!("/proc/{process}/comm")).ok();
        let program = process.and_then(name).map(|name| name.trim().to_owned());
        Listening { at: *at, process, program }
    };
    sockets.iter().map(listening).collect()
}

/// The processes that hold these sockets, as far as this user may see that.
fn holders(sockets: &[(SocketAddr, u64)]) -> Vec<(u64, u32)> {
    let mut found = Vec::new();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for (folder, process) in processes.filter_map(|entry| {
        let process = entry.file_name().to_str()?.parse::<u32>().ok()?;
        Some((entry.path().join("fd"), process))
    }) {
        for handle in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(target) = std::fs::read_link(handle.path()) else { continue };
            let inode = target.to_str().and_then(|target| target.strip_prefix("socket:[")?.strip_suffix(']'));
            let Some(inode) = inode.and_then(|inode| inode.parse().ok()) else { continue };
            if sockets.iter().any(|(_, socket)| *socket == inode) {
                found.push((inode, process));
            }
        }
    }
    found
}

/// A line of the table, if it is of one that listens: `sl local_address rem_address st … inode`.
fn socket(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, "0A", ..] = fields[..] else { return None };
    let (ip, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Each word of four bytes stands there as this machine keeps it.
    let words = ip.as_bytes().chunks(8).map(|word| {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some((SocketAddr::new(ip, port), fields.get(9)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_line_is_read_as_the_kernel_writes_it() {
        let line = |local: &str, state: &str| {
            format!(
                "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0"
            )
        };
        let at = |text: &str| Some((text.parse().unwrap(), 4711));
        assert_eq!(socket(&line("0100007F:1F90", "0A")), at("127.0.0.1:8080"));
        assert_eq!(socket(&line("00000000000000000000000001000000:0050", "0A")), at("[::1]:80"));
        assert_eq!(socket(&line("0100007F:1F90", "01")), None, "a connection");
        assert_eq!(socket("  sl  local_address rem_address   st tx_queue"), None);
    }
}
