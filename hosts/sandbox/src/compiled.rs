//! Compiled code, kept between runs in a folder of the owner's alone: compiling takes longer than most commands.

use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use base16ct::HexDisplay;
use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use crate::error::Error;

/// The largest program that is compiled.
const LARGEST_MODULE: u64 = 64 << 20;

/// A program ready to run: from the cache where it has been compiled by this very wasmtime before, else compiled now and kept.
pub(crate) fn module(engine: &Engine, path: &Path) -> Result<Module, Error> {
    let bytes = read(path)?;
    let wrong = |error: wasmtime::Error| Error::Module { module: path.to_owned(), why: format!("{error:#}") };
    let Some(folder) = folder() else {
        return Module::new(engine, &bytes).map_err(wrong);
    };
    prepare(&folder)?;
    let kept = folder.join(name(engine, &bytes));
    if let Some(module) = load(engine, &kept) {
        return Ok(module);
    }
    let compiled = engine.precompile_module(&bytes).map_err(wrong)?;
    keep(&kept, &compiled)?;
    load(engine, &kept).map_or_else(|| Module::new(engine, &bytes).map_err(wrong), Ok)
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

/// Makes the folder, and refuses one in which somebody else could put code.
fn prepare(folder: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(Error::file("make", folder))?;
    let meta = fs::symlink_metadata(folder).map_err(Error::file("look at", folder))?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
        return Err(Error::OpenCache(folder.to_owned()));
    }
    Ok(())
}

/// The file of a program's code: by the program, and by everything of the compiler that decides whether its code can be run.
fn name(engine: &Engine, bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut compiler = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compiler);
    format!("{:016x}-{:x}.cwasm", compiler.finish(), HexDisplay(&Sha256::digest(bytes)))
}

/// Code from the cache; `None` where there is none that can be used.
#[expect(unsafe_code, reason = "wasmtime takes compiled code on trust: see below why it can be trusted")]
fn load(engine: &Engine, kept: &Path) -> Option<Module> {
    let meta = fs::symlink_metadata(kept).ok()?;
    let is_ours = meta.is_file() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
    // SAFETY: the file was written, whole, by `keep` from what the same compiler made of the program that its name is the
    // hash of; the folder and the file can be written by this user alone, who could run any code anyway. No program in
    // the sandbox sees them.
    is_ours.then(|| unsafe { Module::deserialize_file(engine, kept) })?.ok()
}

/// Writes code so that it is there whole or not at all.
fn keep(kept: &Path, compiled: &[u8]) -> Result<(), Error> {
    let temporary = kept.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)
        .and_then(|mut file| file.write_all(compiled).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, kept));
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Error::file("write", kept)(error)
    })
}
