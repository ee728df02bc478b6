//! A small file system in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory, gone when dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// `None` where this process may not mount.
    pub(crate) fn new(path: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "azall-test"]).arg(path).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path.to_owned()));
        }
        println!("not tested: this process may not mount a file system; run the tests as root");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
