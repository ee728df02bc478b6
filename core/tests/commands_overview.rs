//! `dates`, `tree`, `index`, `search`, `directory`: what lies in the mailbox, and who is there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod memory;

use azall_core::engine::effect::{EntryKind, HttpAnswer, IoError, IoErrorKind};
use memory::play::play;
use memory::shell::Shell;
use serde_json::json;

fn message(from: &str, subject: &str, body: &str) -> String {
    format!(
        "From: {from}\nTo: ada@localhost\nSubject: {subject}\nDate: 2026-03-11 10:00:00\nMessage-ID: abc\nStatus: new\n\n---\n{body}"
    )
}

/// Ada's mailbox of two days.
fn lived_in() -> Shell {
    let mut shell = Shell::of("ada");
    play(&mut shell, "$ note plan --set one\n| saved\n$ remember --text Tea --title tea\n| stored");
    shell
        .put("ada@localhost/2026-03-11/inbox/abc123.txt", message("bob@example.org", "Invoice", "Please pay 40 Euro."));
    shell.put("ada@localhost/2026-03-11/inbox/abc123/invoice.pdf", "%PDF");
    shell.put("ada@localhost/2026-03-11/sent/fed321.txt", message("ada@localhost", "Re: Invoice", "Paid."));
    shell.sleep_days(1);
    shell.put(
        "ada@localhost/2026-03-12/inbox/def456.txt",
        message("eve@example.org", "Grüße", "Straße\nÄPFEL und Birnen"),
    );
    shell
}

#[test]
fn dates_lists_days_with_counts() {
    let mut shell = lived_in();
    shell.put("ada@localhost/not-a-day/inbox/x.txt", "x");
    play(
        &mut shell,
        r#"
        $ dates
        = === Dates for ada@localhost ===
        =   2026-03-11 | inbox:1 sent:1 pending:0 notes:1 memories:1
        =   2026-03-12 | inbox:1 sent:0 pending:0 notes:0 memories:0
        $ dates --json
        {"agent": "ada@localhost", "days": [{"date": "2026-03-11", "inbox": 1, "sent": 1, "pending": 0, "notes": 1, "memories": 1}, {"date": "2026-03-12"}]}
        "#,
    );
    play(&mut Shell::of("bob"), "$ dates\n= No days yet for bob@localhost.");
}

#[test]
fn tree_shows_a_day() {
    let mut shell = lived_in();
    shell.put("ada@localhost/2026-03-12/notes/\u{1b}[2J.txt", "x");
    play(
        &mut shell,
        r#"
        $ tree -d 2026-03-11
        | === Tree: ada@localhost / 2026-03-11 ===
        | 2026-03-11/
        |   inbox/
        |     abc123/
        |       invoice.pdf
        |     abc123.txt
        |   index.txt
        |   notes/
        |     plan.txt
        |   remember/
        |     tea.txt
        |   sent/
        |     fed321.txt
        $ tree
        |   notes/
        |     \u{fffd}[2J.txt
        $ tree --date 2020-01-01
        = No directory for 2020-01-01.
        $ tree --date 2020-01-01 --json
        {"agent": "ada@localhost", "date": "2020-01-01", "entries": []}
        $ tree -d junk
        ! junk
        ? 2
        "#,
    );
}

#[test]
fn index_shows_and_rebuilds() {
    let mut shell = lived_in();
    play(
        &mut shell,
        r##"
        $ index -d 2026-03-11
        | # Date: 2026-03-11
        | INBOX (1):
        | SENT (1):
        | NOTES (1):
        | plan (3B)
        | REMEMBER (1):
        | tea: Tea
        $ index
        | # Date: 2026-03-12
        | INBOX (1):
        @ ada@localhost/2026-03-12/index.txt
        # Looking at a day does not make it.
        $ index -d 2020-01-01
        | INBOX (0):
        @! ada@localhost/2020-01-01/index.txt
        $ index -d junk
        ! junk
        ? 2
        $ index --json
        {"date": "2026-03-12", "rebuilt": 0}
        $ index --rebuild
        = Rebuilt 2 index files.
        $ index --rebuild -d 2026-03-11 --json
        {"date": null, "text": null, "rebuilt": 1}
        "##,
    );
    shell.put("ada@localhost/2026-03-11/index.txt", "stale");
    play(&mut shell, "$ index --rebuild\n| 2\n$ index -d 2026-03-11\n| Invoice");
}

#[test]
fn search_finds_words_in_every_folder_and_day() {
    play(
        &mut lived_in(),
        r#"
        $ search euro
        = 2026-03-11 inbox abc123  bob@example.org -> ada@localhost: Invoice
        =     Please pay 40 Euro.
        = 1 found
        $ search invoice --json
        {"query": "invoice", "matches": [{"day": "2026-03-11", "folder": "inbox", "id": "abc123"}, {"folder": "sent", "id": "fed321"}], "left_out": 0, "damaged": []}
        $ search 'äpfel UND'
        | def456
        | ÄPFEL und Birnen
        $ search invoice --from BOB --json
        {"matches": [{"id": "abc123"}]}
        $ search invoice --to nobody
        = No results for 'invoice'.
        $ search example --since 2026-03-12 --json
        {"matches": [{"id": "def456"}]}
        $ search invoice --limit 1
        | 1 found
        | 1 more left out by --limit
        $ search invoice --limit 0
        | 0 found
        | 2 more left out by --limit
        $ search ''
        ! QUERY: it is empty
        ? 2
        $ search
        ! <QUERY>
        ? 2
        $ search x --since yesterday
        ! yesterday
        ? 2
        "#,
    );
}

#[test]
fn a_damaged_message_is_named_and_hides_no_other() {
    let mut shell = lived_in();
    let inbox = "ada@localhost/2026-03-11/inbox";
    shell.host.spoil(&format!("{inbox}/link.txt"), EntryKind::Other, IoErrorKind::PermissionDenied);
    shell.host.spoil(&format!("{inbox}/locked.txt"), EntryKind::File, IoErrorKind::PermissionDenied);
    shell.put(&format!("{inbox}/..evil.txt"), "x");
    play(
        &mut shell,
        r#"
        $ search euro
        | abc123
        | damaged: /home/data/mailboxes/ada@localhost/2026-03-11/inbox/..evil.txt:
        | damaged: /home/data/mailboxes/ada@localhost/2026-03-11/inbox/link.txt: it is no regular file
        | damaged: /home/data/mailboxes/ada@localhost/2026-03-11/inbox/locked.txt: it cannot be read
        $ search nothing --json
        {"matches": [], "damaged": [{}, {"reason": "it is no regular file"}, {"reason": "it cannot be read"}]}
        $ index -d 2026-03-11
        | Invoice
        $ dates
        | 2026-03-11
        $ tree -d 2026-03-11
        | link.txt
        $ index --rebuild
        | Rebuilt
        "#,
    );
}

#[test]
fn what_others_wrote_is_found_and_cannot_speak_to_the_terminal() {
    let mut shell = Shell::of("ada");
    shell.put(
        "ada@localhost/2026-03-11/inbox/a1.txt",
        message("eve\u{1b}[31m@x", "\u{9b}2J\u{7}", "needle \u{1b}]0;owned\u{7}"),
    );
    play(
        &mut shell,
        r#"
        $ search needle
        |   eve\u{fffd}[31m@x -> ada@localhost: \u{fffd}2J\u{fffd}
        |     needle \u{fffd}]0;owned\u{fffd}
        "#,
    );
}

#[test]
fn a_link_is_shown_and_not_followed() {
    let mut shell = lived_in();
    shell.host.spoil("ada@localhost/2026-03-12/notes/root", EntryKind::LinkedFolder, IoErrorKind::PermissionDenied);
    play(
        &mut shell,
        r#"
        $ tree --json
        {"entries": [{"path": "inbox"}, {"path": "inbox/def456.txt"}, {"path": "notes"}, {"path": "notes/root", "folder": true}]}
        $ export -o all.zip
        | Exported
        ! warning: left out: /home/data/mailboxes/ada@localhost/2026-03-12/notes/root is a link
        "#,
    );
    // A day, or a neighbour, may be a link to where there is more room.
    shell.host.spoil("ada@localhost/2026-03-10", EntryKind::LinkedFolder, IoErrorKind::PermissionDenied);
    shell.host.spoil("bob@localhost", EntryKind::LinkedFolder, IoErrorKind::PermissionDenied);
    play(
        &mut shell,
        "$ dates --json\n{\"days\": [{\"date\": \"2026-03-10\"}, {}, {}]}\n$ directory --json\n[{}, {\"address\": \"bob@localhost\"}]",
    );
}

/// A relay on which these agents have accounts.
fn relay(shell: &mut Shell, server: &str) {
    let server = server.to_owned();
    shell.reconfigure(|config| {
        config["relays"] = json!([{"server": server, "token": "secret-token", "address": "ada.agenttalk"}])
    });
}

fn answer(body: &serde_json::Value) -> Result<HttpAnswer, IoError> {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Ok(HttpAnswer::whole(200, headers, body.to_string().into_bytes()))
}

#[test]
fn directory_lists_neighbours_in_the_machine_form() {
    let mut shell = Shell::of("ada");
    play(&mut shell, "$ whoami --set 'I am Ada.'\n| updated\n$ doing --set \"Tests.\\nAnd more.\"\n| updated");
    shell.put("bob@localhost/2026-03-10/who_am_i/identity.txt", " I am \u{1b}[31mBob.\n");
    shell.put("carol@localhost/.agent_key", "{}");
    shell.put("not an address/x", "");
    let ran = shell.run(&["directory", "--json"], None);
    assert_eq!(
        ran.json(),
        json!([
            {"address": "ada@localhost", "identity": "I am Ada.", "doing": "Tests.\nAnd more."},
            {"address": "bob@localhost", "identity": "I am \u{1b}[31mBob.", "doing": ""},
            {"address": "carol@localhost", "identity": "", "doing": ""},
        ])
    );
    play(
        &mut shell,
        r#"
        $ directory
        = === Agent Directory (3 agents) ===
        =
        =   ada@localhost
        =     Identity: I am Ada.
        =     Doing: Tests. And more.
        =
        =   bob@localhost
        =     Identity: I am \u{fffd}[31mBob.
        =
        =   carol@localhost
        =     (no identity/tasks set)
        "#,
    );
}

#[test]
fn directory_lists_the_agents_of_the_relays() {
    let mut shell = Shell::of("ada");
    relay(&mut shell, "https://relay.example");
    shell.put("zoe.agenttalk/.agent_key", "{}");
    shell.host.web = Box::new(|request| {
        let asked = ["https://relay.example/status", "https://relay.example/agents"];
        assert!(request.method == "GET" && asked.contains(&request.url.as_str()), "{request:?}");
        assert!(!request.headers.iter().any(|(_, value)| value.contains("secret-token")), "anybody may ask");
        answer(
            &json!({"agents": ["zoe.agenttalk", "bob.agenttalk", "../evil", "ada.agenttalk", 7, "BOB.agenttalk"], "count": 6}),
        )
    });
    play(
        &mut shell,
        r#"
        $ directory --json
        [{"address": "ada@localhost", "identity": "", "doing": ""}, {"address": "zoe.agenttalk"}, {"address": "BOB.agenttalk"}, {"address": "ada.agenttalk", "identity": "", "doing": ""}]
        $ directory
        | (4 agents)
        |   BOB.agenttalk
        |     (on relay https://relay.example)
        "#,
    );
}

#[test]
fn a_relay_that_does_not_answer_is_a_warning() {
    let mut shell = Shell::of("ada");
    relay(&mut shell, "https://relay.example");
    play(
        &mut shell,
        r#"
        $ directory --json
        [{"address": "ada@localhost"}]
        ! warning: the agents of a relay are left out: https://relay.example
        "#,
    );
    for (status, body) in [(500, "{}"), (200, "<html>log in</html>"), (200, r#"{"agents": 5}"#), (302, ""), (401, "")] {
        shell.host.web = Box::new(move |_| Ok(HttpAnswer::whole(status, Vec::new(), body.into())));
        play(
            &mut shell,
            "$ directory\n| (1 agent)\n! warning: the agents of a relay are left out: https://relay.example",
        );
    }
}

#[test]
fn directory_lists_who_has_written() {
    let mut shell = Shell::of("ada");
    let entry = |address: &str| {
        json!({"public_key_b64": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "fingerprint": "21fe31dfa154a261",
            "first_seen": "2026-03-11T14:00:00", "last_seen": "2026-03-11T14:00:00", "addresses": [address, "ada@localhost"]})
    };
    shell.put(".keyring", "");
    shell.put("ada@localhost/.keyring.json", json!({"21fe31dfa154a261": entry("eve@example.org")}).to_string());
    play(
        &mut shell,
        r#"
        $ directory --json
        [{"address": "ada@localhost"}, {"address": "eve@example.org", "identity": "", "doing": ""}]
        $ directory
        |   eve@example.org
        |     (has written; see `azall keyring list`)
        "#,
    );
    shell.put("ada@localhost/.keyring.json", "{ not json");
    play(&mut shell, "$ directory\n| (1 agent)\n! warning: the agents of the keyring are left out");
}
