//! Packages that only Windows has.

use crate::startproject::startproject;
use crate::{bundles, lab};

#[test]
fn pywin32_works_in_the_bundle_of_a_project_that_asks_for_it() {
    let test = startproject();
    test.write("site/requirements.txt", "django>=5.2,<5.3\npywin32==311; sys_platform == 'win32'\n");
    let windows = bundles::for_windows(&test, "site");
    assert!(windows.packages().contains(&"pywin32"), "{:?}", windows.packages());
    let release = windows.unzip(test.path("release ü"));
    let question = "import win32api, pywintypes, win32event; print(win32api.GetCurrentProcessId() > 0)";
    let said = lab::run(&mut release.python(&["-c", question])).success();
    assert_eq!(said.stdout, "True\n");
    // As somebody would type it.
    lab::run(lab::wine("python/python.exe", &release.folder).args(["-B", "-c", "import win32api"])).success();
    release.verify();
}

#[test]
fn time_zones_are_those_of_the_bundle() {
    let test = startproject();
    let release = bundles::for_windows(&test, "site").unzip(test.path("release"));
    let question = "import zoneinfo, datetime; \
                    print(datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')).utcoffset())";
    assert_eq!(lab::run(&mut release.python(&["-c", question])).success().stdout, "2:00:00\n");
}
