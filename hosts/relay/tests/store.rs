//! What the store promises, over both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

use std::time::Duration;

use azall_relay::options::StoreLimits;
use azall_relay::store::{
    AccountId, AgentName, BlobError, BlobName, BlobProgress, BlobPut, Clock, Cursor, IdempotencyKey, MessageId,
    Outgoing, Refusal, RegisterError, Registered, Store, StoreError,
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// A store, the clock that it goes by, and where it lies.
struct Place {
    store: Store,
    clock: Clock,
    _dir: Option<tempfile::TempDir>,
}

fn limits() -> StoreLimits {
    StoreLimits {
        message_bytes: 1000,
        inbox_bytes: 10_000,
        inbox_messages: 50,
        message_ttl: Duration::from_secs(3600),
        blob_bytes: 1 << 20,
        blob_account_bytes: 3 << 20,
        blob_ttl: Duration::from_secs(3600),
    }
}

fn in_memory() -> Place {
    let clock = Clock::manual(1_800_000_000_000);
    Place { store: Store::in_memory_at(limits(), clock.clone()).unwrap(), clock, _dir: None }
}

fn on_disk() -> Place {
    let clock = Clock::manual(1_800_000_000_000);
    let dir = tempfile::tempdir().unwrap();
    Place { store: Store::open_at(dir.path(), limits(), clock.clone()).unwrap(), clock, _dir: Some(dir) }
}

/// The same test over both engines.
macro_rules! over_both {
    ($($(#[$doc:meta])* async fn $name:ident($place:ident) $body:block)*) => {
        $(mod $name {
            use super::*;
            $(#[$doc])*
            async fn test($place: Place) $body
            #[tokio::test]
            async fn in_memory() { test(super::in_memory()).await; }
            #[tokio::test]
            async fn on_disk() { test(super::on_disk()).await; }
        })*
    };
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

fn keyed(to: &[AccountId], payload: &str, key: &str) -> Outgoing {
    Outgoing { idempotency_key: Some(IdempotencyKey::parse(key).unwrap()), ..message(to, payload) }
}

async fn send(store: &Store, from: AccountId, to: AccountId, payload: &str) -> Result<MessageId, Refusal> {
    store.append(from, vec![message(&[to], payload)]).await.unwrap()[0][0]
}

async fn inbox(store: &Store, account: AccountId) -> Vec<String> {
    let page = store.page(account, None, 1000, usize::MAX).await.unwrap();
    page.messages.iter().map(|one| String::from_utf8(one.payload.to_vec()).unwrap()).collect()
}

over_both! {
    async fn messages_are_paged_and_acknowledged(place) {
        let store = &place.store;
        let (anna, ben) = (register(store, "anna").await.account, register(store, "ben").await.account);
        assert!(store.page(ben, None, 10, 1000).await.unwrap().messages.is_empty());
        for number in 0..10 {
            let id = send(store, anna, ben, &format!("message {number}")).await.unwrap();
            assert!(id.to_string().starts_with("1800000000000_anna_"), "{id}");
        }
        let first = store.page(ben, None, 4, usize::MAX).await.unwrap();
        assert_eq!(first.messages.len(), 4);
        assert_eq!(first.messages[0].from_name(), name("anna"));
        assert_eq!(first.next, first.messages[3].cursor);
        let second = store.page(ben, Some(first.next), 100, 20).await.unwrap();
        assert_eq!(second.messages.len(), 2, "two of nine bytes fit");
        assert_eq!(&second.messages[0].payload[..], b"message 4");
        let large = store.page(ben, Some(second.next), 100, 1).await.unwrap();
        assert_eq!(large.messages.len(), 1, "one always fits");

        let cursors: Vec<Cursor> = first.messages.iter().chain(&second.messages).map(|one| one.cursor).collect();
        let twice = cursors.iter().chain(&cursors).copied().collect();
        assert_eq!(store.ack(ben, twice).await.unwrap(), 6);
        assert_eq!(store.ack(ben, cursors.clone()).await.unwrap(), 0);
        assert_eq!(store.ack(anna, cursors).await.unwrap(), 0);
        assert_eq!(inbox(store, ben).await, ["message 6", "message 7", "message 8", "message 9"]);
        assert_eq!(store.facts().messages, 4);
        assert_eq!(store.facts().message_bytes, 36);

        let end = store.page(ben, None, 100, usize::MAX).await.unwrap().next;
        let rest = store.page(ben, Some(end), 100, usize::MAX).await.unwrap();
        assert_eq!((rest.messages.len(), rest.next), (0, end));
        let beyond: Cursor = "18446744073709551615".parse().unwrap();
        assert_eq!(store.page(ben, Some(beyond), 100, usize::MAX).await.unwrap().messages.len(), 4);
    }

    async fn a_lease_hides_its_messages_until_it_ends(place) {
        let store = &place.store;
        let (anna, ben) = (register(store, "anna").await.account, register(store, "ben").await.account);
        assert!(store.lease(ben, 100, usize::MAX).await.unwrap().messages.is_empty());
        for number in 0..6 {
            send(store, anna, ben, &format!("message {number}")).await.unwrap();
        }
        let numbers = |lease: &azall_relay::store::Lease| -> Vec<u8> {
            lease.messages.iter().map(|one| one.payload[8] - b'0').collect()
        };
        let first = store.lease(ben, 2, usize::MAX).await.unwrap();
        assert_eq!(numbers(&first), [0, 1]);
        let second = store.lease(ben, 100, 18).await.unwrap();
        assert_eq!(numbers(&second), [2, 3]);
        drop(first);
        let again = store.lease(ben, 100, usize::MAX).await.unwrap();
        assert_eq!(numbers(&again), [0, 1], "what was given back, up to where the other lease begins");
        let third = store.lease(ben, 100, usize::MAX).await.unwrap();
        assert_eq!(numbers(&third), [4, 5]);
        assert!(store.lease(ben, 100, usize::MAX).await.unwrap().messages.is_empty());
        assert_eq!(inbox(store, ben).await.len(), 6, "pages show what is leased");

        // Something leased is acknowledged by a page's reader meanwhile: it is removed once.
        assert_eq!(store.ack(ben, vec![third.messages[0].cursor]).await.unwrap(), 1);
        assert_eq!(third.delivered().await.unwrap(), 1);
        assert_eq!(second.delivered().await.unwrap(), 2);
        assert_eq!(store.facts().messages, 2);
        drop(again);
        assert_eq!(numbers(&store.lease(ben, 100, usize::MAX).await.unwrap()), [0, 1]);
    }

    async fn a_full_inbox_and_a_large_message_are_refused(place) {
        let store = &place.store;
        let (anna, ben) = (register(store, "anna").await.account, register(store, "ben").await.account);
        let (largest, large) = ("x".repeat(1000), "x".repeat(1001));
        assert_eq!(send(store, anna, ben, &large).await, Err(Refusal::TooLarge));
        for _ in 0..10 {
            send(store, anna, ben, &largest).await.unwrap();
        }
        assert_eq!(send(store, anna, ben, "x").await, Err(Refusal::InboxFull));
        let to = vec![Ok(ben), Err(Refusal::BadAddress), Ok(anna)];
        let several = Outgoing { to, payload: "y".into(), idempotency_key: None };
        let receipt = store.append(anna, vec![several]).await.unwrap().remove(0);
        assert_eq!(receipt[..2], [Err(Refusal::InboxFull), Err(Refusal::BadAddress)]);
        assert!(receipt[2].is_ok());
        let page = store.page(ben, None, 1, usize::MAX).await.unwrap();
        store.ack(ben, vec![page.next]).await.unwrap();
        send(store, anna, ben, "x").await.unwrap();
        for _ in 1..50 {
            send(store, anna, anna, "").await.unwrap();
        }
        assert_eq!(send(store, anna, anna, "").await, Err(Refusal::InboxFull), "by number");
    }

    async fn a_key_that_is_used_again_stores_nothing(place) {
        let store = &place.store;
        let (anna, ben) = (register(store, "anna").await.account, register(store, "ben").await.account);
        let carl = register(store, "carl").await.account;
        let twice = vec![keyed(&[ben], "one", "key"), keyed(&[ben], "one", "key")];
        let receipts = store.append(anna, twice).await.unwrap();
        assert_eq!(receipts[0], receipts[1]);
        assert_eq!(inbox(store, ben).await, ["one"]);
        // Another recipient with the same key is tried; the first answer stays.
        let more = store.append(anna, vec![keyed(&[carl, ben, ben], "one", "key")]).await.unwrap().remove(0);
        assert_eq!(more[1], receipts[0][0]);
        assert_eq!(more[2], receipts[0][0]);
        assert_eq!((inbox(store, ben).await.len(), inbox(store, carl).await.len()), (1, 1));
        // It is the sender's own key.
        let other = store.append(carl, vec![keyed(&[ben], "two", "key")]).await.unwrap().remove(0);
        assert_ne!(other[0], receipts[0][0]);
        // It stays after the message is gone, for as long as messages live.
        let page = store.page(ben, None, 10, usize::MAX).await.unwrap();
        store.ack(ben, page.messages.iter().map(|one| one.cursor).collect()).await.unwrap();
        place.clock.advance(Duration::from_secs(3599));
        assert_eq!(store.append(anna, vec![keyed(&[ben], "one", "key")]).await.unwrap(), receipts[..1]);
        assert!(inbox(store, ben).await.is_empty());
        place.clock.advance(Duration::from_secs(2));
        store.append(anna, vec![keyed(&[ben], "one", "key")]).await.unwrap();
        assert_eq!(inbox(store, ben).await, ["one"]);
        place.clock.advance(Duration::from_secs(48 * 3600));
        store.expire().await.unwrap();
        store.append(anna, vec![keyed(&[ben], "one", "key")]).await.unwrap();
        assert_eq!(inbox(store, ben).await, ["one"]);
    }

    async fn one_message_to_somebody_named_twice_is_stored_once(place) {
        let store = &place.store;
        let anna = register(store, "anna").await.account;
        let receipt = store.append(anna, vec![message(&[anna, anna], "x")]).await.unwrap().remove(0);
        assert_eq!(receipt[0], receipt[1]);
        assert_eq!(inbox(store, anna).await, ["x"]);
    }

    async fn what_has_expired_is_not_handed_out_and_then_removed(place) {
        let store = &place.store;
        let (anna, ben) = (register(store, "anna").await.account, register(store, "ben").await.account);
        for number in 0..20 {
            send(store, anna, ben, &format!("old {number}")).await.unwrap();
        }
        place.clock.advance(Duration::from_secs(1800));
        send(store, anna, ben, "new").await.unwrap();
        place.clock.advance(Duration::from_secs(1800));
        assert_eq!(inbox(store, ben).await, ["new"]);
        assert_eq!(store.lease(ben, 10, usize::MAX).await.unwrap().messages.len(), 1);
        store.expire().await.unwrap();
        assert_eq!((store.facts().messages, store.facts().expired), (1, 20));
        place.clock.advance(Duration::from_secs(1800));
        store.expire().await.unwrap();
        assert_eq!((store.facts().messages, store.facts().message_bytes, store.facts().expired), (0, 0, 21));
        send(store, anna, ben, "again").await.unwrap();
        place.clock.advance(Duration::from_secs(3600));
        store.expire().await.unwrap();
        assert_eq!(store.facts().messages, 0);
    }

    async fn names_are_unique_and_keys_give_accounts_back(place) {
        let store = &place.store;
        let anna = register(store, "anna").await;
        assert!(matches!(store.register(name("anna"), None).await, Err(RegisterError::NameTaken)));
        assert!(matches!(store.register(name("anna"), Some([1; 32])).await, Err(RegisterError::NameTaken)));
        let both = tokio::join!(store.register(name("ben"), None), store.register(name("ben"), None));
        assert!(both.0.is_ok() != both.1.is_ok(), "only one gets it");
        let first = store.register(name("carl"), Some([7; 32])).await.unwrap();
        let second = store.register(name("carl"), Some([7; 32])).await.unwrap();
        assert!(first.is_new && !second.is_new);
        assert_eq!(first.account, second.account);
        assert_eq!(store.account_of(first.token.reveal()), None);
        assert_eq!(store.account_of(second.token.reveal()), Some(first.account));
        let rotated = store.rotate_token(anna.account).await.unwrap();
        assert_eq!(store.account_of(anna.token.reveal()), None);
        assert_eq!(store.account_of(rotated.reveal()), Some(anna.account));
        assert_eq!(store.account_of(""), None);
        let carl = store.agent(&name("carl")).unwrap();
        assert_eq!((carl.key, carl.registered_ms), (Some([7; 32]), 1_800_000_000_000));
        let names = |agents: Vec<azall_relay::store::Agent>| -> Vec<String> {
            agents.iter().map(|agent| agent.name.to_string()).collect()
        };
        assert_eq!(names(store.agents(None, 2).unwrap()), ["anna", "ben"]);
        assert_eq!(names(store.agents(Some(&name("ann")), 10).unwrap()), ["anna", "ben", "carl"]);
        assert_eq!(names(store.agents(Some(&name("anna")), 10).unwrap()), ["ben", "carl"]);
        assert!(format!("{:?}", anna.token).ends_with("(..)"));
    }

    async fn a_message_carries_the_key_of_its_sender(place) {
        let store = &place.store;
        let anna = store.register(name("anna"), Some([3; 32])).await.unwrap().account;
        send(store, anna, anna, "x").await.unwrap();
        let page = store.page(anna, None, 1, 1).await.unwrap();
        assert_eq!(page.messages[0].from_key, Some([3; 32]));
        assert_eq!(page.messages[0].timestamp_ms(), 1_800_000_000_000);
        assert_eq!(store.waiting(anna, None, 10).await.unwrap()[0].id, page.messages[0].id);
    }

    async fn a_doorbell_tells_of_the_newest(place) {
        let store = &place.store;
        let (anna, ben) = (register(store, "anna").await.account, register(store, "ben").await.account);
        let mut bell = store.doorbell(ben);
        let mut other = store.doorbell(ben);
        assert_eq!(store.facts().doorbells, 1);
        send(store, anna, ben, "one").await.unwrap();
        let two = send(store, anna, ben, "two").await.unwrap();
        assert_eq!(bell.rung().await.unwrap().id, two);
        let three = send(store, anna, ben, "three").await.unwrap();
        assert_eq!(bell.rung().await.unwrap().id, three);
        assert_eq!(other.rung().await.unwrap().id, three);
        drop(other);
        assert_eq!(store.facts().doorbells, 1);
        store.delete_account(ben).await.unwrap();
        assert_eq!(bell.rung().await, None);
        drop(bell);
        let mut of_anna = store.doorbell(anna);
        store.clone().close().await;
        assert_eq!(of_anna.rung().await, None);
        drop(of_anna);
        assert_eq!(store.facts().doorbells, 0);
    }

    async fn a_deleted_account_is_gone_and_its_name_free(place) {
        let store = &place.store;
        let anna = register(store, "anna").await;
        let ben = register(store, "ben").await.account;
        for _ in 0..10 {
            send(store, ben, anna.account, "to anna").await.unwrap();
        }
        send(store, anna.account, ben, "to ben").await.unwrap();
        store.append(anna.account, vec![keyed(&[ben], "to ben", "key")]).await.unwrap();
        let lease = store.lease(anna.account, 5, usize::MAX).await.unwrap();
        store.delete_account(anna.account).await.unwrap();
        assert_eq!(lease.delivered().await.unwrap(), 0);
        assert_eq!(store.account_of(anna.token.reveal()), None);
        assert_eq!(store.agent(&name("anna")), None);
        assert_eq!(send(store, ben, anna.account, "x").await, Err(Refusal::NoSuchAgent));
        let from_nobody = store.append(anna.account, vec![message(&[ben], "x")]).await;
        assert!(matches!(from_nobody, Err(StoreError::NoSuchAccount)));
        assert!(matches!(store.delete_account(anna.account).await, Err(StoreError::NoSuchAccount)));
        assert!(matches!(store.rotate_token(anna.account).await, Err(StoreError::NoSuchAccount)));
        assert_eq!(store.facts().messages, 2);
        let again = register(store, "anna").await;
        assert_ne!(again.account, anna.account);
        assert!(inbox(store, again.account).await.is_empty());
        store.append(again.account, vec![keyed(&[ben], "x", "key")]).await.unwrap();
        assert_eq!(inbox(store, ben).await.len(), 3);
    }

    async fn a_closed_store_says_so(place) {
        let store = &place.store;
        let anna = register(store, "anna").await.account;
        store.clone().close().await;
        let refused = store.append(anna, vec![message(&[anna], "x")]).await;
        assert!(matches!(refused, Err(StoreError::Closed)));
    }

    async fn who_goes_away_while_sending_harms_nobody(place) {
        let store = &place.store;
        let anna = register(store, "anna").await.account;
        for _ in 0..20 {
            let send = store.append(anna, vec![message(&[anna], "x")]);
            let _ = tokio::time::timeout(Duration::ZERO, send).await;
        }
        send(store, anna, anna, "last").await.unwrap();
        assert_eq!(inbox(store, anna).await.last().unwrap(), "last");
    }

    async fn blobs_are_uploaded_in_parts_and_verified(place) {
        let store = &place.store;
        let anna = register(store, "anna").await.account;
        let bytes: Vec<u8> = (0..700_000_u32).map(|number| (number % 251) as u8).collect();
        let blob = blob_name(&bytes);
        assert!(matches!(put(store, anna, blob, &bytes[5..], 5, 700_000).await, Err(BlobError::WrongOffset { expected: 0 })));
        let part = put(store, anna, blob, &bytes[..300_000], 0, 700_000).await.unwrap();
        assert_eq!(part, BlobProgress::Part { offset: 300_000 });
        assert_eq!(store.blob(&blob), None);
        assert_eq!(store.blob_offset(anna, &blob).unwrap(), Some(300_000));
        let BlobProgress::Whole(info) = put(store, anna, blob, &bytes[300_000..], 300_000, 700_000).await.unwrap() else {
            panic!("it should be whole");
        };
        assert_eq!(store.blob(&blob), Some(info));
        assert_eq!((store.facts().blobs, store.facts().blob_bytes), (1, 700_000));
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut store.open_blob(&blob).await.unwrap().unwrap().file, &mut read).unwrap();
        assert!(read == bytes);
        // Again: it is there, and lives longer.
        place.clock.advance(Duration::from_secs(1000));
        let BlobPut::There(renewed) = store.put_blob(anna, blob, 0, 700_000).await.unwrap() else { panic!("there") };
        assert_eq!(renewed.expires_ms, info.expires_ms + 1_000_000);
        // Another's bytes under a wrong name leave nothing.
        let wrong = put(store, anna, blob_name(b"other"), b"bytes", 0, 5).await;
        assert!(matches!(wrong, Err(BlobError::WrongHash)));
        assert_eq!(store.blob_offset(anna, &blob_name(b"other")).unwrap(), None);
        assert!(matches!(store.put_blob(anna, blob_name(b"o"), 0, 2 << 20).await, Err(BlobError::TooLarge)));
        let more = put(store, anna, blob_name(b"more"), b"more than said", 0, 4).await;
        assert!(matches!(more, Err(BlobError::TooLarge)));
        let empty = put(store, anna, blob_name(b""), b"", 0, 0).await.unwrap();
        assert!(matches!(empty, BlobProgress::Whole(info) if info.size == 0));
        place.clock.advance(Duration::from_secs(3600));
        assert_eq!(store.blob(&blob), None);
        store.expire().await.unwrap();
        assert_eq!(store.facts().blobs, 0);
        assert!(store.open_blob(&blob).await.unwrap().is_none());
    }

    async fn blobs_count_on_the_quota_of_those_who_have_them(place) {
        let store = &place.store;
        let (anna, ben) = (register(store, "anna").await.account, register(store, "ben").await.account);
        let blobs: Vec<Vec<u8>> = (0..4).map(|number| vec![number; 1 << 20]).collect();
        for blob in &blobs[..3] {
            put(store, anna, blob_name(blob), blob, 0, 1 << 20).await.unwrap();
        }
        let fourth = blob_name(&blobs[3]);
        assert!(matches!(store.put_blob(anna, fourth, 0, 1 << 20).await, Err(BlobError::Quota)));
        let BlobPut::Upload(open) = store.put_blob(ben, fourth, 0, 1 << 20).await.unwrap() else { panic!("new") };
        assert!(matches!(store.put_blob(ben, fourth, 0, 1 << 20).await, Err(BlobError::Busy)));
        drop(open);
        put(store, ben, fourth, &blobs[3], 0, 1 << 20).await.unwrap();
        assert!(matches!(store.put_blob(anna, fourth, 0, 1 << 20).await, Err(BlobError::Quota)));
        let shared = blob_name(&blobs[0]);
        assert!(matches!(store.put_blob(ben, shared, 0, 1 << 20).await.unwrap(), BlobPut::There(_)));
        store.delete_account(anna).await.unwrap();
        assert_eq!(store.facts().blobs, 2, "what ben has too stays");
        assert!(store.blob(&shared).is_some());
        store.delete_account(ben).await.unwrap();
        assert_eq!((store.facts().blobs, store.facts().blob_bytes), (0, 0));
    }
}

fn blob_name(bytes: &[u8]) -> BlobName {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let name = BlobName::parse(&hex).unwrap();
    assert_eq!(name.to_string(), hex);
    name
}

async fn put(
    store: &Store,
    account: AccountId,
    name: BlobName,
    bytes: &[u8],
    offset: u64,
    total: u64,
) -> Result<BlobProgress, BlobError> {
    match store.put_blob(account, name, offset, total).await? {
        BlobPut::There(info) => Ok(BlobProgress::Whole(info)),
        BlobPut::Upload(mut upload) => {
            for part in bytes.chunks(100_000) {
                upload.write(Bytes::copy_from_slice(part)).await?;
            }
            upload.finish().await
        }
    }
}

#[test]
fn texts_are_checked() {
    for good in ["0", "18446744073709551615"] {
        assert_eq!(good.parse::<Cursor>().unwrap().to_string(), good);
    }
    for bad in ["", "-1", "+1", "x", "18446744073709551616", "000000000000000000001"] {
        assert!(bad.parse::<Cursor>().is_err(), "{bad}");
    }
    assert!(IdempotencyKey::parse("a").is_ok() && IdempotencyKey::parse(&"~".repeat(128)).is_ok());
    for bad in ["", "a b", "\u{7f}", "\u{e4}", &"a".repeat(129)] {
        assert!(IdempotencyKey::parse(bad).is_err(), "{bad}");
    }
    for bad in [
        "",
        "AA",
        &"A".repeat(64),
        &"g".repeat(64),
        &"0".repeat(63),
        "../../../../../../../../../../../../../../../../../../etc/passwd",
    ] {
        assert!(BlobName::parse(bad).is_none(), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_shares_commits() {
    let place = on_disk();
    let anna = register(&place.store, "anna").await.account;
    let before = place.store.facts().commits;
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let store = place.store.clone();
            tokio::spawn(async move { store.append(anna, vec![message(&[anna], "x")]).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap()[0][0].is_ok());
    }
    let commits = place.store.facts().commits - before;
    assert!(commits < 40, "{commits} commits for 40 messages");
    assert_eq!(inbox(&place.store, anna).await.len(), 40);
}
