//! The variables of the environment that say which mailbox is meant.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

#[test]
fn a_variable_that_cannot_be_used_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    for variable in ["AGENTAZALL_CONFIG", "AGENTAZALL_ROOT", "AGENTAZALL_AGENT"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azall"));
        command.args(["remember", "--text", "x"]).current_dir(dir.path()).env_clear().stdin(Stdio::null());
        let output = command.env(variable, OsStr::from_bytes(b"ann\xff@localhost")).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("${variable} is not UTF-8")), "{said}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is done in another mailbox");
    }
}
