//! The environment of everything that runs for a site: the bridge, `manage.py`, hooks and the preview get
//! theirs from here and from nowhere else, so that they cannot differ.

use std::collections::BTreeMap;

use crate::manifest::Manifest;

use super::Place;

/// The settings module that stands before the project's own.
pub const SETTINGS: &str = "holdall_site.settings";

/// Variables of the machine that a process needs to work at all. Nothing else of the environment in which
/// holdall happens to run is passed on: a site that lives by a variable of somebody's shell would not start
/// on a server.
pub const OF_THE_MACHINE: &[&str] = if cfg!(windows) {
    &[
        "ALLUSERSPROFILE",
        "APPDATA",
        "CommonProgramFiles",
        "CommonProgramFiles(x86)",
        "CommonProgramW6432",
        "COMPUTERNAME",
        "ComSpec",
        "HOMEDRIVE",
        "HOMEPATH",
        "LOCALAPPDATA",
        "NUMBER_OF_PROCESSORS",
        "OS",
        "PATH",
        "PATHEXT",
        "PROCESSOR_ARCHITECTURE",
        "PROCESSOR_IDENTIFIER",
        "PROCESSOR_LEVEL",
        "PROCESSOR_REVISION",
        "ProgramData",
        "ProgramFiles",
        "ProgramFiles(x86)",
        "ProgramW6432",
        "PUBLIC",
        "SystemDrive",
        "SystemRoot",
        "TEMP",
        "TMP",
        "USERDOMAIN",
        "USERNAME",
        "USERPROFILE",
        "windir",
    ]
} else {
    &["HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TZ", "USER"]
};

/// What the site's processes are told, beside the variables of the machine. The administrator's variables
/// (`given`) come first to last but those by which the site finds its release and its folders.
pub fn variables(place: &Place, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let tmp = path(place.tmp());
    let mut variables: BTreeMap<String, String> =
        ["TEMP", "TMP", "TMPDIR"].into_iter().map(|name| (name.to_owned(), tmp.clone())).collect();
    variables.extend(given.clone());
    variables.extend([
        ("DJANGO_SETTINGS_MODULE".to_owned(), SETTINGS.to_owned()),
        // A bundle may be served by more than one site.
        ("HOLDALL_SITE".to_owned(), path(place.site.file_name().map(Into::into).unwrap_or_default())),
        ("HOLDALL_SHARED".to_owned(), path(place.shared())),
        ("HOLDALL_VERSION".to_owned(), place.manifest.version.to_string()),
    ]);
    variables
}

/// The variables without which the project does not start and that nobody gave.
pub fn missing(manifest: &Manifest, given: &BTreeMap<String, String>) -> Vec<String> {
    manifest.site.environment.iter().filter(|name| !given.contains_key(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::site::place::tests::guestbook;

    #[test]
    fn the_site_finds_its_folders_whatever_the_administrator_sets() {
        let place = guestbook("/srv/holdall".as_ref());
        let given = [("HOLDALL_SHARED", "/elsewhere"), ("TMP", "/fast"), ("SECRET_KEY", "s")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let variables = variables(&place, &given);
        assert_eq!(variables["DJANGO_SETTINGS_MODULE"], "holdall_site.settings");
        assert_eq!(variables["HOLDALL_SITE"], "guestbook");
        assert_eq!(variables["HOLDALL_VERSION"], "1.0.0");
        assert_eq!(Path::new(&variables["HOLDALL_SHARED"]), Path::new("/srv/holdall/guestbook/shared"));
        assert_eq!(Path::new(&variables["TMPDIR"]), Path::new("/srv/holdall/guestbook/shared/tmp"));
        assert_eq!((&*variables["TMP"], &*variables["SECRET_KEY"]), ("/fast", "s"));
    }

    #[test]
    fn a_variable_that_nobody_gave_is_missing() {
        let mut manifest = guestbook("/srv".as_ref()).manifest;
        manifest.site.environment = vec!["DATABASE_URL".to_owned(), "SECRET_KEY".to_owned()];
        let given = BTreeMap::from([("SECRET_KEY".to_owned(), String::new())]);
        assert_eq!(missing(&manifest, &given), ["DATABASE_URL"]);
    }
}
