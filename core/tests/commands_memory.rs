//! `remember`, `recall`: memories.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod memory;

use azall_core::engine::effect::{EntryKind, IoErrorKind};
use memory::play::play;
use memory::shell::Shell;

#[test]
fn a_memory_is_stored_from_a_flag_or_from_standard_input() {
    play(
        &mut Shell::of("ada"),
        r#"
        $ remember --text 'The API uses OAuth2' --title api-auth
        = Memory stored: /home/data/mailboxes/ada@localhost/2026-03-11/remember/api-auth.txt
        =   Title: api-auth
        @ ada@localhost/2026-03-11/remember/api-auth.txt = The API uses OAuth2
        @ ada@localhost/2026-03-11/index.txt
        $ remember -t 'It expires' --title api-auth --json
        {"title": "api-auth", "date": "2026-03-11", "appended": true}
        @ ada@localhost/2026-03-11/remember/api-auth.txt = The API uses OAuth2\nIt expires
        $ remember --title piped
        < from a pipe\nof two lines\n
        | Title: piped
        @ ada@localhost/2026-03-11/remember/piped.txt = from a pipe\nof two lines
        $ remember --title dash --text '- a list'
        @ ada@localhost/2026-03-11/remember/dash.txt = - a list
        # Without a title it is the time of day, and every memory gets its own.
        $ remember --text one
        | Title: 143000
        $ remember --text two
        | Title: 143000-2
        $ remember --text three --title ''
        | Title: 143000-3
        $ remember --list
        = === Memories | 2026-03-11 ===
        =   143000-2: two
        =   143000-3: three
        =   143000: one
        =   api-auth: The API uses OAuth2
        =   dash: - a list
        =   piped: from a pipe
        # A text beside --list is stored, not dropped.
        $ remember --list --text 'both' --title both
        | Memory stored
        "#,
    );
}

#[test]
fn nothing_to_remember_is_a_usage_error() {
    play(
        &mut Shell::of("ada"),
        r#"
        $ remember
        ! the text is missing: give --text or standard input
        ? 2
        $ remember --text ''
        ! the text is missing
        ? 2
        $ remember --title x
        < \n \n
        ! the text is missing
        ? 2
        $ remember --json
        <
        {"exit_code": 2}
        ? 2
        $ remember --list --json
        {"date": "2026-03-11", "memories": [], "damaged": []}
        $ remember --list
        = No memories for 2026-03-11.
        "#,
    );
}

#[test]
fn titles_become_file_names_and_texts_stay_what_they_are() {
    play(
        &mut Shell::of("ada"),
        r#"
        $ remember --title '../../../evil' --text x
        @ ada@localhost/2026-03-11/remember/.._.._.._evil.txt = x
        $ remember --title "\e[31m red/日本" --text "\e[2J\u{202e}"
        | Title: __31m_red_日本
        @ ada@localhost/2026-03-11/remember/__31m_red_日本.txt = \e[2J\u{202e}
        $ remember --list
        |   __31m_red_日本: \u{fffd}[2J\u{fffd}
        $ recall red
        | [2026-03-11] __31m_red_日本
        |   \u{fffd}[2J\u{fffd}
        $ recall
        | \u{fffd}[2J\u{fffd}
        "#,
    );
}

#[test]
fn recall_shows_the_index_or_what_matches() {
    let mut shell = Shell::of("ada");
    play(
        &mut shell,
        r##"
        $ recall
        = # Agent Memory Index: ada@localhost
        = # Updated: 2026-03-11 14:30:00
        = # Total memories: 0
        =
        = (no memories stored yet)
        $ remember --text 'The API uses OAuth2' --title api-auth
        | stored
        $ remember --text 'Deploy on Mondays' --title deploy
        | stored
        "##,
    );
    shell.sleep_days(1);
    play(
        &mut shell,
        r##"
        $ remember --text 'OAuth keys rotate on Mondays' --title rotation
        | stored
        $ recall
        | # Total memories: 3
        | - [2026-03-12] rotation: OAuth keys
        | - [2026-03-11] deploy: Deploy
        | - [2026-03-11] api-auth: The API
        $ recall oauth
        = === Recall (ada@localhost): 'oauth' (2 found) ===
        =
        = [2026-03-12] rotation
        =   OAuth keys rotate on Mondays
        =   Path: /home/data/mailboxes/ada@localhost/2026-03-12/remember/rotation.txt
        =
        = [2026-03-11] api-auth
        =   The API uses OAuth2
        =   Path: /home/data/mailboxes/ada@localhost/2026-03-11/remember/api-auth.txt
        # Every word must be there, in the title or the text, in any case and order.
        $ recall 'mondays ROTATION'
        | (1 found)
        $ recall 'mondays nowhere'
        = No memories matching 'mondays nowhere'.
        $ recall oauth --limit 1
        | (2 found)
        | rotation
        - api-auth
        | (1 more left out by --limit)
        $ recall oauth --limit 0 --json
        {"memories": [], "left_out": 2}
        $ recall --limit 1
        | rotation
        - api-auth
        | (2 more left out by --limit)
        $ recall ''
        | # Total memories: 3
        $ recall oauth --limit -1
        ! -1
        ? 2
        $ recall oauth --limit many
        ! many
        ? 2
        $ recall deploy --json
        {"agent": "ada@localhost", "query": "deploy", "index": null, "memories": [{"date": "2026-03-11", "title": "deploy", "text": "Deploy on Mondays"}], "left_out": 0, "damaged": []}
        "##,
    );
}

#[test]
fn another_agents_memories_are_shown_only_if_it_shares_them() {
    let mut shell = Shell::of("bob");
    play(&mut shell, "$ remember --text 'Bob likes tea' --title tea\n| stored");
    shell.host.files.remove(&(azall_core::protocol::layout::Root::Config, "config.json".to_owned()));
    play(
        &mut shell,
        r#"
        $ setup --agent ada
        | complete
        $ recall --agent bob
        ! error: Access denied: bob@localhost has not enabled memory sharing
        ? 3
        $ recall --agent bob tea --json
        {"exit_code": 3}
        ? 3
        $ recall --agent nobody
        ! Access denied
        ? 3
        $ recall --agent ../bob
        ! --agent
        ? 2
        $ recall --agent ada
        | Agent Memory Index: ada@localhost
        "#,
    );
    let key = shell.mailbox_file("bob@localhost/.agent_key").unwrap();
    shell.put(
        "bob@localhost/.agent_key",
        key.replace("\"allow_memory_sharing\": false", "\"allow_memory_sharing\": true"),
    );
    play(
        &mut shell,
        r#"
        $ recall --agent bob
        | Agent Memory Index: bob@localhost
        | tea: Bob likes tea
        $ recall --agent bob@localhost TEA
        | === Recall (bob@localhost): 'TEA' (1 found) ===
        | Bob likes tea
        "#,
    );
}

#[test]
fn a_damaged_memory_is_named_and_hides_no_other() {
    let mut shell = Shell::of("ada");
    play(&mut shell, "$ remember --text 'Tea at four' --title tea\n| stored");
    let folder = "ada@localhost/2026-03-11/remember";
    shell.host.spoil(&format!("{folder}/link.txt"), EntryKind::Other, IoErrorKind::PermissionDenied);
    shell.host.spoil(&format!("{folder}/locked.txt"), EntryKind::File, IoErrorKind::PermissionDenied);
    shell.put(&format!("{folder}/binary.txt"), b"\xff\xfe tea \0");
    play(
        &mut shell,
        r#"
        $ recall tea
        | (2 found)
        | Tea at four
        | damaged: /home/data/mailboxes/ada@localhost/2026-03-11/remember/link.txt: it is no regular file
        | damaged: /home/data/mailboxes/ada@localhost/2026-03-11/remember/locked.txt: it cannot be read
        $ remember --list --json
        {"memories": [{"title": "binary"}, {"title": "tea"}], "damaged": [{"reason": "it is no regular file"}, {"reason": "it cannot be read"}]}
        # A name that is taken by something else is not written to.
        $ remember --text more --title locked
        ! cannot read /home/data/mailboxes/ada@localhost/2026-03-11/remember/locked.txt
        ? 1
        $ remember --text more --title tea
        | stored
        "#,
    );
}

#[test]
fn a_large_memory_is_found_by_its_end() {
    let mut shell = Shell::of("ada");
    let text = format!("{}needle", "hay ".repeat(1_300_000));
    let ran = shell.run(&["remember", "--title", "big"], Some(&text));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let found = shell.run(&["recall", "needle", "--json"], None).json();
    assert_eq!(found["memories"][0]["text"].as_str().unwrap().len(), text.len());
    assert!(shell.run(&["recall"], None).stdout.len() < 1000, "the index holds no more than the beginning");
}
