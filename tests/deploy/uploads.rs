//! Uploads that the web server hands out: whatever is uploaded, it is shown or refused, and never run.

use super::bundles::Release;
use super::server::Server;
use super::visitors::ask;

/// What somebody would like to have run, or served otherwise.
const EVIL: &str = "<?xml version=\"1.0\"?><configuration><system.webServer><handlers><clear /><add name=\"evil\" path=\"*\" \
    verb=\"*\" modules=\"StaticFileModule\" requireAccess=\"Script\" resourceType=\"Unspecified\" /></handlers>\
    </system.webServer></configuration>";

#[test]
fn an_upload_is_handed_out_and_never_run_whatever_it_is_called() {
    let server = Server::new();
    server.site_toml("[media]\nurl = '/media/'");
    let media = server.home().join("shared/media");
    let shown = server.deploy(Release::First, &["--plan"]).success();
    let said = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    let [file, vdir] = ["web.config`, so that no upload has this name", "/path:/media"]
        .map(|part| said.find(part).unwrap_or_else(|| panic!("no `{part}` in {said}")));
    assert!(file < vdir && !media.exists(), "{said}");

    server.deploy(Release::First, &[]).success();
    server.assert_tidy(Release::First);
    let ours = fs_err::read(media.join("web.config")).unwrap();
    // The project itself gives an upload of that name another one.
    let code = "from django.core.files.base import ContentFile as c; from django.core.files.storage import \
                default_storage as s; print(s.save('web.config', c(b'evil')), s.save('photo.txt', c(b'photo')))";
    let saved = server.holdall(&["manage", "guestbook", "--", "shell", "-v", "0", "-c", code]).success();
    let saved = String::from_utf8_lossy(&saved.get_output().stdout).into_owned();
    assert!(saved.starts_with("web_") && saved.trim().ends_with("photo.txt"), "{saved}");
    assert_eq!(fs_err::read(media.join("web.config")).unwrap(), ours);

    fs_err::create_dir(media.join("ann")).unwrap();
    for (name, text) in [
        ("evil.py", "print('run')"),
        ("evil.aspx", "<%= 6 * 7 %>"),
        ("ann/web.config", EVIL),
        ("ann/photo.txt", "photo"),
    ] {
        fs_err::write(media.join(name), text).unwrap();
    }
    for photo in ["/media/photo.txt", "/media/ann/photo.txt"] {
        let page = ask(&server.url(photo)).unwrap();
        assert_eq!((page.status, &*page.text()), (200, "photo"), "{photo}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
    }
    for evil in ["/media/evil.py", "/media/evil.aspx", "/media/web.config", "/media/ann/web.config"] {
        let page = ask(&server.url(evil)).unwrap();
        assert_eq!(page.status, 404, "{evil}: {}", page.text());
    }

    // Should one get there all the same, it opens nothing that is locked, is told of, and goes.
    fs_err::write(media.join("web.config"), EVIL).unwrap();
    assert_eq!(ask(&server.url("/media/evil.py")).unwrap().status, 500);
    let status = server.status();
    assert!(status["drift"].to_string().contains("shared/media/web.config"), "{status:#}");
    let again = server.deploy(Release::First, &["--plan"]).success();
    let said = String::from_utf8_lossy(&again.get_output().stdout).into_owned();
    assert!(said.contains("web.config` anew, which somebody else has written"), "{said}");
    server.deploy(Release::First, &[]).success();
    server.assert_tidy(Release::First);
    assert_eq!(ask(&server.url("/media/photo.txt")).unwrap().status, 200);
    assert_eq!(fs_err::read(media.join("web.config")).unwrap(), ours);

    server.holdall(&["remove", "guestbook", "--server", "iis"]).success();
    assert!(!server.appcmd(&["list", "vdir"]).contains("media"));
    assert!(media.join("ann/photo.txt").exists());
}
