//! What an ELF file says of itself: for which machine it is, which libraries it asks for and where it
//! looks for them, and how new a glibc it needs. Reads; never changes a file.

use std::str::FromStr;

use object::elf;
use object::read::ReadRef;
use object::read::elf::{ElfFile64, FileHeader as _};
use serde::{Deserialize, Serialize};

use crate::target::Target;

/// The part of an ELF file's dynamic section that decides whether it starts on a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Elf {
    /// The target whose machine runs this file, when Holdall knows it.
    pub target: Option<Target>,
    /// Names of the libraries it asks for, in its own order.
    pub needed: Vec<String>,
    /// RPATH, which the loader passes on to what this file loads.
    pub rpath: Vec<String>,
    /// RUNPATH, which counts for this file alone and makes the loader ignore RPATH.
    pub runpath: Vec<String>,
    /// The highest glibc symbol version it asks for.
    pub glibc: Option<Glibc>,
}

/// A version of glibc's symbols, `2.36`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glibc {
    pub major: u16,
    pub minor: u16,
}

impl std::fmt::Display for Glibc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A text that is no version of glibc.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version of glibc like `2.36`")]
pub struct NotAGlibc(String);

impl FromStr for Glibc {
    type Err = NotAGlibc;

    fn from_str(text: &str) -> Result<Glibc, NotAGlibc> {
        let numbers = text.split_once('.').map(|(major, minor)| (major.parse(), minor.parse()));
        match numbers {
            Some((Ok(major), Ok(minor))) => Ok(Glibc { major, minor }),
            _ => Err(NotAGlibc(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Glibc {
    type Error = NotAGlibc;

    fn try_from(text: String) -> Result<Glibc, NotAGlibc> {
        text.parse()
    }
}

impl From<Glibc> for String {
    fn from(version: Glibc) -> String {
        version.to_string()
    }
}

impl Glibc {
    /// The first whose loader understands packed relative relocations. A file that has them asks for this name
    /// and, maybe, for none of that version's symbols.
    const PACKED_RELOCATIONS: (&[u8], Glibc) = (b"GLIBC_ABI_DT_RELR", Glibc { major: 2, minor: 36 });

    /// Reads `GLIBC_2.36` and `GLIBC_2.2.5`; other version names (`GLIBC_PRIVATE`, `OPENSSL_3.0.0`) are none.
    fn of_symbols(name: &[u8]) -> Option<Glibc> {
        let (relocations, since) = Glibc::PACKED_RELOCATIONS;
        if name == relocations {
            return Some(since);
        }
        let mut numbers = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?.split('.');
        Some(Glibc { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }

    /// The version that a file of a bundle for `target` asks for. Files of other kinds or for other machines, and
    /// damaged ones, ask for none: no loader of that target takes them.
    pub fn needed_by<'data>(file: impl ReadRef<'data>, target: Target) -> Option<Glibc> {
        if target.is_windows() || !file.read_bytes_at(0, 4).is_ok_and(is_elf) {
            return None;
        }
        let elf = Elf::parse(file).ok()?;
        elf.glibc.filter(|_| elf.target == Some(target))
    }
}

/// Whether the bytes begin as every ELF file does.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(&elf::ELFMAG)
}

impl Elf {
    /// Reads a 64-bit ELF file.
    pub fn parse<'data>(bytes: impl ReadRef<'data>) -> Result<Elf, object::read::Error> {
        let file = ElfFile64::<object::Endianness, _>::parse(bytes)?;
        let endian = file.endian();
        let mut facts = Elf {
            target: match file.elf_header().e_machine(endian) {
                elf::EM_X86_64 => Some(Target::LinuxX86_64),
                elf::EM_AARCH64 => Some(Target::LinuxArm64),
                _ => None,
            },
            ..Elf::default()
        };
        let dynamic = file.elf_dynamic_table()?;
        for entry in &dynamic {
            let text = || -> Result<String, object::read::Error> {
                Ok(String::from_utf8_lossy(dynamic.string(entry)?).into_owned())
            };
            match entry.tag {
                elf::DT_NEEDED => facts.needed.push(text()?),
                elf::DT_RPATH => facts.rpath = folders(&text()?),
                elf::DT_RUNPATH => facts.runpath = folders(&text()?),
                _ => {}
            }
        }
        let sections = file.elf_section_table();
        if let Some((needs, strings)) = sections.gnu_verneed(endian, bytes)? {
            let strings = sections.strings(endian, bytes, strings)?;
            for need in needs {
                for version in need?.1 {
                    facts.glibc = facts.glibc.max(Glibc::of_symbols(version?.name(endian, strings)?));
                }
            }
        }
        Ok(facts)
    }
}

fn folders(text: &str) -> Vec<String> {
    text.split(':').filter(|folder| !folder.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn versions_of_glibc_are_compared_by_their_numbers() {
        let version = |name: &str| Glibc::of_symbols(name.as_bytes());
        assert!(version("GLIBC_2.9") < version("GLIBC_2.36"));
        assert_eq!(version("GLIBC_2.2.5").unwrap().to_string(), "2.2");
        assert_eq!(version("GLIBC_ABI_DT_RELR"), version("GLIBC_2.36"));
        assert_eq!(version("GLIBC_PRIVATE"), None);
        assert_eq!(version("OPENSSL_3.0.0"), None);
        assert_eq!("2.36".parse(), Ok(Glibc { major: 2, minor: 36 }));
        for wrong in ["2", "2.", "2.36.1", "two.six", ""] {
            assert_eq!(wrong.parse::<Glibc>(), Err(NotAGlibc(wrong.to_owned())));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_program_needs_glibc_of_some_version() {
        let program = fs_err::read(std::env::current_exe().unwrap()).unwrap();
        let elf = Elf::parse(program.as_slice()).unwrap();
        assert_eq!(elf.target, Target::host());
        assert!(elf.needed.iter().any(|name| name == "libc.so.6"), "{:?}", elf.needed);
        assert!(elf.glibc >= Glibc::of_symbols(b"GLIBC_2.2"));

        let needed = |bytes: &[u8], target| Glibc::needed_by(bytes, target);
        for target in Target::ALL {
            assert_eq!(needed(&program, target), elf.glibc.filter(|_| Some(target) == Target::host()));
        }
        assert_eq!(needed(&program[..4096], Target::LinuxX86_64), None);
        assert_eq!(needed(b"#!/bin/sh", Target::LinuxX86_64), None);
    }
}
