//! Copies of the whole configuration.

use crate::harness::Server;
use holdall_lab_iis::runtime::Runtime;

#[test]
fn a_backup_brings_everything_back_and_restarts_all_pools() {
    let server = Server::with_shop();
    let before = server.file();
    server.check(&["add", "backup", "first"], 0, "BACKUP object \"first\" added\n");
    server.check(
        &["add", "backup", "/name:first"],
        183,
        "ERROR ( message:Failed to add duplicate collection element \"first\". )\n",
    );
    server.check(&["list", "backup"], 0, "BACKUP \"first\"\n");
    server.check(&["list", "backup", "none"], 1, "");
    server.done(&["delete", "site", "Shop"]);
    server.check(&["restore", "backup", "first"], 0, "Restored configuration from backup \"first\"\n");
    assert_eq!(server.file(), before);
    assert_eq!(Runtime::load(&server.lab().runtime()).unwrap().recycled("DefaultAppPool"), 1);
    server.check(&["delete", "backup", "first"], 0, "BACKUP object \"first\" deleted\n");
    server.check(
        &["restore", "backup", "first"],
        1168,
        "ERROR ( message:Cannot find BACKUP object with identifier \"first\". )\n",
    );
    server.check(
        &["restore", "backup"],
        87,
        "ERROR ( message:Must specify the BACKUP object with identifier. )\n",
    );
    assert_eq!(server.run(&["add", "backup", "../x"]).0, 13);
    assert_eq!(server.run(&["add", "backup"]).0, 0);
}
