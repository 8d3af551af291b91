use super::*;
use crate::site::iis::section::{self, Entry, LISTS, PROVIDERS, Section};
use crate::site::settings::{self, COMPRESSION, REQUESTS, SiteSettings, WINDOWS};
use std::path::Path;

/// The flaws of what stands in `<system.webServer>`.
#[track_caller]
fn flaws(text: &str, expected: &[&str]) {
    let text = format!("<configuration><system.webServer>{text}</system.webServer></configuration>");
    let flaws: Vec<String> = check(&text).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(flaws, expected);
}

/// An attribute by its path below a section's element: `requestLimits.maxUrl`.
fn attribute(of: Section, path: &str) -> &'static Attribute {
    let mut element = section(of.path()).unwrap();
    let mut path = path;
    while let Some((name, rest)) = path.split_once('.') {
        (element, path) = (element.element(name).unwrap(), rest);
    }
    element.attribute(path).unwrap_or_else(|| panic!("{path}"))
}

#[test]
fn what_iis_would_refuse_is_named_with_its_place() {
    flaws("<defaultDocument enabled=\"False\" /><own><any b=\"c\" /></own>", &[]);
    flaws(
        "<directoryBrowse enabled=\"yes\" />",
        &["`enabled` of `system.webServer/directoryBrowse` is `yes`, and true or false is wanted"],
    );
    flaws(
        "<security><requestFiltering><requestLimits maxUrl=\"4294967296\" /></requestFiltering></security>",
        &[
            "`maxUrl` of `system.webServer/security/requestFiltering/requestLimits` is `4294967296`, and a number from 0 \
           to 4294967295 is wanted",
        ],
    );
    flaws(
        "<staticContent><clientCache cacheControlMaxAge=\"1.24:00:00\" /></staticContent>",
        &[
            "`cacheControlMaxAge` of `system.webServer/staticContent/clientCache` is `1.24:00:00`, and a time span such as \
           1.00:00:00 is wanted",
        ],
    );
    flaws(
        "<staticContent><mimeMap fileExtension=\".A\" mimeType=\"a\" /><mimeMap fileExtension=\".a\" /></staticContent>",
        &[
            "`system.webServer/staticContent/mimeMap` lacks its `mimeType`",
            "`system.webServer/staticContent/mimeMap` has `.a` twice",
        ],
    );
    flaws(
        "<staticContent><mimeMap fileExtension=\".a\" mimeType=\"a\" /><remove fileExtension=\".a\" />\
         <mimeMap fileExtension=\".a\" mimeType=\"b\" /></staticContent>",
        &[],
    );
    flaws(
        "<handlers accessPolicy=\"Read, Run\"><clear path=\"*\" /><put /></handlers>",
        &[
            "`accessPolicy` of `system.webServer/handlers` is `Read, Run`, and some of None, Read, Write, Execute, Source, \
             Script, NoRemoteWrite, NoRemoteRead, NoRemoteExecute, NoRemoteScript is wanted",
            "`system.webServer/handlers/clear` has an attribute `path`, which is not known",
            "`system.webServer/handlers` has an element `put`, which is not known",
        ],
    );
    let location = "<configuration><location path=\"a\"><system.webServer><httpErrors existingResponse=\"auto\" />\
                    </system.webServer></location></configuration>";
    assert_eq!(check(location).unwrap().len(), 1);
}

#[test]
fn every_attribute_that_site_toml_may_set_lies_in_the_range_of_its_section() {
    let tables = [
        (Section::RequestFiltering, REQUESTS),
        (Section::UrlCompression, COMPRESSION),
        (Section::Windows, WINDOWS),
    ];
    for (section, table) in tables {
        for setting in table {
            let kind = attribute(section, setting.path).kind;
            let values: Vec<String> = match setting.kind {
                settings::Kind::Number(least, most) => vec![least.to_string(), most.to_string()],
                settings::Kind::Flag => vec!["true".to_owned(), "false".to_owned()],
                other => panic!("{}: {other:?}", setting.path),
            };
            for value in values.iter().chain([&setting.standard(4)]) {
                assert!(kind.allows(value), "{}: {value}", setting.path);
            }
        }
    }
}

#[test]
fn what_is_written_for_parts_of_a_site_is_what_the_schema_says() {
    let text = "name = 'shop'\n[headers]\nX-A = 'b'\n[static]\ncacheDays = 3650\nmimeTypes = { '.a' = 'a/b' }\n[media]\n\
                url = '/media/'\ncacheDays = 0\n[compression]\nstatic = false\n[authentication]\nwindows = true\n\
                providers = ['Negotiate']\nanonymous = ['/public/']";
    let settings = SiteSettings::parse(text, Path::new("site.toml")).unwrap();
    let manifest = crate::site::place::tests::guestbook("/srv".as_ref()).manifest;
    let mut sections = std::collections::BTreeSet::new();
    for wanted in section::wanted(&settings, Some(&manifest)) {
        sections.insert(wanted.section);
        for entry in &wanted.entries {
            let (path, values) = match entry {
                Entry::Value { path, value, standard } => (*path, [value.as_str(), standard]),
                Entry::Item { .. } | Entry::Whole { .. } => continue,
            };
            let kind = attribute(wanted.section, path).kind;
            assert!(values.iter().all(|value| kind.allows(value)), "{path}: {values:?}");
        }
    }
    assert_eq!(sections.len(), Section::ALL.len(), "{sections:?}");
}

#[test]
fn every_collection_that_is_written_is_known_with_its_items() {
    for list in LISTS.into_iter().chain([&PROVIDERS]) {
        let whole = section(list.section.path()).unwrap();
        let element = list.within.map_or(whole, |within| whole.element(within).unwrap());
        let items = element.items.as_ref().unwrap();
        assert_eq!(items.item, list.item);
        assert_eq!(items.keys().map(|key| key.name).collect::<Vec<_>>(), [list.key]);
        let known = |name: &&str| items.attributes.iter().any(|attribute| attribute.name == *name);
        assert!(list.value.as_ref().is_none_or(known));
    }
}
