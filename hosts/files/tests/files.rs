//! Reading, listing, appending, renaming and removing, hostile places included.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![allow(clippy::type_complexity, missing_docs)]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use azall_core::engine::effect::{
    Append, EntryKind, IoErrorKind, List, ReadFile, ReadMany, Remove, Rename, WriteAtomic,
};
use azall_files::files::{append, list, read_file, read_many, remove, rename};
use support::{World, mode, place};

fn read(world: &World, below: &str, limit: u64) -> Result<Vec<u8>, IoErrorKind> {
    read_file(&world.roots, &ReadFile { place: place(below), limit }).map_err(|error| error.kind)
}

fn heads(world: &World, names: &[&str], limit: u64) -> Vec<Result<(Vec<u8>, bool), IoErrorKind>> {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    let heads = read_many(&world.roots, &ReadMany { folder: place("a"), names, limit }).unwrap();
    heads.into_iter().map(|head| head.map(|head| (head.bytes, head.truncated)).map_err(|error| error.kind)).collect()
}

fn add(world: &World, below: &str, bytes: &[u8]) -> Result<(), IoErrorKind> {
    let effect = Append { place: place(below), bytes: bytes.to_vec(), private: true };
    append(&world.roots, &effect).map_err(|error| error.kind)
}

fn mv(world: &World, from: &str, to: &str, exclusive: bool) -> Result<(), IoErrorKind> {
    rename(&world.roots, &Rename { from: place(from), to: place(to), exclusive }).map_err(|error| error.kind)
}

fn rm(world: &World, below: &str) -> Result<(), IoErrorKind> {
    remove(&world.roots, &Remove { place: place(below) }).map_err(|error| error.kind)
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    let world = World::new();
    world.put("a/x", b"12345");
    world.put("a/empty", b"");
    assert_eq!(read(&world, "a/x", 5).unwrap(), b"12345");
    assert_eq!(read(&world, "a/empty", 0).unwrap(), b"");
    assert_eq!(read(&world, "a/x", 4), Err(IoErrorKind::TooLarge));
    assert_eq!(read(&world, "a/y", 4), Err(IoErrorKind::NotFound));
    assert_eq!(read(&world, "b/y", 4), Err(IoErrorKind::NotFound));
}

#[test]
fn only_regular_files_are_read() {
    let world = World::new();
    world.put("a/x", b"secret");
    symlink(world.path("a/x"), world.path("a/link")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(world.path("a/pipe")).status().unwrap();
    assert!(made.success());
    let start = Instant::now();
    for below in ["a/link", "a/pipe", "a"] {
        assert_eq!(read(&world, below, 100), Err(IoErrorKind::PermissionDenied), "{below}");
    }
    assert_eq!(heads(&world, &["link"], 100), [Err(IoErrorKind::PermissionDenied)]);
    // A pipe without a writer is empty; what matters is that nobody waits at it.
    assert_eq!(heads(&world, &["pipe"], 100), [Ok((Vec::new(), false))]);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(add(&world, "a/link", b"x"), Err(IoErrorKind::PermissionDenied));
    assert_eq!(std::fs::read(world.path("a/x")).unwrap(), b"secret");
}

#[test]
fn many_heads_come_in_order_each_with_its_own_failure() {
    let world = World::new();
    world.put("a/x", b"12345");
    world.put("a/long", &vec![b'y'; 200_000]);
    world.put("outside", b"secret");
    let cut = heads(&world, &["x", "missing", "../outside", "/etc/passwd", "", "..", "x/y", "long", "x"], 3);
    assert_eq!(cut[0], Ok((b"123".to_vec(), true)));
    assert_eq!(cut[1], Err(IoErrorKind::NotFound));
    assert!(cut[2..7].iter().all(|head| *head == Err(IoErrorKind::PermissionDenied)), "{cut:?}");
    assert_eq!(cut[7], Ok((b"yyy".to_vec(), true)));
    assert_eq!(cut[0], cut[8]);
    for limit in [5, 6, 65_535, 65_536, 199_999, 200_000, u64::MAX] {
        let both = heads(&world, &["x", "long"], limit);
        let kept = usize::try_from(limit).unwrap_or(usize::MAX).min(200_000);
        assert_eq!(both[0], Ok((b"12345".to_vec(), false)), "{limit}");
        assert_eq!(both[1], Ok((vec![b'y'; kept], limit < 200_000)), "{limit}");
    }
}

#[test]
fn reading_on_all_cores_gives_the_same() {
    let world = World::new();
    let names: Vec<String> = (0..500).map(|n| format!("{n}.txt")).collect();
    for name in &names {
        world.put(&format!("a/{name}"), name.as_bytes());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (name, head) in names.iter().zip(heads(&world, &names, 100)) {
        assert_eq!(head, Ok((name.as_bytes().to_vec(), false)));
    }
}

#[test]
fn a_missing_folder_is_told() {
    let world = World::new();
    let many = ReadMany { folder: place("a"), names: vec!["x".into()], limit: 1 };
    assert_eq!(read_many(&world.roots, &many).unwrap_err().kind, IoErrorKind::NotFound);
    let listed = list(&world.roots, &List { folder: place("a"), with_meta: false });
    assert_eq!(listed.unwrap_err().kind, IoErrorKind::NotFound);
}

#[test]
fn a_listing_tells_kinds_sizes_and_times() {
    let world = World::new();
    world.put("a/file", b"12345");
    world.put("a/folder/x", b"");
    symlink("file", world.path("a/to_file")).unwrap();
    symlink("folder", world.path("a/to_folder")).unwrap();
    symlink("nowhere", world.path("a/to_nothing")).unwrap();
    std::fs::write(world.path("a").join(OsStr::from_bytes(b"bad\xffname")), b"x").unwrap();
    // Its own word on its age counts for nothing.
    let set_back = std::fs::File::options().write(true).open(world.path("a/file")).unwrap();
    set_back.set_modified(std::time::UNIX_EPOCH).unwrap();
    for with_meta in [false, true] {
        let mut entries = list(&world.roots, &List { folder: place("a"), with_meta }).unwrap();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let kinds: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("bad\u{fffd}name", EntryKind::Other),
                ("file", EntryKind::File),
                ("folder", EntryKind::Folder),
                ("to_file", EntryKind::Other),
                ("to_folder", EntryKind::LinkedFolder),
                ("to_nothing", EntryKind::Other),
            ]
        );
        let file = &entries[1];
        assert_eq!(file.size, if with_meta { 5 } else { 0 });
        let age = azall_files::clock::now().unix_ms - file.modified_ms;
        assert_eq!((-1000..60_000).contains(&age), with_meta, "{age}");
    }
}

#[test]
fn appending_makes_the_file_and_its_folders_private() {
    let world = World::new();
    add(&world, "a/b/.seen", b"one\n").unwrap();
    add(&world, "a/b/.seen", b"two\n").unwrap();
    assert_eq!(std::fs::read(world.path("a/b/.seen")).unwrap(), b"one\ntwo\n");
    assert_eq!(mode(&world.path("a/b/.seen")), 0o600);
    assert_eq!(add(&world, "a/b", b"x"), Err(IoErrorKind::Other));
}

#[test]
fn renaming_replaces_unless_exclusive() {
    let world = World::new();
    world.put("a/x", b"x");
    world.put("a/y", b"y");
    assert_eq!(mv(&world, "a/x", "a/y", true), Err(IoErrorKind::AlreadyExists));
    assert_eq!(std::fs::read(world.path("a/y")).unwrap(), b"y");
    mv(&world, "a/x", "a/y", false).unwrap();
    assert_eq!(std::fs::read(world.path("a/y")).unwrap(), b"x");
    mv(&world, "a/y", "sent/deep/y", true).unwrap();
    assert_eq!(world.names("sent/deep"), ["y"]);
    assert_eq!(mv(&world, "a/missing", "new/z", false), Err(IoErrorKind::NotFound));
    assert!(!world.path("new").exists());
    assert_eq!(mv(&world, "nowhere/missing", "new/z", true), Err(IoErrorKind::NotFound));
}

#[test]
fn folders_are_renamed_with_what_they_hold() {
    let world = World::new();
    world.put("outbox/id/pic.png", b"1");
    world.put("sent/full/pic.png", b"2");
    mv(&world, "outbox/id", "sent/id", true).unwrap();
    assert_eq!(world.names("sent/id"), ["pic.png"]);
    for exclusive in [true, false] {
        assert_eq!(mv(&world, "sent/id", "sent/full", exclusive), Err(IoErrorKind::AlreadyExists));
    }
}

#[test]
fn removing_takes_files_and_trees_and_follows_no_link_out() {
    let world = World::new();
    world.put("keep/x", b"x");
    world.put("a/tree/deep/x", b"x");
    world.put("a/file", b"x");
    symlink(world.path("keep"), world.path("a/tree/out")).unwrap();
    symlink(world.path("keep"), world.path("a/link")).unwrap();
    for below in ["a/file", "a/tree", "a/link", "a/missing", "nowhere/missing"] {
        rm(&world, below).unwrap();
        rm(&world, below).unwrap();
    }
    assert!(world.names("a").is_empty());
    assert_eq!(world.names("keep"), ["x"]);
}

#[test]
fn a_root_is_never_replaced_or_removed() {
    let world = World::new();
    world.put("a/x", b"x");
    assert_eq!(rm(&world, ""), Err(IoErrorKind::PermissionDenied));
    assert_eq!(mv(&world, "a", "", false), Err(IoErrorKind::PermissionDenied));
    assert_eq!(mv(&world, "", "b", false), Err(IoErrorKind::PermissionDenied));
    assert_eq!(add(&world, "", b"x"), Err(IoErrorKind::PermissionDenied));
    let effect = WriteAtomic { exclusive: true, ..support::write("", "x") };
    let refused = azall_files::commit::commit_one(&world.roots, &effect).unwrap_err();
    assert_eq!(refused.kind, IoErrorKind::PermissionDenied);
    assert_eq!(world.names("a"), ["x"]);
}
