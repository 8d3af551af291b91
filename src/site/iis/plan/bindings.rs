//! The addresses at which a site answers. Those that others have added are theirs.

use super::site::site_thing;
use super::{ABSENT, Actual, Change, Difference, Found, Lack};
use crate::site::iis::actual::{Site, SiteBinding, same_name};
use crate::site::iis::appcmd::{Command, Items, Object, Quoted, Verb};
use crate::site::iis::wanted::{Spot, Wanted};
use crate::site::settings::Binding;

/// The bindings at which another site answers already: IIS would not start this one, or has let the other take them.
pub(super) fn taken(wanted: &Wanted, actual: &Actual) -> Vec<Lack> {
    let site = actual.site(&wanted.spot.site);
    let any = [Binding::any(80)];
    let bindings = match site {
        None if wanted.bindings.is_empty() && !wanted.spot.is_below() => &any[..],
        _ => &wanted.bindings[..],
    };
    let lack = |binding: &Binding| {
        let information = binding.information();
        let other = actual.taken.iter().find(|taken| {
            taken.information.eq_ignore_ascii_case(&information) && !same_name(&taken.site, &wanted.spot.site)
        })?;
        Some(Lack::Binding { binding: binding.to_string(), site: other.site.clone() })
    };
    bindings.iter().filter_map(lack).collect()
}

/// Those that need a certificate of their own beside others at the same address, where IIS has none such.
pub(super) fn without_sni(wanted: &Wanted, actual: &Actual) -> Option<Lack> {
    let needing = wanted.bindings.iter().filter(|binding| binding.ssl_flags() != 0);
    let bindings: Vec<String> = needing.map(ToString::to_string).collect();
    (actual.sni == Some(false) && !bindings.is_empty()).then_some(Lack::NoSni { bindings })
}

pub(super) fn label(binding: &Binding) -> String {
    format!("binding {binding}")
}

/// Whether a setting of a site is one of its bindings.
pub(super) fn is_label(name: &str) -> bool {
    name.starts_with("binding ")
}

fn is_named(binding: &SiteBinding, name: &str) -> bool {
    format!("binding {}/{}", binding.protocol, binding.information).eq_ignore_ascii_case(name)
}

fn pair(scheme: &str, information: &str) -> Vec<(&'static str, Quoted)> {
    vec![("protocol", Quoted::plain(scheme)), ("bindingInformation", Quoted::plain(information))]
}

pub(super) fn set_site(spot: &Spot) -> Command {
    Command::new(Verb::Set, Object::Site, Some(&spot.site))
}

pub(super) fn ssl_flags(spot: &Spot, scheme: &str, information: &str, flags: &str) -> Command {
    let items = Items::of("bindings", pair(scheme, information));
    set_site(spot).editing(items, "sslFlags", flags)
}

/// An element of the list of bindings. Servers before IIS 8 know no flags.
fn item(scheme: &str, information: &str, flags: &str) -> Items {
    let mut attributes = pair(scheme, information);
    if flags != "0" {
        attributes.push(("sslFlags", Quoted::plain(flags)));
    }
    Items::of("bindings", attributes)
}

pub(super) fn compare(difference: &mut Difference<'_>, wanted: &Wanted, site: &Site, ours: bool) {
    let (spot, thing) = (&wanted.spot, site_thing(&wanted.spot));
    if wanted.bindings.is_empty() {
        return;
    }
    let ours = ours || difference.last.knows(&thing);
    for binding in &wanted.bindings {
        let (name, flags) = (label(binding), binding.ssl_flags().to_string());
        let there = site.bindings.iter().find(|other| is_named(other, &name));
        let actual = there.map_or_else(|| ABSENT.to_owned(), |there| there.ssl_flags.to_string());
        let found =
            Found { thing: &thing, name: &name, wanted: &flags, firm: true, ours, actual: Some(&actual) };
        match there {
            Some(_) => difference
                .setting(found, |flags| ssl_flags(spot, binding.scheme(), &binding.information(), flags)),
            None => {
                if difference.is_due(found) {
                    let does = set_site(spot).adding(item(binding.scheme(), &binding.information(), &flags));
                    difference
                        .change(Change::plain(format!("add the binding {binding} to the {thing}"), does));
                }
            }
        }
    }
    // Those that were wanted once. What others have added is theirs.
    let wanted_names: Vec<String> = wanted.bindings.iter().map(label).collect();
    let before: Vec<String> = difference.last.of(&thing).map(|(name, _)| name.to_owned()).collect();
    for name in before.iter().filter(|name| is_label(name) && !wanted_names.contains(name)) {
        let there = site.bindings.iter().find(|other| is_named(other, name));
        if let Some(there) = there
            && Quoted::parse(&there.information).is_ok()
        {
            let does = set_site(spot).removing(item(
                &there.protocol,
                &there.information,
                &there.ssl_flags.to_string(),
            ));
            difference.change(Change::plain(format!("remove the {name} from the {thing}"), does));
        }
        difference.plan.applied.unset(&thing, name);
    }
}
