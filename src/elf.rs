//! What an ELF file says of itself: for which machine it is, which libraries it asks for and where it
//! looks for them, and how new a glibc it needs. Reads; never changes a file.

use object::elf;
use object::read::elf::{ElfFile64, FileHeader as _};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glibc {
    pub major: u16,
    pub minor: u16,
}

impl std::fmt::Display for Glibc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Glibc {
    /// Reads `GLIBC_2.36` and `GLIBC_2.2.5`; other version names (`GLIBC_PRIVATE`, `OPENSSL_3.0.0`) are none.
    fn parse(name: &[u8]) -> Option<Glibc> {
        let mut numbers = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?.split('.');
        Some(Glibc { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }
}

/// Whether the bytes begin as every ELF file does.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(&elf::ELFMAG)
}

impl Elf {
    /// Reads a 64-bit ELF file.
    pub fn parse(bytes: &[u8]) -> Result<Elf, object::read::Error> {
        let file = ElfFile64::<object::Endianness>::parse(bytes)?;
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
                    facts.glibc = facts.glibc.max(Glibc::parse(version?.name(endian, strings)?));
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
        let version = |name: &str| Glibc::parse(name.as_bytes());
        assert!(version("GLIBC_2.9") < version("GLIBC_2.36"));
        assert_eq!(version("GLIBC_2.2.5").unwrap().to_string(), "2.2");
        assert_eq!(version("GLIBC_PRIVATE"), None);
        assert_eq!(version("OPENSSL_3.0.0"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_program_needs_glibc_of_some_version() {
        let program = fs_err::read(std::env::current_exe().unwrap()).unwrap();
        let elf = Elf::parse(&program).unwrap();
        assert_eq!(elf.target, Target::host());
        assert!(elf.needed.iter().any(|name| name == "libc.so.6"), "{:?}", elf.needed);
        assert!(elf.glibc >= Glibc::parse(b"GLIBC_2.2"));
    }
}
