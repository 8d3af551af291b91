//! `register.cmd` and `unregister.cmd`: what people without holdall run, in a folder that a bundle was copied to. Plain
//! commands of IIS, the least that serves the site.

use minijinja::{Error, ErrorKind, Output, State, Value, context};

use super::web_config::{TemplateError, render, static_path};
use crate::entry::EntryPath;
use crate::layer::{Content, Source};
use crate::manifest::Manifest;
use crate::recipe::{IisTemplates, Template};
use crate::site::environment::SETTINGS;
use crate::site::secrets::Sid;
use crate::site::settings::PoolName;
use crate::target::Target;

/// Both scripts, with the line ends that `cmd.exe` needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    pub register: String,
    pub unregister: String,
}

impl Scripts {
    /// Those of a bundle with this manifest. They know where they lie only when they run.
    pub fn of(manifest: &Manifest, templates: &IisTemplates) -> Result<Scripts, TemplateError> {
        let pool = PoolName::parse(manifest.name.as_str()).expect("a site's name is fit for a pool");
        let values = context! {
            name => manifest.name.as_str(),
            python => manifest.python.program.replace('/', "\\"),
            arguments => arguments(),
            app => manifest.django.wsgi.as_str(),
            settings => SETTINGS,
            // A name that no batch file can hold is left to whoever writes the file that the bridge reads.
            environment => manifest.site.environment.iter().filter(|name| is_plain(name)).collect::<Value>(),
            static_path => static_path(manifest),
            pool_sid => Sid::of_pool(&pool).as_str(),
        };
        let script = |template: &Template| {
            let text = render(template, plain, values.clone())?;
            // `cmd.exe` loses its way between labels when lines end otherwise.
            Ok(text.replace("\r\n", "\n").replace('\n', "\r\n"))
        };
        Ok(Scripts { register: script(&templates.register)?, unregister: script(&templates.unregister)? })
    }

    /// The files of a bundle for `target`.
    pub fn sources(self, target: Target) -> Vec<Source> {
        [(REGISTER, self.register), (UNREGISTER, self.unregister)]
            .map(|(path, script)| Source {
                path: EntryPath::parse(path, target).expect("the scripts' names are good everywhere"),
                content: Content::Bytes(script.into_bytes()),
                executable: false,
            })
            .into()
    }
}

/// How a bundle's Python is started on Windows, up to the file that the bridge reads.
fn arguments() -> &'static str {
    "-s -B -X utf8 -m holdall_bridge"
}

/// A value as it is, if `cmd.exe` takes it for nothing else.
fn plain(out: &mut Output<'_>, _state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = value.to_string();
    if !is_plain(&text) {
        let message = format!("a batch file cannot hold `{}`", text.escape_debug());
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    out.write_str(&text).map_err(Error::from)
}

/// Whether `cmd.exe` takes a text for nothing but itself.
fn is_plain(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || "%\"^&|<>!'()".contains(c))
}

/// Where they lie in a bundle.
pub const REGISTER: &str = "iis/register.cmd";
pub const UNREGISTER: &str = "iis/unregister.cmd";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipes;
    use crate::site::place::tests::guestbook;

    fn manifest() -> Manifest {
        let mut manifest = guestbook("/srv".as_ref()).manifest;
        manifest.python.program = "python/python.exe".to_owned();
        manifest
    }

    fn scripts(manifest: &Manifest) -> Scripts {
        Scripts::of(manifest, &Recipes::read(None).unwrap().iis).unwrap()
    }

    #[test]
    fn a_folder_can_be_registered_by_hand() {
        let mut manifest = manifest();
        manifest.site.environment = vec!["DATABASE_URL".to_owned(), "SECRET_KEY".to_owned()];
        let scripts = scripts(&manifest);
        insta::assert_snapshot!("register", scripts.register.replace("\r\n", "\n"));
        insta::assert_snapshot!("unregister", scripts.unregister.replace("\r\n", "\n"));
    }

    #[test]
    fn every_line_ends_as_cmd_needs_it_and_every_label_is_there() {
        let Scripts { register, unregister } = scripts(&manifest());
        for script in [&register, &unregister] {
            assert!(script.is_ascii() && script.ends_with("\r\n"));
            assert_eq!(script.matches('\n').count(), script.matches("\r\n").count());
            for line in script.lines() {
                if let Some((_, label)) = line.split_once("goto ") {
                    assert!(script.contains(&format!("\r\n:{label}\r\n")), "{line}");
                }
            }
        }
        // Without variables to fill in, one run is enough.
        assert!(!register.contains("run this again"));
    }

    #[test]
    fn what_is_registered_is_what_is_taken_back_and_what_the_handler_names() {
        let Scripts { register, unregister } = scripts(&manifest());
        let pair = r#"fullPath='%PYTHON%',arguments='-s -B -X utf8 -m holdall_bridge --config \"%CONFIG%\"'"#;
        assert!(register.contains(&format!("/+[{pair},")) && unregister.contains(&format!("/-[{pair}]")));
        assert!(
            register.contains(
                r#"scriptProcessor='%PYTHON%|-s -B -X utf8 -m holdall_bridge --config \"%CONFIG%\"'"#
            )
        );
    }

    #[test]
    fn what_a_batch_file_would_take_amiss_is_not_written_into_one() {
        let mut manifest = manifest();
        manifest.site.environment = vec!["A&B".to_owned(), "SECRET_KEY".to_owned()];
        let register = scripts(&manifest).register;
        assert!(register.contains("SECRET_KEY") && !register.contains("A&B"), "{register}");
        manifest.django.wsgi = "shop&calc.wsgi:application".to_owned();
        assert!(Scripts::of(&manifest, &Recipes::read(None).unwrap().iis).is_err());
    }
}
