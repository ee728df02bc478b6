//! Programs that try to get out, or to take more than they are given: each ends with an error that says which bound it met, and
//! leaves nothing outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![allow(missing_docs)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A folder with a secret outside, and a mailbox inside it.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("mailbox")).unwrap();
        fs::write(dir.path().join("secret.txt"), "secret").unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a program, given as WebAssembly text, with some bounds.
    fn run(&self, program: &str, bounds: &[&str]) -> Output {
        self.run_module(&self.module(program), bounds)
    }

    fn run_module(&self, module: &Path, bounds: &[&str]) -> Output {
        self.command(module, bounds).output().unwrap()
    }

    /// The sandbox with a program, not started yet.
    fn command(&self, module: &Path, bounds: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azall-sandbox"));
        command.arg("--folder").arg(self.path("mailbox")).arg("--module").arg(module).args(bounds);
        command.env("AZALL_CACHE", self.path("cache")).env("SECRET", "in the environment").stdin(Stdio::null());
        command
    }

    /// A program, given as WebAssembly text, as a file.
    fn module(&self, program: &str) -> std::path::PathBuf {
        let module = self.path("program.wasm");
        fs::write(&module, wat::parse_str(program).unwrap()).unwrap();
        module
    }

    /// The names in the outer folder, without what the tests themselves put there.
    fn outside(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !["cache", "program.wasm"].contains(&name.as_str()));
        names.sort();
        names
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A program that opens a path below the visible folder, creating it if `create`, and exits with the error number.
fn opens(path: &str, create: bool) -> String {
    let flags = u8::from(create);
    let length = path.len();
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 100) "{path}")
            (func (export "_start")
                (call $exit (call $open (i32.const 3) (i32.const 1) (i32.const 100) (i32.const {length}) (i32.const {flags})
                    (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 0)))))"#
    )
}

#[test]
fn no_path_leads_out() {
    let world = World::new();
    symlink(world.path("secret.txt"), world.path("mailbox/link.txt")).unwrap();
    symlink("..", world.path("mailbox/up")).unwrap();
    symlink("/", world.path("mailbox/root")).unwrap();
    let absolute = world.path("secret.txt");
    for path in [
        "../secret.txt",
        "a/../../secret.txt",
        "link.txt",
        "up/secret.txt",
        "root/etc/passwd",
        "/etc/passwd",
        absolute.to_str().unwrap(),
    ] {
        for create in [false, true] {
            let output = world.run(&opens(path, create), &[]);
            assert!(!output.status.success(), "{path} was opened");
            assert_eq!(stderr(&output), "", "{path}");
        }
    }
    assert_eq!(world.outside(), ["mailbox", "secret.txt"]);
    assert_eq!(fs::read_to_string(world.path("secret.txt")).unwrap(), "secret");
}

#[test]
fn no_program_makes_a_symbolic_link() {
    let world = World::new();
    // What runs outside later, over the same folder, might follow it.
    for target in ["../secret.txt", ".."] {
        let length = target.len();
        let program = format!(
            r#"(module
                (import "wasi_snapshot_preview1" "path_symlink" (func $link (param i32 i32 i32 i32 i32) (result i32)))
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (data (i32.const 100) "{target}") (data (i32.const 200) "link")
                (func (export "_start")
                    (call $exit (call $link (i32.const 100) (i32.const {length}) (i32.const 3) (i32.const 200) (i32.const 4)))))"#
        );
        assert_eq!(world.run(&program, &[]).status.code(), Some(63));
    }
    assert!(fs::read_dir(world.path("mailbox")).unwrap().next().is_none());
}

#[test]
fn what_is_inside_is_opened_and_private() {
    let world = World::new();
    assert!(world.run(&opens("new.txt", true), &[]).status.success());
    assert_eq!(fs::metadata(world.path("mailbox/new.txt")).unwrap().permissions().mode() & 0o777, 0o600);
    // A link within the folder is as good as what it leads to.
    symlink("new.txt", world.path("mailbox/inner.txt")).unwrap();
    assert!(!world.run(&opens("missing.txt", false), &[]).status.success());
}

#[test]
fn nothing_of_the_environment_is_seen() {
    let world = World::new();
    let program = r#"(module
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (drop (call $sizes (i32.const 0) (i32.const 4)))
            (drop (call $get (i32.const 1024) (i32.const 4096)))
            (i32.store (i32.const 16) (i32.const 4096))
            (i32.store (i32.const 20) (i32.load (i32.const 4)))
            (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))"#;
    let output = world.run(program, &["--cwd", "/here"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && shown.contains("PWD=/here"), "{shown} {}", stderr(&output));
    assert!(!shown.contains("SECRET") && !shown.contains("PATH") && !shown.contains("HOME"), "{shown}");
}

#[test]
fn there_are_no_sockets() {
    let world = World::new();
    // Preview 1 can only use a socket that it was given; the visible folder is the only thing that it was.
    let program = r#"(module
        (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (call $exit (call $accept (i32.const 3) (i32.const 0) (i32.const 0)))))"#;
    assert!(!world.run(program, &[]).status.success());
    let preview2 = r#"(module (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func (param i32 i32))) (func (export "_start")))"#;
    let output = world.run(preview2, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot be run in the sandbox"), "{}", stderr(&output));
}

#[test]
fn an_endless_loop_is_ended() {
    let world = World::new();
    let output =
        world.run(r#"(module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))"#, &["--time", "1"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(stderr(&output), "error: ended after 1 seconds of computing (--time)\n");
}

#[test]
fn an_endless_wait_is_ended() {
    let world = World::new();
    // One subscription: the monotonic clock, in a year.
    let program = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (i32.store (i32.const 16) (i32.const 1))
            (i64.store (i32.const 24) (i64.const 31536000000000000))
            (drop (call $poll (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 400)))))"#;
    let output = world.run(program, &["--wall", "1"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(stderr(&output), "error: ended after 1 seconds (--wall)\n");
}

#[test]
fn a_memory_bomb_is_ended() {
    let world = World::new();
    let program = r#"(module (memory (export "memory") 1)
        (func (export "_start") (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable))"#;
    let output = world.run(program, &["--memory", "16"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("16 MiB of memory"), "{}", stderr(&output));
    let at_once = r#"(module (memory (export "memory") 60000) (func (export "_start")))"#;
    assert_eq!(world.run(at_once, &["--memory", "16"]).status.code(), Some(3));
    // Several memories are together no larger than one may be.
    let memory = "(memory 160)";
    let several = format!(r#"(module (memory (export "memory") 1) {memory} {memory} (func (export "_start")))"#);
    assert_eq!(world.run(&several, &["--memory", "16"]).status.code(), Some(3));
    assert!(world.run(&several, &["--memory", "32"]).status.success());
}

#[test]
fn a_table_bomb_is_refused() {
    let world = World::new();
    let table = "(table 600000 funcref)";
    let several = format!(r#"(module (memory (export "memory") 1) {table} {table} (func (export "_start")))"#);
    assert!(!world.run(&several, &[]).status.success());
    let one = format!(r#"(module (memory (export "memory") 1) {table} (func (export "_start")))"#);
    assert!(world.run(&one, &[]).status.success());
}

#[test]
fn a_program_that_compiles_for_too_long_is_ended() {
    let world = World::new();
    // Each function is a long chain that the compiler cannot shorten.
    let chain = "(local.set 0 (i32.add (i32.rotl (local.get 0) (local.get 1)) (i32.mul (local.get 1) (local.get 0))))"
        .repeat(2000);
    let functions = format!("(func (export \"f#\") (param i32 i32) (result i32) {chain} (local.get 0))");
    let functions: String = (0..400).map(|number| functions.replace('#', &number.to_string())).collect();
    let program = format!(r#"(module (memory (export "memory") 1) {functions} (func (export "_start")))"#);
    let output = world.run(&program, &["--wall", "1"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 seconds (--wall)"), "{}", stderr(&output));
    assert_eq!(world.outside(), ["mailbox", "secret.txt"]);
}

#[test]
fn an_output_bomb_is_ended() {
    let world = World::new();
    let program = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "_start")
            (i32.store (i32.const 0) (i32.const 16))
            (i32.store (i32.const 4) (i32.const 65536))
            (loop (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br 0))))"#;
    let output = world.run(program, &["--output", "1", "--time", "5"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 MiB to one output stream"), "{}", stderr(&output));
    assert!(output.stdout.len() <= 1 << 20);
}

/// A program that writes 64 KiB so many times to a stream, whatever comes of it, and then does something else.
fn writes(times: u32, stream: u32, then: &str) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 2)
            (global $left (mut i32) (i32.const {times}))
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (i32.const 65536))
                (loop
                    (drop (call $write (i32.const {stream}) (i32.const 0) (i32.const 1) (i32.const 8)))
                    (global.set $left (i32.sub (global.get $left) (i32.const 1)))
                    (br_if 0 (global.get $left)))
                {then}))"#
    )
}

#[test]
fn output_that_was_cut_is_told_of() {
    let world = World::new();
    // It does not look at what came of its writes, and ends well.
    for stream in [1, 2] {
        assert_eq!(world.run(&writes(17, stream, ""), &["--output", "1"]).status.code(), Some(3));
        let output = world.run(&writes(16, stream, ""), &["--output", "1"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(output.stdout.len() + output.stderr.len(), 1 << 20);
    }
}

#[test]
fn a_program_whose_output_nobody_reads_is_ended_too() {
    let world = World::new();
    let module = world.module(&writes(17, 1, "(loop (br 0))"));
    let mut command = world.command(&module, &["--wall", "1", "--time", "3600"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn what_is_printed_into_a_large_file_arrives() {
    let world = World::new();
    let module = world.module(&writes(1, 1, ""));
    fs::write(world.path("log"), vec![b'x'; 2 << 20]).unwrap();
    let log = fs::OpenOptions::new().append(true).open(world.path("log")).unwrap();
    assert!(world.command(&module, &["--file", "1"]).stdout(log).status().unwrap().success());
    assert_eq!(fs::metadata(world.path("log")).unwrap().len(), (2 << 20) + 65536);
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_passed_on_is_an_error() {
    let world = World::new();
    let module = world.module(&writes(1, 1, ""));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = world.command(&module, &[]).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: cannot print: "), "{}", stderr(&output));
}

#[test]
fn a_program_that_opens_all_files_that_there_can_be_hides_nothing() {
    let world = World::new();
    fs::write(world.path("mailbox/x"), "").unwrap();
    let program = r#"(module
        (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 100) "x")
        (func (export "_start")
            (loop (br_if 0 (i32.eqz (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 0)
                (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 40)))))
            (call $exit (i32.const 7))))"#;
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$@\"", "sh"]);
    let sandbox = world.command(&world.module(program), &[]);
    command.arg(sandbox.get_program()).args(sandbox.get_args()).env("AZALL_CACHE", world.path("cache"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}

#[test]
fn a_file_does_not_grow_beyond_its_bound() {
    let world = World::new();
    // Writes 64 KiB at a time until it fails, and exits with the error number.
    let program = r#"(module
        (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 2)
        (data (i32.const 100) "big")
        (func (export "_start") (local $error i32)
            (drop (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 3) (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 40)))
            (i32.store (i32.const 0) (i32.const 200))
            (i32.store (i32.const 4) (i32.const 65536))
            (loop
                (local.set $error (call $write (i32.load (i32.const 40)) (i32.const 0) (i32.const 1) (i32.const 8)))
                (br_if 0 (i32.eqz (local.get $error))))
            (call $exit (local.get $error))))"#;
    let output = world.run(program, &["--file", "1"]);
    assert!(!output.status.success() && output.status.code().is_some(), "{:?} {}", output.status, stderr(&output));
    assert!(fs::metadata(world.path("mailbox/big")).unwrap().len() <= 1 << 20);
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_that_takes_too_much_memory_to_compile_is_ended() {
    let world = World::new();
    let program = format!(
        r#"(module (memory (export "memory") 1) (func (export "_start")) (func {}))"#,
        "(call 0)".repeat(3_000_000)
    );
    let output = world.run(&program, &["--memory", "1", "--output", "1"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(stderr(&output), "error: ended: compiling and running it took more than 1031 MiB of memory\n");
}

#[test]
fn a_pipe_that_nobody_writes_to_holds_nothing_up() {
    let world = World::new();
    assert!(Command::new("mkfifo").arg(world.path("mailbox/pipe")).status().unwrap().success());
    let output = world.run(&opens("pipe", false), &["--wall", "1"]);
    // Opened to be written to, with nobody who reads, it waits.
    assert_eq!(stderr(&output), "error: ended after 1 seconds (--wall)\n");
    let output = world.run_module(&world.path("mailbox/pipe"), &["--wall", "1"]);
    assert_eq!(stderr(&output), "error: ended after 1 seconds (--wall)\n");
}

#[test]
fn a_trap_is_told() {
    let world = World::new();
    let output = world.run(r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("unreachable"), "{}", stderr(&output));
    let deep = r#"(module (memory (export "memory") 1) (func $f (call $f)) (func (export "_start") (call $f)))"#;
    assert!(stderr(&world.run(deep, &[])).contains("stack"));
    // WASI knows no such exit code; the names of the program's functions are not printed.
    let strange = r#"(module $name
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func $own (export "_start") (call $exit (i32.const 200))))"#;
    let told = stderr(&world.run(strange, &[]));
    assert!(told.starts_with("error: ended: exit with invalid exit status") && told.lines().count() == 1, "{told}");
}

#[test]
fn a_program_does_not_learn_where_it_lies() {
    let world = World::new();
    let program = r#"(module
        (import "wasi_snapshot_preview1" "args_get" (func $get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (drop (call $get (i32.const 1024) (i32.const 4096)))
            (i32.store (i32.const 16) (i32.const 4096))
            (i32.store (i32.const 20) (i32.const 13))
            (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))"#;
    assert_eq!(world.run(program, &[]).stdout, b"program.wasm\0");
}

#[test]
fn the_working_folder_is_named_from_the_top() {
    let world = World::new();
    let output = world.run(&opens("x", true), &["--cwd", "somewhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("must begin with /"), "{}", stderr(&output));
}

#[test]
fn what_is_no_program_is_told() {
    let world = World::new();
    fs::write(world.path("program.wasm"), "not WebAssembly").unwrap();
    let output = world.run_module(&world.path("program.wasm"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("program.wasm cannot be run"), "{}", stderr(&output));
    assert!(stderr(&world.run_module(&world.path("none.wasm"), &[])).contains("none.wasm"));
}

#[test]
fn a_cache_that_others_can_write_is_refused() {
    let world = World::new();
    let program = opens("x", true);
    assert!(world.run(&program, &[]).status.success());
    let folder = world.path("cache/sandbox");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    // Code that somebody has changed the rights of is not run, but made anew.
    let code = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    fs::write(&code, "garbage").unwrap();
    fs::set_permissions(&code, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(world.run(&program, &[]).status.success());
    assert_eq!(fs::metadata(&code).unwrap().permissions().mode() & 0o777, 0o600);
    // Nor is what is no whole file, or no file.
    let whole = fs::read(&code).unwrap();
    for length in [0, 1, 64, whole.len() / 2, whole.len() - 1] {
        fs::write(&code, &whole[..length]).unwrap();
        assert!(world.run(&program, &[]).status.success(), "{length}");
        assert_eq!(fs::read(&code).unwrap(), whole, "{length}");
    }
    fs::rename(&code, world.path("cache/elsewhere")).unwrap();
    symlink(world.path("cache/elsewhere"), &code).unwrap();
    assert!(world.run(&program, &[]).status.success());
    assert!(!fs::symlink_metadata(&code).unwrap().is_symlink());
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let output = world.run(&program, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("may be written by others"), "{}", stderr(&output));
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    fs::rename(&folder, world.path("cache/moved")).unwrap();
    symlink(world.path("cache/moved"), &folder).unwrap();
    assert!(stderr(&world.run(&program, &[])).contains("may be written by others"));
}
