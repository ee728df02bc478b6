//! Debian's packages.

use std::process::Command;

use crate::error::Result;
use crate::report;

/// Installs packages, as root. A new machine has no list of them, or an old one.
pub(crate) fn install(step: &str, packages: &[&str], mend: &str) -> Result<()> {
    let mut update = Command::new("apt-get");
    update.args(["update", "--quiet"]);
    report::require("read Debian's list of packages", &mut update, mend)?;
    let mut install = Command::new("apt-get");
    install
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    report::require(step, &mut install, mend)
}
