//! TLS by rustls: certificates of the operator's, or one of the relay's own making.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::options::TlsSource;

/// The certificate that a relay makes for itself, in its data folder.
pub const SELF_SIGNED_CERT: &str = "self-signed.pem";

/// That certificate's key.
const SELF_SIGNED_KEY: &str = "self-signed.key";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {source}", path = .path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no PEM file of the kind that is needed.
    #[error("{path} holds no {wanted} in PEM form", path = .path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// The certificate and the key cannot be used.
    #[error("the certificate in {path} cannot be used with its key: {why}", path = .path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What rustls said.
        why: String,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    NotMade(String),
    /// There is no folder for a certificate of the relay's own making.
    #[error("a certificate of the relay's own making needs a data folder, where clients find it")]
    NoFolder,
}

/// What turns connections into TLS ones; `None` for plain HTTP.
///
/// # Errors
/// [`TlsError`] says which file is not what it must be.
pub(crate) fn acceptor(
    source: &TlsSource,
    data_dir: Option<&Path>,
    bind: IpAddr,
) -> Result<Option<TlsAcceptor>, TlsError> {
    let (cert, key) = match source {
        TlsSource::None => return Ok(None),
        TlsSource::Files { cert, key } => (cert.clone(), key.clone()),
        TlsSource::SelfSigned => self_signed(data_dir.ok_or(TlsError::NoFolder)?, bind)?,
    };
    let chain = read_chain(&cert)?;
    let private = read(&key).and_then(|pem| {
        PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::NotPem { path: key, wanted: "private key" })
    })?;
    let unusable = |error: rustls::Error| TlsError::Unusable { path: cert.clone(), why: error.to_string() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File { action: "read", path: path.to_owned(), source })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let not_pem = || TlsError::NotPem { path: path.to_owned(), wanted: "certificate" };
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(not_pem)
}

/// The relay's own certificate: the one that it made before, so that clients that trust it need not be told again.
fn self_signed(data_dir: &Path, bind: IpAddr) -> Result<(PathBuf, PathBuf), TlsError> {
    let (cert, key) = (data_dir.join(SELF_SIGNED_CERT), data_dir.join(SELF_SIGNED_KEY));
    if cert.exists() && key.exists() {
        return Ok((cert, key));
    }
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !bind.is_unspecified() && !bind.is_loopback() {
        names.push(bind.to_string());
    }
    let CertifiedKey { cert: made, signing_key } =
        generate_simple_self_signed(names).map_err(|error| TlsError::NotMade(error.to_string()))?;
    // The certificate comes last: where it is, its key is too.
    write(&key, signing_key.serialize_pem().as_bytes(), 0o600)?;
    write(&cert, made.pem().as_bytes(), 0o644)?;
    Ok((cert, key))
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TlsError> {
    let failed = |source| TlsError::File { action: "write", path: path.to_owned(), source };
    let part = path.with_extension("part");
    let _ = fs::remove_file(&part);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&part).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&part, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_certificate_of_its_own_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(acceptor(&TlsSource::SelfSigned, Some(dir.path()), LOCAL).unwrap().is_some());
        let made = fs::read(dir.path().join(SELF_SIGNED_CERT)).unwrap();
        assert!(acceptor(&TlsSource::SelfSigned, Some(dir.path()), LOCAL).unwrap().is_some());
        assert_eq!(fs::read(dir.path().join(SELF_SIGNED_CERT)).unwrap(), made);
        let key = fs::metadata(dir.path().join(SELF_SIGNED_KEY)).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        assert!(matches!(acceptor(&TlsSource::SelfSigned, None, LOCAL), Err(TlsError::NoFolder)));
    }

    #[test]
    fn what_is_wrong_with_the_files_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = self_signed(dir.path(), LOCAL).unwrap();
        let other = tempfile::tempdir().unwrap();
        let (_, foreign) = self_signed(other.path(), LOCAL).unwrap();
        let told = |cert: &Path, key: &Path| {
            let source = TlsSource::Files { cert: cert.to_owned(), key: key.to_owned() };
            acceptor(&source, None, LOCAL).map(|_| ()).unwrap_err().to_string()
        };
        assert!(told(&key, &key).contains("self-signed.key holds no certificate"));
        assert!(told(&cert, &cert).contains("self-signed.pem holds no private key"));
        assert!(told(&cert, &foreign).contains("cannot be used with its key"));
        assert!(told(&dir.path().join("none"), &key).starts_with("cannot read "));
    }
}
