//! Compiled code, kept between runs in a folder of the owner's alone: compiling takes longer than most commands.

use std::fs::{DirBuilder, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use base16ct::HexDisplay;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use crate::error::Error;

/// The largest program that is compiled.
const LARGEST_MODULE: u64 = 64 << 20;

/// A program ready to run: from the cache where it has been compiled by this very wasmtime before, else compiled now and kept.
pub(crate) fn module(engine: &Engine, path: &Path) -> Result<Module, Error> {
    let bytes = read(path)?;
    let wrong = |error: wasmtime::Error| Error::Module { module: path.to_owned(), why: format!("{error:#}") };
    let Some(cache) = Cache::open()? else {
        return Module::new(engine, &bytes).map_err(wrong);
    };
    let name = name(engine, &bytes);
    if let Some(module) = cache.load(engine, &name) {
        return Ok(module);
    }
    let compiled = engine.precompile_module(&bytes).map_err(wrong)?;
    cache.keep(&name, &compiled)?;
    cache.load(engine, &name).map_or_else(|| Module::new(engine, &bytes).map_err(wrong), Ok)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Error::file("read", path))?;
    file.take(LARGEST_MODULE + 1).read_to_end(&mut bytes).map_err(Error::file("read", path))?;
    if bytes.len() as u64 > LARGEST_MODULE {
        let why = format!("it has more than {} MiB", LARGEST_MODULE >> 20);
        return Err(Error::Module { module: path.to_owned(), why });
    }
    Ok(bytes)
}

/// `$AZALL_CACHE`, else `~/.cache/azall`; nothing is kept where neither is known.
fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("AZALL_CACHE").filter(|named| !named.is_empty()).map(PathBuf::from);
    let cache = named.or_else(|| std::env::home_dir().map(|home| home.join(".cache").join("azall")))?;
    Some(cache.join("sandbox"))
}

/// The file of a program's code: by the program, and by everything of the compiler that decides whether its code can be run.
fn name(engine: &Engine, bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut compiler = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compiler);
    format!("{:016x}-{:x}.cwasm", compiler.finish(), HexDisplay(&Sha256::digest(bytes)))
}

/// The folder of compiled code, open: what is found there is of this very folder, whatever its path leads to meanwhile.
struct Cache {
    path: PathBuf,
    folder: OwnedFd,
}

impl Cache {
    /// Makes and opens the folder, and refuses one in which somebody else could put code.
    fn open() -> Result<Option<Self>, Error> {
        let Some(path) = folder() else { return Ok(None) };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(Error::file("make", &path))?;
        let opened = rustix::fs::open(&path, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let folder = match opened {
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(Error::OpenCache(path)),
            opened => opened.map_err(|errno| Error::file("open", &path)(errno.into()))?,
        };
        let is_ours = rustix::fs::fstat(&folder).is_ok_and(|stat| is_ours(&stat));
        if is_ours { Ok(Some(Self { path, folder })) } else { Err(Error::OpenCache(path)) }
    }

    /// Code from the cache; `None` where there is none that can be used.
    #[expect(unsafe_code, reason = "wasmtime takes compiled code on trust: see below why it can be trusted")]
    fn load(&self, engine: &Engine, name: &str) -> Option<Module> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let kept = rustix::fs::openat(&self.folder, name, flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&kept).ok()?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        // SAFETY: the file was written, whole, by `keep` from what the same compiler made of the program that its name is the
        // hash of; the folder and the file can be written by this user alone, who could run any code anyway. No program in
        // the sandbox sees them.
        (is_file && is_ours(&stat)).then(|| unsafe { Module::deserialize_open_file(engine, File::from(kept)) })?.ok()
    }

    /// Writes code so that it is there whole or not at all.
    fn keep(&self, name: &str, compiled: &[u8]) -> Result<(), Error> {
        // A name of no process before: one that was ended in the middle may have had this one's number.
        let temporary = format!("{name}.{:016x}.tmp", RandomState::new().hash_one(std::process::id()));
        let write = || -> io::Result<()> {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(&self.folder, &temporary, flags, Mode::from_raw_mode(0o600))?;
            let mut file = File::from(opened);
            file.write_all(compiled)?;
            file.sync_all()?;
            Ok(rustix::fs::renameat(&self.folder, &temporary, &self.folder, name)?)
        };
        write().map_err(|error| {
            let _ = rustix::fs::unlinkat(&self.folder, &temporary, AtFlags::empty());
            Error::file("write", self.path.join(name))(error)
        })
    }
}

/// Whether nobody else can write to it.
fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o022 == 0
}
