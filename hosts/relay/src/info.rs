//! `server_info.json`: where a relay listens, for who looks into its data folder.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

/// The file's name.
pub const SERVER_INFO: &str = "server_info.json";

/// The file while the relay runs; gone when it is dropped.
pub(crate) struct ServerInfo(PathBuf);

impl ServerInfo {
    /// Writes it; on failure, which file.
    pub(crate) fn write(dir: &Path, address: SocketAddr, url: &str) -> Result<Self, (PathBuf, io::Error)> {
        let path = dir.join(SERVER_INFO);
        let document = json!({
            "host": address.ip(),
            "port": address.port(),
            "url": url,
            "protocol": "agenttalk",
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
        });
        let part = dir.join(".server_info.part");
        let written = fs::create_dir_all(dir)
            .and_then(|()| fs::write(&part, format!("{document:#}\n")))
            .and_then(|()| fs::rename(&part, &path));
        match written {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err((path, error)),
        }
    }
}

impl Drop for ServerInfo {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
