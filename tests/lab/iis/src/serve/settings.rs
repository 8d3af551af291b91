//! What the configuration says of one path: the effective sections, as typed values.

use std::path::PathBuf;
use std::time::Duration;

/// The sections that this server knows, as they hold for one path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// In the order in which they are tried.
    pub handlers: Vec<Handler>,
    pub access: Vec<Access>,
    /// Native modules that take part; a handler that names another one fails.
    pub modules: Vec<String>,
    pub filtering: Filtering,
    pub errors: Errors,
    /// Names and values of `httpProtocol/customHeaders`.
    pub headers: Vec<(String, String)>,
    pub content: StaticContent,
    /// Names of default documents, if they are enabled.
    pub default_documents: Vec<String>,
    pub is_anonymous_allowed: bool,
    /// Providers of `windowsAuthentication`, if it is enabled.
    pub windows_providers: Vec<String>,
}

/// An entry of `handlers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    pub name: String,
    pub path: String,
    pub verb: String,
    pub modules: String,
    pub script_processor: String,
    pub resource_type: ResourceType,
    pub require_access: Option<Access>,
    pub response_buffer_limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceType {
    File,
    Directory,
    Either,
    Unspecified,
}

/// What `accessPolicy` may grant, and a handler require.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    Script,
    Execute,
}

/// `security/requestFiltering`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filtering {
    pub allow_double_escaping: bool,
    pub remove_server_header: bool,
    pub max_content_length: u64,
    pub max_url: usize,
    pub max_query: usize,
    pub hidden_segments: Vec<String>,
    pub extensions: Listed,
    pub verbs: Listed,
    pub denied_sequences: Vec<String>,
}

/// A list of names that are allowed or denied, and what holds for others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    pub allow_unlisted: bool,
    pub listed: Vec<(String, bool)>,
}

impl Listed {
    pub fn allows(&self, name: &str) -> bool {
        let found = self.listed.iter().find(|(listed, _)| listed.eq_ignore_ascii_case(name));
        found.map_or(self.allow_unlisted, |(_, is_allowed)| *is_allowed)
    }
}

/// `httpErrors`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Errors {
    pub mode: ErrorMode,
    pub existing: Existing,
    pub pages: Vec<ErrorPage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorMode {
    #[default]
    DetailedLocalOnly,
    Custom,
    Detailed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    #[default]
    Auto,
    Replace,
    PassThrough,
}

/// A file that is shown for a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPage {
    pub status: u16,
    /// `None` for all.
    pub substatus: Option<u16>,
    pub file: PathBuf,
}

/// `staticContent`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StaticContent {
    /// Extensions with their dot, and types.
    pub types: Vec<(String, String)>,
    pub cache: Cache,
    /// `cacheControlCustom`.
    pub custom: String,
    pub sets_etag: bool,
}

/// `clientCache`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cache {
    #[default]
    NoControl,
    Disabled,
    MaxAge(Duration),
    Expires(String),
}

/// The configuration is not one that IIS would take: every request for the path fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);
