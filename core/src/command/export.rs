//! `export` and `import`: the whole state of an agent as one ZIP file, and back.

use serde::{Deserialize, Serialize};

use crate::engine::cx::WRITES_IN_FLIGHT;
use crate::engine::effect::{EntryKind, IoErrorKind, WriteAtomic};
use crate::engine::event::Level;
use crate::protocol::archive::{self, ArchiveError, Limits};
use crate::protocol::config::{AgentKey, Config};
use crate::protocol::layout::{AgentHome, Place, RelPath, Root};

use super::error::Error;
use super::session::Session;

/// The folder of an archive that holds the agent's folder.
const MAILBOX: &str = "mailbox";

/// The folder of an archive that holds the scripts shared with all agents.
const SHARED: &str = "shared";

/// The config's name in an archive.
const CONFIG: &str = "config.json";

/// The most that one export holds in memory.
pub const MOST_BYTES: u64 = 1 << 30;

/// Packs the agent's state.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The file to write.
    pub output: Option<String>,
}

/// A packed state: the host writes it, readable by its owner alone.
#[derive(Serialize)]
pub struct Exported {
    /// The file.
    pub path: String,
    /// How many files are in it.
    pub files: usize,
    /// Its size.
    pub bytes: usize,
    /// Always true: it holds private keys and tokens.
    pub contains_secrets: bool,
    /// Its content.
    #[serde(skip)]
    pub archive: Vec<u8>,
}

impl std::fmt::Debug for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exported").field("path", &self.path).field("files", &self.files).finish_non_exhaustive()
    }
}

/// Why a state cannot be packed or unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Not an archive, or one that must not be unpacked.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The mailbox is too large for one archive in memory.
    #[error("the mailbox has more than {limit} bytes; copy its folder instead")]
    TooLarge {
        /// The most bytes.
        limit: u64,
    },
    /// An archive without what makes an agent.
    #[error("the archive has no {missing}; it is not one that `azall export` wrote")]
    NotAnExport {
        /// What is missing.
        missing: &'static str,
    },
    /// A file is there already and differs.
    #[error("{path} is there already and differs; nothing that exists is replaced: import into an empty folder")]
    Differs {
        /// The file.
        path: String,
    },
}

/// Packs config, mailbox and the scripts shared with all agents: lock, spool of unfinished fetches and temporary files are
/// left out, everything else is in.
///
/// # Errors
/// When a file cannot be read; a mailbox of more than a gibibyte.
pub async fn export(session: &mut Session, export: Export) -> Result<Exported, Error> {
    session.enter().await?;
    let session = &*session;
    let mut entries = vec![(RelPath::parse(CONFIG)?, session.config.to_json().into_bytes())];
    let shared = Place::new(Root::Shared, RelPath::default());
    let mut folders = vec![(shared, RelPath::parse(SHARED)?), (session.home.dir(), RelPath::parse(MAILBOX)?)];
    let mut total = 0_u64;
    while let Some((folder, name)) = folders.pop() {
        for entry in session.cx.list(&folder).await? {
            let (place, name) = (folder.join(&entry.name)?, name.join(&entry.name)?);
            match entry.kind {
                EntryKind::Folder if entry.name != ".spool" => folders.push((place, name)),
                EntryKind::File if !entry.name.starts_with(".lock") => {
                    let bytes = session.cx.read(&place).await?.unwrap_or_default();
                    total += bytes.len() as u64;
                    if total > MOST_BYTES {
                        return Err(ExportError::TooLarge { limit: MOST_BYTES }.into());
                    }
                    entries.push((name, bytes));
                }
                EntryKind::LinkedFolder | EntryKind::Other => {
                    let path = session.shown(&place);
                    session.cx.emit(Level::Warning, format!("left out: {path} is a link, or no regular file"));
                }
                _ => {}
            }
        }
    }
    let now = session.cx.now();
    let archive = archive::build(entries.iter().map(|(name, bytes)| (name, bytes.as_slice())), now)
        .map_err(ExportError::Archive)?;
    let path = export.output.unwrap_or_else(|| format!("azall_export_{}_{}.zip", now.day(), now.local_hhmmss()));
    Ok(Exported { path, files: entries.len(), bytes: archive.len(), contains_secrets: true, archive })
}

/// Unpacks a state.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The archive.
    #[serde(with = "crate::engine::transcript::bytes")]
    pub archive: Vec<u8>,
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Import({} bytes)", self.archive.len())
    }
}

/// A state that was unpacked.
#[derive(Debug, Serialize)]
pub struct Imported {
    /// The agent.
    pub agent: String,
    /// How many files were written.
    pub files: usize,
    /// How many were there already, the same.
    pub same: usize,
}

/// Unpacks a state into an empty place, or over the same state. Nothing that exists is replaced: every file is compared
/// before the first is written.
///
/// # Errors
/// [`ExportError`]; files that cannot be written.
pub async fn import(session: &mut Session, import: Import) -> Result<Imported, Error> {
    let entries = archive::read(&import.archive, Limits::default()).map_err(ExportError::Archive)?;
    let missing = |missing| ExportError::NotAnExport { missing };
    let config_bytes = entries.iter().find(|(name, _)| name.as_str() == CONFIG).ok_or(missing(CONFIG))?.1.clone();
    let config = Config::parse(&config_bytes)
        .map_err(|source| Error::Config { path: format!("{CONFIG} of the archive"), source })?;
    if !session.found {
        // The mailbox is unpacked here, wherever it was where it was packed.
        let here = session.config.mailbox_dir().to_owned();
        session.home = AgentHome::new(config.agent());
        session.config = config;
        session.config.set_mailbox_dir(&here).map_err(|source| session.config_error(source))?;
    } else {
        session.enter().await?;
        let ours = session.config.agent().same_as(config.agent());
        if !ours {
            return Err(ExportError::Differs { path: session.config_shown.clone() }.into());
        }
    }
    let writes = plan(session, entries).await?;
    let imported = Imported {
        agent: session.address().to_string(),
        files: writes.iter().filter(|(_, _, is_there)| !is_there).count(),
        same: writes.iter().filter(|(_, _, is_there)| *is_there).count(),
    };
    let cx = &session.cx;
    let written = cx.all(
        WRITES_IN_FLIGHT,
        writes.into_iter().filter(|(_, _, is_there)| !is_there).map(|(place, bytes, _)| async move {
            let private = place.path.file_name().starts_with('.');
            let write = WriteAtomic { place: place.clone(), bytes, private, exclusive: true };
            (place, cx.ask(write).await)
        }),
    );
    for (place, outcome) in written.await {
        match outcome {
            Err(error) if error.kind == IoErrorKind::AlreadyExists => {
                return Err(ExportError::Differs { path: session.shown(&place) }.into());
            }
            other => other.map_err(|source| crate::engine::cx::file_error("write", &place, source))?,
        }
    }
    if !session.found {
        session.create_config().await?;
    }
    session.enter().await?;
    Ok(imported)
}

/// Where each file of the archive goes, and whether it is there already, the same.
async fn plan(session: &Session, entries: Vec<(RelPath, Vec<u8>)>) -> Result<Vec<(Place, Vec<u8>, bool)>, Error> {
    let mut writes = Vec::new();
    for (name, bytes) in entries {
        let Some(place) = place_of(session, &name)? else { continue };
        let is_there = match session.cx.read(&place).await? {
            None => false,
            Some(there) if there == bytes || same_agent_key(&place, &there, &bytes) => true,
            Some(_) => return Err(ExportError::Differs { path: session.shown(&place) }.into()),
        };
        writes.push((place, bytes, is_there));
    }
    if !writes.iter().any(|(place, _, _)| place.root == Root::Mailboxes) {
        return Err(ExportError::NotAnExport { missing: "mailbox folder" }.into());
    }
    Ok(writes)
}

/// Where a file of an archive goes; nowhere if it is none of ours.
fn place_of(session: &Session, name: &RelPath) -> Result<Option<Place>, Error> {
    Ok(match name.as_str().split_once('/') {
        Some((MAILBOX, below)) => {
            let path = RelPath::parse(&format!("{}/{below}", session.home.dir().path))?;
            Some(Place::new(Root::Mailboxes, path))
        }
        Some((SHARED, below)) => Some(Place::new(Root::Shared, RelPath::parse(below)?)),
        _ => None,
    })
}

/// Two key files that hold the same key: each may have been made at its own time.
fn same_agent_key(place: &Place, there: &[u8], bytes: &[u8]) -> bool {
    place.path.file_name() == ".agent_key"
        && matches!((AgentKey::parse(there), AgentKey::parse(bytes)), (Ok(a), Ok(b)) if a.admits(&b.key))
}
