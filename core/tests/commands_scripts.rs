//! `skill`, `tool`, `export`, `import`: scripts, and a whole mailbox as one file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod memory;

use azall_core::engine::effect::{IoError, IoErrorKind, ScriptResult};
use azall_core::protocol::layout::Root;
use memory::play::play;
use memory::shell::Shell;
use serde_json::Value;

fn shared(shell: &Shell, path: &str) -> Option<String> {
    shell.host.file(Root::Shared, path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[test]
fn a_script_is_added_shown_shared_and_deleted() {
    for kind in ["skill", "tool"] {
        let mut shell = Shell::of("ada");
        shell.files.insert("lint.py".into(), b"print('lint')\r\n# \xff\n".to_vec());
        play(
            &mut shell,
            &r#"
            $ KIND
            = No KIND yet: `azall KIND NAME --add FILE`.
            $ KIND lint --add lint.py --description "how we\nlint \e[31m" --version 2.1
            = KIND added: /home/data/mailboxes/ada@localhost/KINDs/lint.py
            @ ada@localhost/KINDs/lint.py
            @ ada@localhost/KINDs/lint.meta.json
            $ KIND
            =   lint v2.1 by ada@localhost - how we lint \u{fffd}[31m
            $ KIND lint --read
            | print('lint')
            $ KIND lint
            | print('lint')
            $ KIND lint.py --read --json
            {"kind": "KIND", "done": "shown", "scripts": [{"name": "lint", "shared": false, "author": "ada@localhost", "version": "2.1", "created": "2026-03-11 14:30:00"}]}
            $ KIND --shared --json
            {"scripts": []}
            $ KIND lint --promote
            | KIND promoted: /home/data/shared/KINDs/lint.py
            $ KIND --shared
            =   lint [shared] v2.1 by ada@localhost - how we lint \u{fffd}[31m
            $ KIND --json
            {"done": "listed", "scripts": [{"name": "lint", "shared": false}, {"name": "lint", "shared": true, "promoted_by": "ada@localhost", "promoted_at": "2026-03-11 14:30:00"}]}
            $ KIND lint --delete
            | KIND deleted
            @! ada@localhost/KINDs/lint.py
            @! ada@localhost/KINDs/lint.meta.json
            # The shared one is found where there is no own one, and cannot be deleted so.
            $ KIND lint --read
            | print('lint')
            $ KIND lint --delete
            ! lint
            ? 1
            $ KIND inline --code 'print(1)' --shared --description here
            | /shared/KINDs/inline.py
            $ KIND nothing --read
            ! nothing
            ? 1
            $ KIND nothing --promote --json
            {"exit_code": 1}
            ? 1
            $ KIND other --add missing.py
            ! cannot read missing.py
            ? 1
            $ KIND other --add lint.py --code x
            ! --code
            ? 2
            $ KIND --read
            ! NAME
            ? 2
            $ KIND --add lint.py
            ! NAME
            ? 2
            "#
            .replace("KIND", kind),
        );
        assert!(shared(&shell, &format!("{kind}s/lint.py")).is_some());
        assert_eq!(shared(&shell, &format!("{kind}s/inline.py")).as_deref(), Some("print(1)"));
    }
}

#[test]
fn a_scripts_name_cannot_leave_its_folder() {
    let mut shell = Shell::of("ada");
    for name in ["../../evil", "/etc/cron.d/x", "..", "", "a\u{1b}b"] {
        let ran = shell.run(&["skill", name, "--code", "x"], None);
        assert_eq!(ran.code, 0, "{name:?} {ran:?}");
    }
    let outside = shell.host.files.keys().filter(|(root, path)| match root {
        Root::Mailboxes => !path.starts_with("ada@localhost/"),
        _ => path != "config.json",
    });
    assert_eq!(outside.count(), 0);
}

#[test]
fn a_script_whose_meta_is_damaged_is_still_listed() {
    let mut shell = Shell::of("ada");
    shell.put("ada@localhost/skills/a.py", "print(1)");
    shell.put("ada@localhost/skills/a.meta.json", "{ not json");
    shell.put("ada@localhost/skills/b.py", "print(2)");
    play(&mut shell, "$ skill --json\n{\"scripts\": [{\"name\": \"a\", \"version\": \"\"}, {\"name\": \"b\"}]}");
}

#[test]
fn other_clients_fields_of_a_script_survive() {
    let mut shell = Shell::of("ada");
    shell.put("ada@localhost/skills/a.py", "print(1)");
    shell.put("ada@localhost/skills/a.meta.json", r#"{"author": "bob", "stars": 5}"#);
    play(&mut shell, "$ skill a --promote\n| promoted");
    assert!(shared(&shell, "skills/a.meta.json").unwrap().contains("\"stars\": 5"));
}

#[test]
fn a_tool_runs_with_its_arguments_and_its_exit_code() {
    let mut shell = Shell::of("ada");
    shell.host.scripts = Box::new(|run, code| {
        Ok(ScriptResult {
            code: (!code.contains("slow")).then_some(i32::from(code.contains("fail")) * 3),
            timed_out: code.contains("slow"),
            stdout: format!("{:?} \u{1b}[31m", run.args).into_bytes(),
            stderr: if code.contains("fail") { b"oops \x07".to_vec() } else { Vec::new() },
            truncated: code.contains("long"),
        })
    });
    play(
        &mut shell,
        r#"
        $ tool good --code 'print(1)'
        | added
        $ tool good --run
        = [] \u{fffd}[31m
        $ tool good --run --run-args one '- two' --three -4
        = ["one", "- two", "--three", "-4"] \u{fffd}[31m
        $ tool good --run --run-args
        | []
        $ tool good --run --json
        {"kind": "tool", "done": "ran", "run": {"exit_code": 0, "timed_out": false, "truncated": false, "stderr": ""}}
        $ tool bad --code fail
        | added
        $ tool bad --run
        | []
        | oops \u{fffd}
        ? 3
        $ tool bad --run --json
        {"run": {"exit_code": 3}}
        ? 3
        $ tool slow --code slow
        | added
        $ tool slow --run
        | ended: it ran for longer than 120 seconds
        ? 1
        $ tool long --code long
        | added
        $ tool long --run
        | (output cut at 1 MiB)
        $ tool nothing --run
        ! nothing
        ? 1
        $ tool --run
        ! NAME
        ? 2
        $ tool good --run-args a
        ! --run
        ? 2
        "#,
    );
    shell.host.scripts =
        Box::new(|_, _| Err(IoError::new(IoErrorKind::Unsupported, "there is no python3 to run it with")));
    play(&mut shell, "$ tool good --run\n! there is no python3\n? 1");
}

#[test]
fn a_tool_may_be_a_webassembly_program() {
    let mut shell = Shell::of("ada");
    shell.files.insert("count.wasm".into(), b"\0asm\x01\0\0\0\xff".to_vec());
    shell.host.scripts = Box::new(|run, _| {
        let stdout = format!("{} sees {}", run.script.path, run.folder.path).into_bytes();
        Ok(ScriptResult { code: Some(0), timed_out: false, stdout, stderr: Vec::new(), truncated: false })
    });
    play(
        &mut shell,
        r#"
        $ tool count --code 'print(1)'
        | added
        $ tool count --add count.wasm --description "counts"
        = tool added: /home/data/mailboxes/ada@localhost/tools/count.wasm
        @! ada@localhost/tools/count.py
        $ tool
        =   count v1.0 by ada@localhost - counts
        $ tool count
        = A WebAssembly program: /home/data/mailboxes/ada@localhost/tools/count.wasm
        $ tool count --read --json
        {"code": null, "path": "/home/data/mailboxes/ada@localhost/tools/count.wasm"}
        $ tool count --run
        = ada@localhost/tools/count.wasm sees ada@localhost
        $ tool count.wasm --promote
        | promoted: /home/data/shared/tools/count.wasm
        $ tool count --delete
        | deleted: /home/data/mailboxes/ada@localhost/tools/count.wasm
        $ tool count --run
        = tools/count.wasm sees ada@localhost
        $ skill count --add count.wasm
        ! can be a tool
        ? 1
        "#,
    );
    let kept = shell.host.file(Root::Shared, "tools/count.wasm");
    assert_eq!(kept, Some(b"\0asm\x01\0\0\0\xff".as_slice()), "byte for byte");
}

/// Ada's machine, with something of everything in her mailbox.
fn lived_in() -> Shell {
    let mut shell = Shell::new();
    play(
        &mut shell,
        r#"
        $ quickstart --agent ada --identity 'I am Ada.'
        | Ready
        $ note plan --set one
        | saved
        $ skill lint --code 'print(1)'
        | added
        $ skill lint --promote
        | promoted
        "#,
    );
    shell.put("ada@localhost/2026-03-11/inbox/abc/\u{e4} b.bin", [0, 159, 146, 150]);
    shell
}

#[test]
fn a_mailbox_goes_into_an_archive_and_comes_back_whole() {
    let mut shell = lived_in();
    play(
        &mut shell,
        r#"
        $ export -o backup.zip
        | Exported to backup.zip
        | private key
        $ export --json
        {"path": "azall_export_2026-03-11_143000.zip", "contains_secrets": true}
        $ export --output backup.zip --json
        {"path": "backup.zip"}
        "#,
    );
    let mut other = Shell::new();
    other.files.insert("backup.zip".into(), shell.files["backup.zip"].clone());
    play(
        &mut other,
        r#"
        $ import backup.zip
        | Imported
        | ada@localhost
        $ whoami
        = I am Ada.
        $ note plan
        = one
        $ recall set
        | first-memory
        # A second time there is nothing to do.
        $ import backup.zip --json
        {"agent": "ada@localhost", "files": 0}
        "#,
    );
    assert_eq!(other.host.files, shell.host.files);
}

#[test]
fn an_import_is_found_where_it_was_unpacked() {
    let mut shell = lived_in();
    shell.reconfigure(|config| config["mailbox_dir"] = "../elsewhere".into());
    play(&mut shell, "$ export -o a.zip\n| Exported");
    let mut other = Shell::new();
    other.files.insert("a.zip".into(), shell.files["a.zip"].clone());
    play(&mut other, "$ import a.zip\n| Imported");
    let config: Value = serde_json::from_slice(other.host.file(Root::Config, "config.json").unwrap()).unwrap();
    assert_eq!(config["mailbox_dir"], "./data/mailboxes");
    play(&mut other, "$ import a.zip --json\n{\"files\": 0}");
}

#[test]
fn an_import_replaces_nothing() {
    let mut shell = lived_in();
    play(&mut shell, "$ export -o a.zip\n| Exported");
    play(
        &mut shell,
        r#"
        $ note plan --set two
        | saved
        $ import a.zip
        ! error: /home/data/mailboxes/ada@localhost/2026-03-11/
        ! is there already and differs
        ? 1
        $ note plan
        = two
        "#,
    );
    let mut other = Shell::of("bob");
    other.files.insert("a.zip".into(), shell.files["a.zip"].clone());
    let before = other.host.files.clone();
    play(&mut other, "$ import a.zip --json\n{\"exit_code\": 1}\n? 1");
    assert_eq!(other.host.files, before);
}

#[test]
fn what_is_no_export_is_refused_before_anything_is_written() {
    let mut shell = Shell::new();
    shell.files.insert("empty.zip".into(), Vec::new());
    shell.files.insert("text.zip".into(), b"hello".to_vec());
    shell.files.insert("cut.zip".into(), {
        let mut whole = lived_in();
        play(&mut whole, "$ export -o a.zip\n| Exported");
        whole.files["a.zip"][..200].to_vec()
    });
    for file in ["empty.zip", "text.zip", "cut.zip", "missing.zip"] {
        let ran = shell.run(&["import", file], None);
        assert_eq!(ran.code, 1, "{file} {ran:?}");
        assert!(ran.stderr.starts_with("error: "), "{ran:?}");
    }
    play(&mut shell, "$ import\n! <FILE>\n? 2");
    assert!(shell.host.files.is_empty());
}
