//! Group commit: what is written, what is refused, what is left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![allow(clippy::type_complexity, missing_docs)]

mod support;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;

use azall_core::engine::effect::{Append, IoErrorKind, WriteAtomic};
use azall_files::commit::{commit, commit_one};
use azall_files::files::append;
use support::{World, exclusive, kinds, mode, place, roots_in, write};

fn no_temporary_files_below(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        assert!(!path.file_name().unwrap().to_str().unwrap().starts_with(".tmp-"), "{}", path.display());
        if path.is_dir() {
            no_temporary_files_below(&path);
        }
    }
}

#[test]
fn batches_of_every_size_are_written() {
    for count in [0, 1, 2, 7, 8, 100] {
        let world = World::new();
        let name = |n: usize| format!("agent/2026-03-{:02}/inbox/{n}.txt", n % 5 + 1);
        let writes: Vec<_> = (0..count).map(|n| write(&name(n), format!("message {n}"))).collect();
        assert_eq!(commit(&world.roots, &writes), vec![Ok(()); count]);
        for n in 0..count {
            assert_eq!(std::fs::read_to_string(world.path(&name(n))).unwrap(), format!("message {n}"));
        }
        no_temporary_files_below(world.dir.path());
    }
}

#[test]
fn more_folders_than_may_be_open_at_once() {
    let world = World::new();
    let writes: Vec<_> = (0..300).map(|n| write(&format!("agent/{n}/pic.png"), [1])).collect();
    assert_eq!(commit(&world.roots, &writes), vec![Ok(()); 300]);
    assert_eq!(world.names("agent").len(), 300);
}

#[test]
fn modes_are_as_asked() {
    let world = World::new();
    let secret = WriteAtomic { private: true, ..write("a/.identity_key", "s") };
    assert_eq!(commit(&world.roots, &[secret.clone(), write("a/index.txt", "i")]), [Ok(()), Ok(())]);
    assert_eq!(mode(&world.path("a/.identity_key")), 0o600);
    assert_eq!(mode(&world.path("a/index.txt")) & 0o077, 0o644 & 0o077 & !umask());
    // A secret that was readable becomes private when it is written again.
    std::fs::set_permissions(world.path("a/.identity_key"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    commit_one(&world.roots, &secret).unwrap();
    assert_eq!(mode(&world.path("a/.identity_key")), 0o600);
}

/// The process's file mode mask, seen on a file that asks for everything.
fn umask() -> u32 {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x"), "").unwrap();
    0o666 & !mode(&dir.path().join("x"))
}

#[test]
fn one_failure_does_not_touch_the_others() {
    let world = World::new();
    world.put("a/taken", b"first");
    world.put("a/file", b"f");
    let mut writes: Vec<_> = (0..20).map(|n| exclusive(&format!("a/{n}"), "new")).collect();
    writes.push(exclusive("a/taken", "second"));
    writes.push(write("a/file/below", "no folder"));
    let answers = commit(&world.roots, &writes);
    assert_eq!(kinds(&answers), [IoErrorKind::AlreadyExists, IoErrorKind::Other]);
    assert!(answers[..20].iter().all(Result::is_ok));
    assert_eq!(std::fs::read(world.path("a/taken")).unwrap(), b"first");
    assert_eq!(world.names("a").len(), 22);
}

#[test]
fn the_same_exclusive_file_twice_in_a_batch() {
    let world = World::new();
    let answers = commit(&world.roots, &[exclusive("a/x", "1"), exclusive("a/x", "2"), exclusive("a/y", "3")]);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2);
    assert_eq!(kinds(&answers), [IoErrorKind::AlreadyExists]);
    assert_eq!(world.names("a"), ["x", "y"]);
}

#[test]
fn exactly_one_of_eight_racers_wins() {
    let world = World::new();
    for round in 0..25 {
        let barrier = Barrier::new(8);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let racer = |n: usize| {
                let (world, barrier) = (&world, &barrier);
                scope.spawn(move || {
                    let lock = exclusive(&format!("agent-{round}/.lock"), n.to_string());
                    barrier.wait();
                    commit_one(&world.roots, &lock)
                })
            };
            let racers: Vec<_> = (0..8).map(racer).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(kinds(&answers), [IoErrorKind::AlreadyExists; 7]);
        let winner = answers.iter().position(Result::is_ok).unwrap();
        assert_eq!(std::fs::read_to_string(world.path(&format!("agent-{round}/.lock"))).unwrap(), winner.to_string());
        assert_eq!(world.names(&format!("agent-{round}")), [".lock"]);
    }
}

#[test]
fn a_link_in_the_place_of_a_file_is_replaced_and_never_followed() {
    let world = World::new();
    world.put("victim", b"precious");
    world.put("a/x", b"");
    symlink(world.path("victim"), world.path("a/link")).unwrap();
    symlink(world.path("nowhere"), world.path("a/dangling")).unwrap();
    assert_eq!(kinds(&commit(&world.roots, &[exclusive("a/dangling", "new")])), [IoErrorKind::AlreadyExists]);
    commit_one(&world.roots, &write("a/link", "new")).unwrap();
    assert_eq!(std::fs::read(world.path("victim")).unwrap(), b"precious");
    assert_eq!(std::fs::read(world.path("a/link")).unwrap(), b"new");
    assert!(!world.path("nowhere").exists());
}

#[test]
fn a_folder_in_the_place_of_a_file_stays() {
    let world = World::new();
    world.put("a/folder/x", b"x");
    assert!(commit_one(&world.roots, &write("a/folder", "new")).is_err());
    assert_eq!(world.names("a"), ["folder"]);
    assert_eq!(world.names("a/folder"), ["x"]);
}

#[test]
fn a_leftover_of_a_crash_is_harmless() {
    let world = World::new();
    world.put("a/.tmp-0123456789abcdef-0", b"half");
    commit_one(&world.roots, &write("a/x", "new")).unwrap();
    assert_eq!(world.names("a"), [".tmp-0123456789abcdef-0", "x"]);
}

/// Runs `work` on a file system mounted with these options; root alone may mount.
fn on_tmpfs(options: &str, work: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir.path()).output();
    if !mounted.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: this user cannot mount a file system");
        return;
    }
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(dir.path())));
    let unmounted = Command::new("umount").arg(dir.path()).status().unwrap();
    assert!(unmounted.success());
    result.unwrap();
}

#[test]
fn a_full_disk_is_told_and_nothing_is_left() {
    on_tmpfs("size=64k", |dir| {
        let roots = roots_in(dir);
        commit_one(&roots, &write("a/small", "kept")).unwrap();
        for count in [1, 3, 12] {
            let writes: Vec<_> = (0..count).map(|n| write(&format!("a/{n}"), vec![b'x'; 100_000])).collect();
            assert_eq!(kinds(&commit(&roots, &writes)), vec![IoErrorKind::StorageFull; count]);
        }
        let full = append(&roots, &Append { place: place("a/small"), bytes: vec![b'y'; 100_000], private: false });
        assert_eq!(full.unwrap_err().kind, IoErrorKind::StorageFull);
        let small = roots.resolve(&place("a/small")).unwrap();
        assert_eq!(std::fs::read(&small).unwrap(), b"kept");
        assert_eq!(std::fs::read_dir(small.parent().unwrap()).unwrap().count(), 1);
    });
}

#[test]
fn a_read_only_file_system_is_told() {
    on_tmpfs("ro", |dir| {
        let roots = roots_in(dir);
        let writes: Vec<_> = (0..10).map(|n| write(&format!("a/{n}"), "x")).collect();
        assert_eq!(kinds(&commit(&roots, &writes)), vec![IoErrorKind::PermissionDenied; 10]);
    });
}

#[test]
fn a_read_only_folder_is_told() {
    let world = World::new();
    world.put("a/x", b"x");
    std::fs::set_permissions(world.path("a"), std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    if std::fs::write(world.path("a/probe"), "").is_ok() {
        println!("skipped: this user may write to a read-only folder");
        return;
    }
    assert_eq!(kinds(&commit(&world.roots, &[write("a/y", "y")])), [IoErrorKind::PermissionDenied]);
}
