//! `web.config`: what a release says to IIS of itself. Rendered when the release is made, and never changed after that.

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, context,
};
use quick_xml::escape::escape;

use super::wanted::Wanted;
use crate::manifest::Manifest;
use crate::recipe::Template;
use crate::site::SiteSettings;

/// Endings that some versions of IIS don't know, or know otherwise: without its kind a file is not found.
pub(super) const MIME_TYPES: &[(&str, &str)] = &[
    (".avif", "image/avif"),
    (".css", "text/css"),
    (".ico", "image/x-icon"),
    (".js", "text/javascript"),
    (".json", "application/json"),
    (".map", "application/json"),
    (".md", "text/markdown"),
    (".mjs", "text/javascript"),
    (".mp4", "video/mp4"),
    (".otf", "font/otf"),
    (".svg", "image/svg+xml"),
    (".ttf", "font/ttf"),
    (".wasm", "application/wasm"),
    (".webm", "video/webm"),
    (".webmanifest", "application/manifest+json"),
    (".webp", "image/webp"),
    (".woff", "font/woff"),
    (".woff2", "font/woff2"),
];

/// What differs from release to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfig {
    /// Program and arguments, as the release's FastCGI application is registered.
    pub script_processor: String,
    /// The value of `X-Holdall-Release`, if it is to be sent: the first digits of the release's identity.
    pub header: Option<String>,
    /// Below the web root.
    pub static_path: Option<String>,
    pub media_path: Option<String>,
}

/// A template that cannot be rendered.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the template `{}` cannot be rendered", file.display())]
#[diagnostic(help("correct it, or leave HOLDALL_RECIPES unset to use the one of holdall"))]
pub struct TemplateError {
    file: std::path::PathBuf,
    source: Error,
}

impl WebConfig {
    pub fn of(settings: &SiteSettings, wanted: &Wanted, manifest: &Manifest) -> WebConfig {
        let id = &wanted.release.id;
        WebConfig {
            script_processor: wanted.release.fastcgi.script_processor(),
            header: settings.requests.header.then(|| id.rsplit('-').next().unwrap_or(id).to_owned()),
            static_path: static_path(manifest).map(str::to_owned),
            media_path: settings.media.as_ref().map(|media| media.url.to_string()),
        }
    }

    /// One such as a release has, before it is known where that is going to lie.
    pub fn example(manifest: Option<&Manifest>) -> WebConfig {
        WebConfig {
            script_processor: r"C:\holdall\python.exe|-m holdall_bridge".to_owned(),
            header: Some("00000000".to_owned()),
            static_path: manifest.and_then(static_path).map(str::to_owned),
            media_path: None,
        }
    }

    pub fn render(&self, template: &Template) -> Result<String, TemplateError> {
        let mime_types = MIME_TYPES.iter().map(|(ending, kind)| Value::from_iter([*ending, *kind]));
        render(
            template,
            escape_xml,
            context! {
                script_processor => self.script_processor.clone(),
                header => self.header.clone(),
                static_path => self.static_path.clone(),
                media_path => self.media_path.clone(),
                mime_types => mime_types.collect::<Value>(),
            },
        )
    }
}

/// What is said in the folder of uploads.
pub fn media(template: &Template) -> Result<String, TemplateError> {
    render(template, escape_xml, context! {})
}

/// Where the web server finds static files below the web root, if it is to serve them.
pub(super) fn static_path(manifest: &Manifest) -> Option<&str> {
    manifest.site.static_root.as_deref()?.strip_prefix("www/")
}

/// Renders a template; what it doesn't know is an error, and values are written by `format`.
pub(super) fn render(
    template: &Template,
    format: fn(&mut Output<'_>, &mut State<'_, '_>, &Value) -> Result<(), Error>,
    values: Value,
) -> Result<String, TemplateError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("holdall".into()));
    environment.set_formatter(format);
    let rendered = environment.render_str(&template.text, values);
    let rendered = rendered.map_err(|source| TemplateError { file: template.file.clone(), source })?;
    // The last line's end is dropped on the way.
    Ok(format!("{}\n", rendered.trim_end()))
}

/// Text and values of attributes alike. Controls, which XML 1.0 cannot hold, are refused.
fn escape_xml(out: &mut Output<'_>, _state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = value.to_string();
    if text.contains(char::is_control) {
        return Err(Error::new(ErrorKind::InvalidOperation, "XML holds no control characters"));
    }
    out.write_str(&escape(&text)).map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipes;
    use crate::site::iis::schema;
    use crate::site::iis::xml::{self, Element};
    use crate::site::place::tests::guestbook;
    use std::path::Path;

    fn rendered(root: &str, text: &str) -> String {
        let place = guestbook(root.as_ref());
        let settings = format!("name = 'guestbook'\n{text}");
        let settings = SiteSettings::parse(&settings, Path::new("site.toml")).unwrap();
        let wanted = Wanted::of(&settings, &place, 4).unwrap();
        let config = WebConfig::of(&settings, &wanted, &place.manifest);
        let text = config.render(&Recipes::read(None).unwrap().iis.web_config).unwrap();
        if cfg!(windows) { text.replace('\\', "/") } else { text }
    }

    /// The file as IIS reads it.
    fn parsed(text: &str) -> Element {
        let (_, body) = text.split_once("?>").unwrap();
        xml::objects(format!("<appcmd>{body}</appcmd>").as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn a_release_says_all_that_iis_has_to_know() {
        insta::assert_snapshot!(rendered("/srv", ""));
    }

    #[test]
    fn settings_and_paths_find_their_way_into_it() {
        let text = "[requests]\nheader = false\n[media]\nurl = '/media/up/'";
        let text = rendered("/srv/a & b <c>", text);
        insta::assert_snapshot!(text);
        let server = parsed(&text);
        let server = server.child("system.webServer").unwrap();
        let handler = server.child("handlers").unwrap().child("add").unwrap();
        let processor = handler.attribute("scriptProcessor").unwrap();
        assert!(
            processor.starts_with("/srv/a & b <c>/guestbook/releases/1.0.0-0123abcd/python/"),
            "{processor}"
        );
    }

    #[test]
    fn each_section_stands_once_in_its_place_and_each_type_is_removed_before_it_is_added() {
        let server = parsed(&rendered("/srv", "[media]\nurl = '/media/'"));
        for place in server.children.iter().filter_map(|child| match child.name.as_str() {
            "location" => child.child("system.webServer"),
            _ => Some(child),
        }) {
            let mut names: Vec<_> = place.children.iter().map(|section| section.name.as_str()).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{names:?}");
        }
        let content = server.child("system.webServer").unwrap().child("staticContent").unwrap();
        for pair in content.children.chunks(2) {
            assert_eq!((pair[0].name.as_str(), pair[1].name.as_str()), ("remove", "mimeMap"));
            assert_eq!(pair[0].attribute("fileExtension"), pair[1].attribute("fileExtension"));
        }
    }

    #[test]
    fn every_rendering_is_what_the_schema_of_iis_says() {
        let media = "[media]\nurl = '/media/'\ncacheDays = 3";
        for settings in ["", "[requests]\nheader = false", media, "[environment]\nA = '<&>'"] {
            for root in ["/srv", "/srv/a & b <c>"] {
                assert_eq!(schema::check(&rendered(root, settings)), Ok(Vec::new()), "{settings}");
            }
        }
        let recipes = Recipes::read(None).unwrap();
        assert_eq!(schema::check(&super::media(&recipes.iis.media_config).unwrap()), Ok(Vec::new()));
    }

    #[test]
    fn a_template_of_ones_own_is_told_its_mistakes() {
        let config = WebConfig {
            script_processor: "a\u{1}".to_owned(),
            header: None,
            static_path: None,
            media_path: None,
        };
        for text in ["{{ nothing }}", "{% if %}", "{{ script_processor }}"] {
            let template = Template { file: "recipes/iis/web.config".into(), text: text.to_owned() };
            let error = config.render(&template).unwrap_err();
            assert!(error.to_string().contains("iis/web.config"), "{error}");
        }
    }
}
