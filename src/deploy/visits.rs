//! How visitors come to a site, and so how it is asked: addresses, and pages and files to ask for. Values alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::layer::IndexedFile;
use crate::manifest::Manifest;
use crate::release::{Release, ReleaseId};
use crate::site::iis::actual::SiteBinding;
use crate::site::iis::plan::certificate_thing;
use crate::site::iis::wanted::{Shown, Spot, Wanted, WantedCertificate};
use crate::site::iis::{Actual, Drift};
use crate::site::probe::{Address, Expected, Question};
use crate::site::settings::{Authentication, Binding, Position, Thumbprint};
use crate::site::{SiteSettings, home};

/// Files that every version of IIS serves, whatever it was told of their kinds.
const FILES: &[&str] = &[".css", ".png", ".jpg", ".gif", ".txt", ".svg", ".js", ".ico"];

/// All at which the site answers, or will.
pub fn addresses(settings: &SiteSettings, spot: &Spot, actual: &Actual) -> Vec<Address> {
    if let Position::Own { bindings } = &settings.position
        && !bindings.is_empty()
    {
        return bindings.iter().map(of_binding).collect();
    }
    match actual.site(&spot.site) {
        Some(_) => served(spot, actual),
        // As it is made when nobody says otherwise.
        None => vec![address(None, 80, None, false)],
    }
}

/// The certificates that are to be seen, each with the address, once all is as it is wanted but for `drift`.
pub fn certificates(wanted: &Wanted, drift: &[Drift]) -> Vec<(Address, Thumbprint)> {
    let seen = |own: &WantedCertificate| {
        let Shown::Chosen(certificate) = &own.shown else { return None };
        let thing = certificate_thing(&own.endpoint);
        let is_left = drift.iter().any(|drift| drift.thing == thing);
        (!is_left).then(|| (of_binding(&own.binding), certificate.thumbprint.clone()))
    };
    wanted.certificates.iter().filter_map(seen).collect()
}

/// All at which it answers now, whatever is wanted.
pub fn served(spot: &Spot, actual: &Actual) -> Vec<Address> {
    let bindings = actual.site(&spot.site).into_iter().flat_map(|site| &site.bindings);
    bindings.filter_map(of_site).collect()
}

/// How a visitor sees the first of them, one by HTTPS before the others.
pub fn visited(addresses: &[Address]) -> home::Visited<'_> {
    let first = addresses.iter().find(|address| address.https).or_else(|| addresses.first());
    let host = first.map_or("localhost", |first| without_port(&first.host));
    home::Visited { host, https: first.is_some_and(|first| first.https) }
}

/// Where the staging site is asked: on this machine, as the visitor that `visited` says.
pub fn staged(addresses: &[Address], port: u16) -> Address {
    let first = addresses.iter().find(|address| address.https).or_else(|| addresses.first());
    let host = first.map_or_else(|| "localhost".to_owned(), |first| first.host.clone());
    Address { at: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), host, https: false }
}

/// What is asked for: the pages, and one file that the web server answers by itself, if there is one.
pub fn questions<'a>(
    settings: &SiteSettings,
    spot: &Spot,
    manifest: &Manifest,
    files: impl Iterator<Item = &'a IndexedFile>,
) -> Vec<Question> {
    let app = spot.app.trim_end_matches('/');
    let pages = settings.probe_paths(manifest).into_iter();
    let pages = pages.map(|path| Question::Page(format!("{app}{path}")));
    let file = manifest.site.static_root.as_deref().and_then(|root| {
        let served = |file: &&IndexedFile| {
            let path = file.path.as_str();
            let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
            let is_known = FILES.iter().any(|ending| path.ends_with(ending));
            path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/')) && is_plain && is_known
        };
        files.filter(served).min_by_key(|file| (file.size, &file.path))
    });
    let file = file.and_then(|file| file.path.as_str().strip_prefix("www"));
    pages.chain(file.map(|path| Question::File(format!("{app}{path}")))).collect()
}

/// The same for a release that is there.
pub fn of_release(settings: &SiteSettings, spot: &Spot, release: &Release) -> Vec<Question> {
    questions(settings, spot, &release.manifest, release.files())
}

/// What a right answer is like.
pub fn expected(settings: &SiteSettings, actual: &Actual, addresses: &[Address], id: &ReleaseId) -> Expected {
    Expected {
        release: header(id).to_owned(),
        // The rule is made for the whole server, or for the site alone: by somebody, or by these settings.
        windows_authentication: matches!(settings.authentication, Some(Authentication::Windows { .. }))
            || actual.windows_authentication
            || actual.locations.values().any(|location| location.windows_authentication),
        has_https: addresses.iter().any(|address| address.https),
        certificate: None,
        also: settings.probe.status.clone(),
    }
}

/// How a release is named in `X-Holdall-Release`.
fn header(id: &ReleaseId) -> &str {
    id.as_str().rsplit('-').next().unwrap_or(id.as_str())
}

fn of_binding(binding: &Binding) -> Address {
    address(binding.ip, binding.port, binding.host.as_deref(), binding.scheme() == "https")
}

fn of_site(binding: &SiteBinding) -> Option<Address> {
    let https = match &*binding.protocol {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    // `IP:port:host`, where an IPv6 address stands in brackets.
    let (rest, host) = binding.information.rsplit_once(':')?;
    let (ip, port) = rest.rsplit_once(':')?;
    let ip = ip.trim_matches(['[', ']']).parse().ok();
    Some(address(ip, port.parse().ok()?, Some(host).filter(|host| !host.is_empty()), https))
}

fn address(ip: Option<IpAddr>, port: u16, host: Option<&str>, https: bool) -> Address {
    let ip = match ip {
        Some(IpAddr::V4(ip)) if !ip.is_unspecified() => IpAddr::V4(ip),
        Some(IpAddr::V6(ip)) if !ip.is_unspecified() => IpAddr::V6(ip),
        Some(IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
        _ => Ipv4Addr::LOCALHOST.into(),
    };
    let name = match host {
        // Any host below a wildcard is as good as another.
        Some(host) => host.strip_prefix("*.").map_or_else(|| host.to_owned(), |rest| format!("www.{rest}")),
        None => "localhost".to_owned(),
    };
    let usual = if https { 443 } else { 80 };
    let host = if port == usual { name } else { format!("{name}:{port}") };
    Address { at: SocketAddr::new(ip, port), host, https }
}

fn without_port(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::site::settings::SiteSettings;

    fn spot(settings: &SiteSettings) -> Spot {
        Spot::of(settings, Path::new("/srv/shop")).unwrap()
    }

    fn settings(text: &str) -> SiteSettings {
        SiteSettings::parse(&format!("name = 'shop'\n{text}"), Path::new("site.toml")).unwrap()
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let settings = settings(text);
        let found = addresses(&settings, &spot(&settings), &Actual::default());
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_site_is_asked_at_each_of_its_bindings() {
        check("", &["http://localhost (127.0.0.1:80)"]);
        check(
            "[[bindings]]\nport = 8080\n[[bindings]]\nprotocol = 'https'\nhost = '*.example.org'\ncertificate = 'keep'\n\
             [[bindings]]\nip = '::1'",
            &[
                "http://localhost:8080 (127.0.0.1:8080)",
                "https://www.example.org (127.0.0.1:443)",
                "http://localhost ([::1]:80)",
            ],
        );
    }

    #[test]
    fn the_staging_site_is_asked_as_visitors_ask() {
        let settings = settings(
            "[[bindings]]\n[[bindings]]\nprotocol = 'https'\nport = 8443\nhost = 'shop.example.org'\ncertificate = 'keep'",
        );
        let addresses = addresses(&settings, &spot(&settings), &Actual::default());
        assert_eq!(staged(&addresses, 5000).to_string(), "http://shop.example.org:8443 (127.0.0.1:5000)");
        assert_eq!(visited(&addresses), home::Visited { host: "shop.example.org", https: true });
        assert_eq!(visited(&[]), home::Visited { host: "localhost", https: false });
    }

    #[test]
    fn a_binding_is_read_as_iis_lists_it() {
        let binding = |protocol: &str, information: &str| {
            let (protocol, information) = (protocol.to_owned(), information.to_owned());
            of_site(&SiteBinding { protocol, information, ssl_flags: 0 }).map(|address| address.to_string())
        };
        assert_eq!(binding("http", "*:80:").unwrap(), "http://localhost (127.0.0.1:80)");
        assert_eq!(binding("https", "[::]:443:a.org").unwrap(), "https://a.org ([::1]:443)");
        assert_eq!(binding("http", "192.0.2.1:81:a.org").unwrap(), "http://a.org:81 (192.0.2.1:81)");
        assert_eq!(binding("net.tcp", "808:*"), None);
    }
}
