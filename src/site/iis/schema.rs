//! What may stand in the sections of IIS that Holdall writes: names, types and ranges of the schema of IIS 10
//! (`IIS_schema.xml`), as data. What a newer schema adds is not in it, and sections that Holdall has no part in are not
//! looked at.

mod check;

pub use check::{Fault, Flaw, check, join, of_tree};

/// A section.
#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    pub path: &'static str,
    pub element: Element,
}

/// What an element may hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Element {
    pub name: &'static str,
    pub attributes: &'static [Attribute],
    pub elements: &'static [Element],
    pub items: Option<Items>,
}

/// A collection, with `remove` and `clear` beside what adds an item.
#[derive(Debug, PartialEq, Eq)]
pub struct Items {
    pub item: &'static str,
    pub attributes: &'static [Attribute],
}

#[derive(Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    pub kind: Kind,
    pub need: Need,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Bool,
    /// Between these, both included.
    Number(u64, u64),
    /// `[days.]hours:minutes:seconds`
    TimeSpan,
    Word(&'static [&'static str]),
    /// Some of these, separated by commas.
    Words(&'static [&'static str]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Optional,
    Required,
    /// Required, not empty, and with the other keys the name of an item.
    Key,
    /// One that counts as its standard where it isn't written.
    OptionalKey,
}

use Kind::{Bool, Number, Text, TimeSpan, Word, Words};
use Need::{Key, Optional, OptionalKey, Required};

const ANY: Kind = Number(0, u32::MAX as u64);

const fn is(name: &'static str, kind: Kind, need: Need) -> Attribute {
    Attribute { name, kind, need }
}

const fn may(name: &'static str, kind: Kind) -> Attribute {
    is(name, kind, Optional)
}

const fn element(
    name: &'static str,
    attributes: &'static [Attribute],
    elements: &'static [Element],
    items: Option<Items>,
) -> Element {
    Element { name, attributes, elements, items }
}

const fn items(item: &'static str, attributes: &'static [Attribute]) -> Option<Items> {
    Some(Items { item, attributes })
}

const FILE_OR_URL: Kind = Word(&["File", "ExecuteURL", "Redirect"]);
const HEADER: &[Attribute] = &[is("name", Text, Key), may("value", Text)];
const LISTED: &[Attribute] = &[may("allowUnlisted", Bool), may("applyToWebDAV", Bool)];
const LOGON: Kind = Word(&["Interactive", "Batch", "Network", "ClearText"]);

/// All that Holdall writes, into `web.config` or for parts of a site's addresses.
pub const SECTIONS: &[Section] = &[
    Section {
        path: "system.webServer/handlers",
        element: element(
            "handlers",
            &[may(
                "accessPolicy",
                Words(&[
                    "None",
                    "Read",
                    "Write",
                    "Execute",
                    "Source",
                    "Script",
                    "NoRemoteWrite",
                    "NoRemoteRead",
                    "NoRemoteExecute",
                    "NoRemoteScript",
                ]),
            )],
            &[],
            items(
                "add",
                &[
                    is("name", Text, Key),
                    is("path", Text, Required),
                    is("verb", Text, Required),
                    may("type", Text),
                    may("modules", Text),
                    may("scriptProcessor", Text),
                    may("resourceType", Word(&["File", "Directory", "Either", "Unspecified"])),
                    may("requireAccess", Word(&["None", "Read", "Write", "Script", "Execute"])),
                    may("allowPathInfo", Bool),
                    may("preCondition", Text),
                    may("responseBufferLimit", ANY),
                ],
            ),
        ),
    },
    Section {
        path: "system.webServer/defaultDocument",
        element: element(
            "defaultDocument",
            &[may("enabled", Bool)],
            &[element("files", &[], &[], items("add", &[is("value", Text, Key)]))],
            None,
        ),
    },
    Section {
        path: "system.webServer/directoryBrowse",
        element: element(
            "directoryBrowse",
            &[
                may("enabled", Bool),
                may("showFlags", Words(&["None", "Date", "Time", "Size", "Extension", "LongDate"])),
                may("virtualDirectoryTimeout", TimeSpan),
            ],
            &[],
            None,
        ),
    },
    Section {
        path: "system.webServer/httpErrors",
        element: element(
            "httpErrors",
            &[
                may("errorMode", Word(&["DetailedLocalOnly", "Custom", "Detailed"])),
                may("existingResponse", Word(&["Auto", "Replace", "PassThrough"])),
                may("defaultPath", Text),
                may("defaultResponseMode", FILE_OR_URL),
                may("detailedMoreInformationLink", Text),
                may("allowAbsolutePathsWhenDelegated", Bool),
            ],
            &[],
            items(
                "error",
                &[
                    is("statusCode", Number(400, 999), Key),
                    is("subStatusCode", Text, OptionalKey),
                    may("prefixLanguageFilePath", Text),
                    is("path", Text, Required),
                    may("responseMode", FILE_OR_URL),
                ],
            ),
        ),
    },
    Section {
        path: "system.webServer/httpProtocol",
        element: element(
            "httpProtocol",
            &[may("allowKeepAlive", Bool)],
            &[
                element("customHeaders", &[], &[], items("add", HEADER)),
                element("redirectHeaders", &[], &[], items("add", HEADER)),
            ],
            None,
        ),
    },
    Section {
        path: "system.webServer/staticContent",
        element: element(
            "staticContent",
            &[may("defaultDocFooter", Text), may("isDocFooterFileName", Bool), may("enableDocFooter", Bool)],
            &[element(
                "clientCache",
                &[
                    may("cacheControlMode", Word(&["NoControl", "DisableCache", "UseMaxAge", "UseExpires"])),
                    may("cacheControlMaxAge", TimeSpan),
                    may("httpExpires", Text),
                    may("cacheControlCustom", Text),
                    may("setEtag", Bool),
                ],
                &[],
                None,
            )],
            items("mimeMap", &[is("fileExtension", Text, Key), is("mimeType", Text, Required)]),
        ),
    },
    Section {
        path: "system.webServer/urlCompression",
        element: element(
            "urlCompression",
            &[
                may("doStaticCompression", Bool),
                may("doDynamicCompression", Bool),
                may("dynamicCompressionBeforeCache", Bool),
            ],
            &[],
            None,
        ),
    },
    Section {
        path: "system.webServer/security/requestFiltering",
        element: element(
            "requestFiltering",
            &[
                may("allowDoubleEscaping", Bool),
                may("allowHighBitCharacters", Bool),
                may("unescapeQueryString", Bool),
                may("removeServerHeader", Bool),
            ],
            &[
                element(
                    "fileExtensions",
                    LISTED,
                    &[],
                    items("add", &[is("fileExtension", Text, Key), is("allowed", Bool, Required)]),
                ),
                element(
                    "requestLimits",
                    &[may("maxAllowedContentLength", ANY), may("maxUrl", ANY), may("maxQueryString", ANY)],
                    &[element(
                        "headerLimits",
                        &[],
                        &[],
                        items("add", &[is("header", Text, Key), is("sizeLimit", ANY, Required)]),
                    )],
                    None,
                ),
                element(
                    "verbs",
                    LISTED,
                    &[],
                    items("add", &[is("verb", Text, Key), is("allowed", Bool, Required)]),
                ),
                element(
                    "hiddenSegments",
                    &[may("applyToWebDAV", Bool)],
                    &[],
                    items("add", &[is("segment", Text, Key)]),
                ),
                element("denyUrlSequences", &[], &[], items("add", &[is("sequence", Text, Key)])),
                element("alwaysAllowedUrls", &[], &[], items("add", &[is("url", Text, Key)])),
                element("alwaysAllowedQueryStrings", &[], &[], items("add", &[is("queryString", Text, Key)])),
                element("denyQueryStringSequences", &[], &[], items("add", &[is("sequence", Text, Key)])),
            ],
            None,
        ),
    },
    Section {
        path: "system.webServer/security/authentication/anonymousAuthentication",
        element: element(
            "anonymousAuthentication",
            &[
                may("enabled", Bool),
                may("userName", Text),
                may("password", Text),
                may("logonMethod", LOGON),
                may("defaultLogonDomain", Text),
            ],
            &[],
            None,
        ),
    },
    Section {
        path: "system.webServer/security/authentication/windowsAuthentication",
        element: element(
            "windowsAuthentication",
            &[
                may("enabled", Bool),
                may("authPersistSingleRequest", Bool),
                may("authPersistNonNTLM", Bool),
                may("useKernelMode", Bool),
                may("useAppPoolCredentials", Bool),
            ],
            &[
                element("providers", &[], &[], items("add", &[is("value", Text, Key)])),
                element(
                    "extendedProtection",
                    &[
                        may("tokenChecking", Word(&["None", "Allow", "Require"])),
                        may(
                            "flags",
                            Words(&[
                                "None",
                                "Proxy",
                                "NoServiceNameCheck",
                                "AllowDotlessSpn",
                                "ProxyCohosting",
                            ]),
                        ),
                    ],
                    &[],
                    // The names of the service; Holdall writes none of them.
                    items("spn", &[is("name", Text, Key)]),
                ),
            ],
            None,
        ),
    },
];

/// The section of this path; names are compared with the case of letters, as IIS does.
pub fn section(path: &str) -> Option<&'static Element> {
    SECTIONS.iter().find(|section| section.path == path).map(|section| &section.element)
}

impl Element {
    /// What stands below it: `requestLimits`.
    pub fn element(&self, name: &str) -> Option<&'static Element> {
        self.elements.iter().find(|element| element.name == name)
    }

    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

impl Items {
    /// What names an item.
    pub fn keys(&self) -> impl Iterator<Item = &'static Attribute> {
        self.attributes.iter().filter(|attribute| matches!(attribute.need, Key | OptionalKey))
    }
}

impl Kind {
    pub fn allows(self, value: &str) -> bool {
        match self {
            Text => true,
            Bool => ["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(value)),
            Number(least, most) => value.parse::<u64>().is_ok_and(|number| (least..=most).contains(&number)),
            TimeSpan => is_time_span(value),
            Word(words) => words.contains(&value),
            Words(words) => value.split(',').all(|word| words.contains(&word.trim())),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Text => f.write_str("a text"),
            Bool => f.write_str("true or false"),
            Number(least, most) => write!(f, "a number from {least} to {most}"),
            TimeSpan => f.write_str("a time span such as 1.00:00:00"),
            Word(words) => write!(f, "one of {}", words.join(", ")),
            Words(words) => write!(f, "some of {}", words.join(", ")),
        }
    }
}

fn is_time_span(value: &str) -> bool {
    let (days, time) = value.split_once('.').unwrap_or(("0", value));
    let parts: Option<Vec<u32>> = time.split(':').map(|part| part.parse().ok()).collect();
    let fits = matches!(parts.as_deref(), Some([0..24, 0..60, 0..60]));
    fits && days.parse::<u32>().is_ok()
}

#[cfg(test)]
mod tests;
