//! Writing an exported archive where the command line says.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use azall_core::engine::effect::WriteAtomic;
use azall_core::protocol::layout::{Place, RelPath, Root};

use crate::commit;
use crate::roots::Roots;
use crate::working_folder;

/// How every ZIP file with something in it begins.
const ZIP_START: [u8; 4] = *b"PK\x03\x04";

/// Writes an archive for its owner's eyes alone, complete or not at all. An earlier archive of that name is replaced, as a
/// nightly backup wants it; a file of any other kind never is.
///
/// # Errors
/// The system's; a file that is there and no archive; a folder that is not there.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = working_folder::absolute(path)?;
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let folder = path.parent().filter(|folder| folder.is_dir()).ok_or_else(no_folder)?;
    let name = RelPath::parse(name).map_err(io::Error::other)?;
    let replaces = holds_archive(&path)?;
    let roots = Roots::new(folder, folder, folder).map_err(io::Error::other)?;
    let place = Place::new(Root::Config, name);
    let effect = WriteAtomic { place, bytes: bytes.to_vec(), private: true, exclusive: !replaces };
    commit::commit_one(&roots, &effect).map_err(io::Error::other)
}

fn no_folder() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "there is no such folder")
}

/// Whether there is an archive at this path; `false` when nothing is there.
fn holds_archive(path: &Path) -> io::Result<bool> {
    let meta = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        meta => meta?,
    };
    let mut start = [0; ZIP_START.len()];
    if meta.is_file() && File::open(path)?.read_exact(&mut start).is_ok() && start == ZIP_START {
        return Ok(true);
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there and no ZIP file, so it is not replaced"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_an_archive_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        write(&path, b"PK\x03\x04one").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        write(&path, b"PK\x03\x04two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"PK\x03\x04two");

        let other = folder.path().join("notes.txt");
        for content in ["", "PK", "dear diary"] {
            std::fs::write(&other, content).unwrap();
            assert_eq!(write(&other, b"PK\x03\x04").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read_to_string(&other).unwrap(), content);
        }
        let link = folder.path().join("link.zip");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(write(&link, b"PK\x03\x04").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(write(folder.path(), b"PK\x03\x04").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let missing = folder.path().join("missing").join("a.zip");
        assert_eq!(write(&missing, b"PK\x03\x04").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no temporary file is left");
    }
}
