//! Names and paths as IIS and Windows take them.

use std::fmt;

use crate::manifest::SiteName;

macro_rules! text_of {
    ($($name:ident)*) => { $(
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )* };
}

/// The name of an application pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName(String);

/// A site of this server that is not Holdall's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignSite(String);

/// The path of an application or a virtual directory: parts with `/` between them, without one at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualPath(String);

/// An account of Windows: `DOMAIN\user`, or one of those that Windows itself has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account(String);

text_of!(PoolName ForeignSite VirtualPath Account);

impl PoolName {
    /// Letters that the schema of IIS keeps out of a pool's name, and the quotes of a command line.
    const REFUSED: &'static str = "|<>&\"/\\[]+=;:,?*@'%";

    /// Named as its site: whatever names a site may name a pool.
    pub(super) fn of(site: &SiteName) -> PoolName {
        PoolName(site.to_string())
    }

    pub fn parse(text: &str) -> Result<PoolName, &'static str> {
        let refused = |c: char| c.is_control() || PoolName::REFUSED.contains(c);
        match text.chars().count() {
            1..=64 if !text.contains(refused) && text.trim() == text => Ok(PoolName(text.to_owned())),
            _ => Err("a pool's name has 1 to 64 characters, none of |<>&\"/\\[]+=;:,?*@'%"),
        }
    }
}

impl ForeignSite {
    pub(super) fn parse(text: &str) -> Result<ForeignSite, &'static str> {
        // IIS refuses the first three; the others would mean something else on a command line.
        let refused = |c: char| c.is_control() || "/\\?\"'%*".contains(c);
        match text.is_empty() || text.contains(refused) || text.trim() != text {
            true => Err("the name of a site is wanted, without any of /\\?\"'%*"),
            false => Ok(ForeignSite(text.to_owned())),
        }
    }
}

impl VirtualPath {
    pub fn parse(text: &str) -> Result<VirtualPath, &'static str> {
        let inner = text.strip_prefix('/').unwrap_or(text);
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let letter = |c: char| c.is_alphanumeric() || "._-~ ".contains(c);
        let fits = |part: &str| {
            !part.is_empty()
                && !part.ends_with(['.', ' '])
                && !part.starts_with(' ')
                && part.chars().all(letter)
        };
        match inner.split('/').all(fits) {
            true => Ok(VirtualPath(inner.to_owned())),
            false => Err("a path such as `/shop` is wanted: letters, digits, `.`, `_`, `-`, `~`"),
        }
    }
}

impl Account {
    /// Those that IIS knows by a name of its own. The first is an account for each pool alone.
    const BUILT_IN: [&'static str; 4] =
        ["ApplicationPoolIdentity", "LocalService", "NetworkService", "LocalSystem"];

    pub(in crate::site) fn parse(text: &str) -> Result<Account, &'static str> {
        if let Some(known) = Account::BUILT_IN.iter().find(|known| known.eq_ignore_ascii_case(text)) {
            return Ok(Account((*known).to_owned()));
        }
        let letter = |c: char| !c.is_control() && !"\"'/[]:;|=,+*?<>%&^".contains(c);
        match text.split_once('\\') {
            Some((domain, user))
                if !domain.is_empty()
                    && !user.is_empty()
                    && !user.contains('\\')
                    && text.chars().all(letter) =>
            {
                Ok(Account(text.to_owned()))
            }
            _ => Err(
                "an account is written `DOMAIN\\user`, a group managed one `DOMAIN\\user$`; Windows itself has \
                 `ApplicationPoolIdentity`, `LocalService`, `NetworkService` and `LocalSystem`",
            ),
        }
    }

    /// The kind of identity that IIS knows it by, if Windows itself has it.
    pub fn built_in(&self) -> Option<&str> {
        Account::BUILT_IN.into_iter().find(|known| *known == self.0)
    }

    /// Whether Windows itself keeps its password, or it has none.
    pub fn is_managed(&self) -> bool {
        self.0.ends_with('$') || self.built_in().is_some()
    }

    /// Whether it may do all on the machine, and so may whoever breaks into the project.
    pub fn is_mighty(&self) -> bool {
        self.0 == "LocalSystem"
    }
}
