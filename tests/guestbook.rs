//! The example that the README shows, looked at without making a bundle by hand.

use crate::harness::Test;

#[test]
fn a_project_is_bundled_and_served_in_one_step() {
    let test = Test::empty();
    test.guestbook("guestbook");
    let site = test.preview(["guestbook", "--migrate"]);
    let front = site.get("/");
    assert!(front.status == 200 && front.text().contains("What our guests say"), "{}", front.text());
    assert_eq!(site.get("/no-such-page/").status, 404);
    site.stop();
    assert!(!test.path("guestbook/dist").exists(), "a preview leaves no bundle");
    assert!(!test.path("guestbook/db.sqlite3").exists(), "what the site wrote lies outside of the project");
}
