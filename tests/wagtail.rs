//! A project that nobody here wrote: what `wagtail start` makes, with its dozens of packages and native code.

use std::process::Command;

use crate::harness::Test;

#[test]
fn what_wagtail_start_makes_is_served_from_its_bundle() {
    let test = Test::empty();
    wagtail_start(&test);
    let bundle = test.bundle("shop", &[]);
    let site = test.preview([bundle.as_os_str(), "--root".as_ref(), "server".as_ref()]);

    // Its database is made with the bundle's own Python.
    let release = std::path::PathBuf::from(site.ready["release"].as_str().unwrap());
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs_err::read(release.join("holdall.json")).unwrap()).unwrap();
    let python = release.join(manifest["python"]["program"].as_str().unwrap());
    let manage = release.join(manifest["django"]["manage"].as_str().unwrap());
    let migrated = Command::new(python)
        .args(["-I", "-B", "-X", "utf8"])
        .arg(manage)
        .args(["migrate", "--noinput"])
        .env("DJANGO_SETTINGS_MODULE", "holdall_site.settings")
        .env("HOLDALL_SHARED", test.path("server/shop/shared"))
        .output()
        .unwrap();
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));

    let front = site.get("/");
    assert!(
        front.status == 200 && front.text().contains("Welcome to your new Wagtail site!"),
        "{}",
        front.text()
    );
    let login = site.get("/admin/login/");
    assert!(login.status == 200 && login.text().contains("Sign in to Wagtail"), "{}", login.text());
    #[cfg(target_os = "linux")]
    assert_eq!(foreign(&site.mapped_by_processes(), &release), <[std::path::PathBuf; 0]>::default());
    site.stop();
}

/// What of `mapped` lies neither in the release nor belongs to glibc: its libraries, its loader, its data.
#[cfg(target_os = "linux")]
fn foreign(mapped: &[std::path::PathBuf], release: &std::path::Path) -> Vec<std::path::PathBuf> {
    let of_glibc = |path: &std::path::Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let library = [
            "libc.so",
            "libm.so",
            "libmvec.so",
            "libdl.so",
            "libpthread.so",
            "librt.so",
            "libutil.so",
            "libresolv.so",
            "ld-linux",
        ];
        let system = path.starts_with("/usr/lib") || path.starts_with("/lib") || path.starts_with("/lib64");
        let data = path.starts_with("/usr/lib/locale") || name == "gconv-modules.cache";
        system
            && (data
                || name.starts_with("libnss_")
                || library.iter().any(|library| name.starts_with(library)))
    };
    mapped.iter().filter(|path| !path.starts_with(release) && !of_glibc(path)).cloned().collect()
}

/// `wagtail start shop`, by wagtail itself from the package index.
fn wagtail_start(test: &Test) {
    let start = "from wagtail.bin.wagtail import main; main()";
    test.uv(
        "",
        &["run", "--no-project", "--with", "wagtail>=7.0,<7.1", "python", "-c", start, "start", "shop"],
    );
}
