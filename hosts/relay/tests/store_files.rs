//! The store on disk: what stays over restarts, what is left of what was deleted, and what is done with files that are not
//! as they should be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

#[path = "support/full_disk.rs"]
mod full_disk;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use azall_relay::options::StoreLimits;
use azall_relay::store::{
    AccountId, AgentName, BackupError, BlobName, BlobPut, Clock, Cursor, IdempotencyKey, MessageId, OpenError,
    Outgoing, Refusal, Registered, Store, StoreError, restore,
};
use bytes::Bytes;
use full_disk::Mount;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const START_MS: i64 = 1_800_000_000_000;

fn limits() -> StoreLimits {
    StoreLimits { inbox_messages: 20, message_ttl: Duration::from_secs(3600), ..StoreLimits::default() }
}

fn open(dir: &Path) -> Result<Store, OpenError> {
    Store::open_at(dir, limits(), Clock::manual(START_MS))
}

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

async fn register(store: &Store, text: &str) -> Registered {
    store.register(name(text), None).await.unwrap()
}

fn message(to: &[AccountId], payload: &str) -> Outgoing {
    let to = to.iter().map(|to| Ok(*to)).collect();
    Outgoing { to, payload: Bytes::copy_from_slice(payload.as_bytes()), idempotency_key: None }
}

async fn send(store: &Store, from: AccountId, to: AccountId, payload: &str) -> Result<MessageId, Refusal> {
    store.append(from, vec![message(&[to], payload)]).await.unwrap()[0][0]
}

async fn inbox(store: &Store, account: AccountId) -> Vec<(Cursor, String)> {
    let page = store.page(account, None, 1000, usize::MAX).await.unwrap();
    let text = |payload: &Bytes| String::from_utf8(payload.to_vec()).unwrap();
    page.messages.iter().map(|one| (one.cursor, text(&one.payload))).collect()
}

async fn put_blob(store: &Store, account: AccountId, bytes: &[u8]) -> BlobName {
    let blob = BlobName::of(bytes);
    let BlobPut::Upload(mut upload) = store.put_blob(account, blob, 0, bytes.len() as u64).await.unwrap() else {
        panic!("it is there already")
    };
    upload.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    upload.finish().await.unwrap();
    blob
}

/// All files in a folder and below, by name.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    files
}

fn holds(dir: &Path, bytes: &[u8]) -> bool {
    files(dir).values().any(|file| memchr::memmem::find(file, bytes).is_some())
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut segments: Vec<_> = files(&dir.join("tables")).into_keys().collect();
    segments.sort();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    segments
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/on/the/way");
    let store = open(&dir).unwrap();
    let anna = store.register(name("anna"), Some([5; 32])).await.unwrap();
    let ben = register(&store, "ben").await;
    for number in 0..5 {
        send(&store, anna.account, ben.account, &format!("message {number}")).await.unwrap();
    }
    let before = inbox(&store, ben.account).await;
    store.ack(ben.account, vec![before[1].0, before[4].0]).await.unwrap();
    let keyed = Outgoing {
        idempotency_key: Some(IdempotencyKey::parse("key").unwrap()),
        ..message(&[ben.account], "with a key")
    };
    let receipt = store.append(anna.account, vec![keyed.clone()]).await.unwrap();
    let blob = put_blob(&store, anna.account, b"a blob").await;
    let all = inbox(&store, ben.account).await;
    let facts = store.facts();
    store.close().await;

    for _ in 0..3 {
        let store = open(&dir).unwrap();
        assert_eq!(inbox(&store, ben.account).await, all);
        assert_eq!(store.agent(&name("anna")).unwrap().key, Some([5; 32]));
        assert_eq!(store.account_of(ben.token.reveal()), Some(ben.account));
        assert_eq!(store.append(anna.account, vec![keyed.clone()]).await.unwrap(), receipt);
        assert_eq!(store.blob(&blob).unwrap().size, 6);
        let now = store.facts();
        assert_eq!((now.messages, now.message_bytes), (facts.messages, facts.message_bytes));
        assert_eq!((now.accounts, now.blobs, now.blob_bytes), (2, 1, 6));
    }
    // Cursors are not used again after the newest was removed, nor are the ids of accounts.
    let store = open(&dir).unwrap();
    store.ack(ben.account, all.iter().map(|(cursor, _)| *cursor).collect()).await.unwrap();
    store.delete_account(anna.account).await.unwrap();
    store.close().await;
    let store = open(&dir).unwrap();
    send(&store, ben.account, ben.account, "later").await.unwrap();
    assert!(inbox(&store, ben.account).await[0].0 > all.last().unwrap().0);
    assert_ne!(register(&store, "anna").await.account, anna.account);
    assert_eq!(store.blob(&blob), None);
}

#[tokio::test]
async fn nothing_of_a_deleted_account_is_left_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let others = register(&store, "somebody-else").await;
    let gone = store.register(name("soon-to-be-gone"), Some(*b"a public key that must not stay!")).await.unwrap();
    store.rotate_token(gone.account).await.unwrap();
    send(&store, others.account, gone.account, "SECRET waiting").await.unwrap();
    send(&store, others.account, gone.account, "SECRET acknowledged").await.unwrap();
    let cursor = inbox(&store, gone.account).await[1].0;
    store.ack(gone.account, vec![cursor]).await.unwrap();
    send(&store, others.account, others.account, "to stay").await.unwrap();
    let blob = put_blob(&store, gone.account, b"SECRET blob").await;
    let BlobPut::Upload(mut upload) = store.put_blob(gone.account, BlobName::of(b"whole"), 0, 100).await.unwrap()
    else {
        panic!("new")
    };
    upload.write(Bytes::from_static(b"SECRET part")).await.unwrap();
    upload.finish().await.unwrap();
    let hash: [u8; 32] = Sha256::digest(gone.token.reveal().as_bytes()).into();
    let secrets: [&[u8]; 4] = [b"soon-to-be-gone", b"SECRET", b"a public key that must not stay!", &hash];
    for secret in secrets {
        assert!(holds(dir.path(), secret), "{}", String::from_utf8_lossy(secret));
    }
    store.delete_account(gone.account).await.unwrap();
    for secret in secrets {
        assert!(!holds(dir.path(), secret), "{}", String::from_utf8_lossy(secret));
    }
    let names: Vec<_> = files(dir.path()).into_keys().collect();
    assert!(!names.iter().any(|file| file.to_string_lossy().contains(&blob.to_string())), "{names:?}");
    assert_eq!(inbox(&store, others.account).await[0].1, "to stay");
    store.close().await;
    for _ in 0..2 {
        let store = open(dir.path()).unwrap();
        assert_eq!(inbox(&store, others.account).await[0].1, "to stay");
        assert_eq!(store.agent(&name("soon-to-be-gone")), None);
        assert!(!secrets.iter().any(|secret| holds(dir.path(), secret)));
        // And with much more that comes and goes.
        let again = store.register(name("soon-to-be-gone"), None).await.unwrap();
        send(&store, others.account, again.account, "SECRET").await.unwrap();
        store.delete_account(again.account).await.unwrap();
    }
}

#[tokio::test]
async fn a_folder_belongs_to_one_store_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::InUse { .. })));
    store.close().await;
    open(dir.path()).unwrap();
}

/// Opening must fail, say this, and leave all files as they are.
fn is_refused(dir: &Path, word: &str) {
    let before = files(dir);
    let said = open(dir).err().expect("it should be refused").to_string();
    assert!(said.contains(word), "{said}");
    assert!(files(dir) == before, "the files have changed: {said}");
}

#[tokio::test]
async fn a_folder_that_is_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    is_refused(dir.path(), "thesis.txt");
    let file = dir.path().join("thesis.txt");
    let said = open(&file).err().expect("it should be refused").to_string();
    assert!(said.contains("it is a file") && said.contains("choose an empty folder"), "{said}");

    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    let mark = dir.path().join("azall-relay");
    fs::write(&mark, "azall relay, format 999\n").unwrap();
    is_refused(dir.path(), "newer version");
    fs::write(&mark, "azall relay, format x\n").unwrap();
    is_refused(dir.path(), "damaged");
    fs::write(&mark, "").unwrap();
    is_refused(dir.path(), "not the data of a relay");
    fs::write(&mark, "azall relay, format 1\n").unwrap();
    fs::write(dir.path().join("tables/note.txt"), "").unwrap();
    is_refused(dir.path(), "note.txt");
    fs::remove_file(dir.path().join("tables/note.txt")).unwrap();
    fs::remove_dir(dir.path().join("blobs")).unwrap();
    is_refused(dir.path(), "blobs is missing");
}

#[tokio::test]
async fn a_start_that_was_cut_off_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("tables")).unwrap();
    fs::write(dir.path().join("azall-relay.new"), "azall").unwrap();
    let store = open(dir.path()).unwrap();
    register(&store, "anna").await;
    store.close().await;
    // The newest segment was made and not begun.
    let last = segments(dir.path()).len() as u64 + 1;
    fs::write(dir.path().join(format!("tables/{last:016x}.log")), vec![0; 1000]).unwrap();
    fs::write(dir.path().join("tables/new"), "half").unwrap();
    fs::write(dir.path().join("tables/spare"), "half").unwrap();
    assert!(open(dir.path()).unwrap().agent(&name("anna")).is_some());
}

#[tokio::test]
async fn a_commit_that_was_cut_off_is_taken_away_and_damage_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let anna = register(&store, "anna").await.account;
    for number in 0..3 {
        send(&store, anna, anna, &format!("message {number}")).await.unwrap();
    }
    store.close().await;
    let last = segments(dir.path()).pop().unwrap();
    let whole = fs::read(&last).unwrap();
    let length = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let third = memchr::memmem::find(&whole, b"message 2").unwrap();
    let copy = tempfile::tempdir().unwrap();
    let made = |change: &dyn Fn(&mut Vec<u8>)| -> PathBuf {
        let to = copy.path().join("store");
        let _ = fs::remove_dir_all(&to);
        fs::create_dir_all(to.join("tables")).unwrap();
        fs::create_dir_all(to.join("blobs")).unwrap();
        fs::copy(dir.path().join("azall-relay"), to.join("azall-relay")).unwrap();
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(to.join("tables").join(last.file_name().unwrap()), bytes).unwrap();
        to
    };
    for cut in [length - 1, third + 3, third - 20, third - 45] {
        for is_padded in [true, false] {
            let torn = made(&|bytes| {
                bytes.truncate(cut);
                if is_padded {
                    bytes.resize(whole.len(), 0);
                }
            });
            let store = open(&torn).unwrap();
            assert_eq!(inbox(&store, anna).await.len(), 2, "cut off at {cut}");
            send(&store, anna, anna, "goes on").await.unwrap();
            store.close().await;
            assert_eq!(inbox(&open(&torn).unwrap(), anna).await.len(), 3);
        }
    }
    let second = memchr::memmem::find(&whole, b"message 1").unwrap();
    for at in [0, 9, 30, 41, 60, second, second - 30] {
        is_refused(&made(&|bytes| bytes[at] ^= 1), "damaged");
    }
    // A segment is missing.
    for _ in 0..2 {
        open(dir.path()).unwrap().close().await;
    }
    let all = segments(dir.path());
    fs::remove_file(&all[0]).unwrap();
    is_refused(dir.path(), "missing");
}

#[tokio::test]
async fn a_backup_is_a_whole_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store")).unwrap();
    let anna = register(&store, "anna").await;
    let ben = register(&store, "ben").await;
    store.delete_account(ben.account).await.unwrap();
    for number in 0..10 {
        send(&store, anna.account, anna.account, &format!("message {number}")).await.unwrap();
    }
    let blob = put_blob(&store, anna.account, &vec![7; 100_000]).await;
    let cursor = inbox(&store, anna.account).await[3].0;
    store.ack(anna.account, vec![cursor]).await.unwrap();
    let file = dir.path().join("backup");
    store.backup(&file).await.unwrap();
    let then = inbox(&store, anna.account).await;
    assert!(matches!(store.backup(&file).await, Err(BackupError::Exists { .. })));
    send(&store, anna.account, anna.account, "after it").await.unwrap();
    let facts = store.facts();
    store.close().await;

    let to = dir.path().join("restored");
    restore(&file, &to).unwrap();
    let restored = open(&to).unwrap();
    assert_eq!(inbox(&restored, anna.account).await, then);
    assert_eq!(restored.account_of(anna.token.reveal()), Some(anna.account));
    assert_eq!(restored.blob(&blob).unwrap().size, 100_000);
    assert_eq!(restored.facts().messages, facts.messages - 1);
    restored.close().await;
    assert!(restore(&file, &to).is_err(), "a store is not written over");
    fs::remove_dir_all(&to).unwrap();
    let bytes = fs::read(&file).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 50) {
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        fs::write(&file, changed).unwrap();
        assert!(restore(&file, &to).is_err(), "{at}");
        fs::write(&file, &bytes[..at]).unwrap();
        assert!(restore(&file, &to).is_err(), "{at}");
        assert!(!to.exists());
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_lost_and_removing_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::new(&dir.path().join("small"), "200m") else { return };
    let limits = StoreLimits { inbox_bytes: 1 << 30, ..StoreLimits::default() };
    let place = mount.path().join("store");
    let store = Store::open(&place, limits.clone()).unwrap();
    let anna = register(&store, "anna").await.account;
    let payload = "x".repeat(200_000);
    let mut accepted = 0;
    let error = loop {
        match store.append(anna, vec![message(&[anna], &payload)]).await {
            Ok(receipts) => accepted += receipts.iter().flatten().filter(|receipt| receipt.is_ok()).count(),
            Err(error) => break error,
        }
        assert!(accepted < 2000);
    };
    assert!(matches!(error, StoreError::DiskFull), "{error}");
    assert!(!store.is_writable());
    assert!(accepted > 300);
    let count = |store: Store| async move { store.waiting(anna, None, 10_000).await.unwrap().len() };
    assert_eq!(count(store.clone()).await, accepted);
    // Removing goes on, and makes room again.
    let cursors = store.waiting(anna, None, 10_000).await.unwrap().iter().map(|one| one.cursor).collect::<Vec<_>>();
    assert_eq!(store.ack(anna, cursors[5..].to_vec()).await.unwrap(), accepted - 5);
    let mut tries = 0;
    while store.append(anna, vec![message(&[anna], "room again")]).await.is_err() {
        tries += 1;
        assert!(tries < 300, "there is no room though almost everything was removed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    store.close().await;
    assert_eq!(count(Store::open(&place, limits).unwrap()).await, 6);
}

/// What is done to a store and to its model.
#[derive(Debug, Clone)]
enum Step {
    Send { from: usize, to: Vec<usize>, payload: u16, key: Option<u8> },
    Ack { of: usize, pick: u64 },
    Lease { of: usize, limit: usize, is_delivered: bool },
    Delete { of: usize },
    Rotate { of: usize },
    Later { seconds: u64 },
    Expire,
    Reopen,
}

const AGENTS: usize = 4;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let agent = || 0..AGENTS;
    let step = prop_oneof![
        10 => (agent(), prop::collection::vec(agent(), 1..4), any::<u16>(), prop::option::of(0..4_u8))
            .prop_map(|(from, to, payload, key)| Step::Send { from, to, payload, key }),
        5 => (agent(), any::<u64>()).prop_map(|(of, pick)| Step::Ack { of, pick }),
        3 => (agent(), 1..8_usize, any::<bool>())
            .prop_map(|(of, limit, is_delivered)| Step::Lease { of, limit, is_delivered }),
        1 => agent().prop_map(|of| Step::Delete { of }),
        1 => agent().prop_map(|of| Step::Rotate { of }),
        3 => (1..2000_u64).prop_map(|seconds| Step::Later { seconds }),
        2 => Just(Step::Expire),
        2 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..60)
}

/// A message in the model.
#[derive(Debug, Clone, PartialEq)]
struct Waits {
    id: MessageId,
    payload: String,
}

/// By whom a message with a key was accepted, under which id, and when.
type Accepted = (AccountId, MessageId, i64);

/// What a store should hold.
#[derive(Default)]
struct Model {
    accounts: Vec<Registered>,
    inboxes: Vec<VecDeque<Waits>>,
    /// Sender and key: who was accepted.
    answers: BTreeMap<(AccountId, u8), Vec<Accepted>>,
    now_ms: i64,
}

impl Model {
    fn oldest_ms(&self) -> i64 {
        self.now_ms - 3_600_000
    }

    fn send(
        &mut self,
        from: usize,
        to: &[usize],
        payload: &str,
        key: Option<u8>,
        receipt: &[Result<MessageId, Refusal>],
    ) {
        let sender = self.accounts[from].account;
        let oldest_ms = self.oldest_ms();
        let mut known = key.and_then(|key| self.answers.remove(&(sender, key))).unwrap_or_default();
        known.retain(|(.., ms)| *ms > oldest_ms);
        let mut this_time = BTreeMap::new();
        for (to, answer) in to.iter().zip(receipt) {
            let account = self.accounts[*to].account;
            let before = known.iter().find(|(known, ..)| *known == account).map(|(_, id, _)| *id);
            if let Some(id) = before.or(this_time.get(to).copied()) {
                assert_eq!(*answer, Ok(id));
            } else if self.inboxes[*to].len() >= 20 {
                assert_eq!(*answer, Err(Refusal::InboxFull));
            } else {
                let id = answer.expect("it should be accepted");
                this_time.insert(*to, id);
                self.inboxes[*to].push_back(Waits { id, payload: payload.to_owned() });
                if key.is_some() {
                    known.push((account, id, self.now_ms));
                }
            }
        }
        if let Some(key) = key {
            self.answers.insert((sender, key), known);
        }
    }

    fn ms(one: &Waits) -> i64 {
        one.id.to_string().split_once('_').unwrap().0.parse().unwrap()
    }
}

async fn play(steps: Vec<Step>, dir: Option<&Path>) {
    let clock = Clock::manual(START_MS);
    let opened = || match dir {
        Some(dir) => Store::open_at(dir, limits(), clock.clone()).unwrap(),
        None => Store::in_memory_at(limits(), clock.clone()).unwrap(),
    };
    let mut store = opened();
    let mut model = Model { now_ms: START_MS, ..Model::default() };
    for number in 0..AGENTS {
        model.accounts.push(register(&store, &format!("agent-{number}")).await);
        model.inboxes.push(VecDeque::new());
    }
    for step in steps {
        match step {
            Step::Send { from, to, payload, key } => {
                let text = "x".repeat(usize::from(payload % 300));
                let accounts: Vec<AccountId> = to.iter().map(|to| model.accounts[*to].account).collect();
                let idempotency_key = key.map(|key| IdempotencyKey::parse(&format!("key-{key}")).unwrap());
                let sent = Outgoing { idempotency_key, ..message(&accounts, &text) };
                // What has expired counts until it is removed.
                store.expire().await.unwrap();
                let oldest_ms = model.oldest_ms();
                model.inboxes.iter_mut().for_each(|inbox| inbox.retain(|one| Model::ms(one) > oldest_ms));
                let receipt = store.append(model.accounts[from].account, vec![sent]).await.unwrap().remove(0);
                model.send(from, &to, &text, key, &receipt);
            }
            Step::Ack { of, pick } => {
                let all = inbox(&store, model.accounts[of].account).await;
                let picked = |at: usize| pick >> (at % 64) & 1 == 1;
                let cursors: Vec<Cursor> =
                    all.iter().enumerate().filter(|(at, _)| picked(*at)).map(|(_, (cursor, _))| *cursor).collect();
                assert_eq!(store.ack(model.accounts[of].account, cursors.clone()).await.unwrap(), cursors.len());
                let oldest_ms = model.oldest_ms();
                model.inboxes[of].retain(|one| Model::ms(one) > oldest_ms);
                let mut at = 0;
                model.inboxes[of].retain(|_| {
                    at += 1;
                    !picked(at - 1)
                });
            }
            Step::Lease { of, limit, is_delivered } => {
                let lease = store.lease(model.accounts[of].account, limit, usize::MAX).await.unwrap();
                let oldest_ms = model.oldest_ms();
                model.inboxes[of].retain(|one| Model::ms(one) > oldest_ms);
                let ids: Vec<MessageId> = lease.messages.iter().map(|one| one.id).collect();
                let expected: Vec<MessageId> = model.inboxes[of].iter().take(limit).map(|one| one.id).collect();
                assert_eq!(ids, expected);
                if is_delivered {
                    assert_eq!(lease.delivered().await.unwrap(), ids.len());
                    model.inboxes[of].drain(..ids.len());
                }
            }
            Step::Delete { of } => {
                let gone = &model.accounts[of];
                store.delete_account(gone.account).await.unwrap();
                assert_eq!(store.account_of(gone.token.reveal()), None);
                let account = gone.account;
                model.answers.retain(|(sender, _), _| *sender != account);
                model.inboxes[of].clear();
                model.accounts[of] = register(&store, &format!("agent-{of}")).await;
            }
            Step::Rotate { of } => {
                model.accounts[of].token = store.rotate_token(model.accounts[of].account).await.unwrap();
            }
            Step::Later { seconds } => {
                clock.advance(Duration::from_secs(seconds));
                model.now_ms += i64::try_from(seconds).unwrap() * 1000;
            }
            Step::Expire => {
                store.expire().await.unwrap();
                let oldest_ms = model.oldest_ms();
                model.inboxes.iter_mut().for_each(|inbox| inbox.retain(|one| Model::ms(one) > oldest_ms));
                let all: usize = model.inboxes.iter().map(VecDeque::len).sum();
                let bytes: usize = model.inboxes.iter().flatten().map(|one| one.payload.len()).sum();
                assert_eq!((store.facts().messages, store.facts().message_bytes), (all as u64, bytes as u64));
            }
            Step::Reopen => {
                if dir.is_some() {
                    store.close().await;
                    store = opened();
                }
            }
        }
        let oldest_ms = model.oldest_ms();
        for (account, expected) in model.accounts.iter().zip(&model.inboxes) {
            assert_eq!(store.account_of(account.token.reveal()), Some(account.account));
            let page = store.page(account.account, None, 1000, usize::MAX).await.unwrap();
            let found: Vec<Waits> = page
                .messages
                .iter()
                .map(|one| Waits { id: one.id, payload: String::from_utf8(one.payload.to_vec()).unwrap() })
                .collect();
            let expected: Vec<Waits> = expected.iter().filter(|one| Model::ms(one) > oldest_ms).cloned().collect();
            assert_eq!(found, expected);
        }
        assert_eq!(store.agents(None, 100).unwrap().len(), AGENTS);
    }
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_store_on_disk_is_as_its_model(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        run(play(steps, Some(dir.path())));
    }

    #[test]
    fn a_store_in_memory_is_as_its_model(steps in steps()) {
        run(play(steps, None));
    }
}
