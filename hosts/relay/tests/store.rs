//! What the store promises, over both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

use std::sync::Arc;
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
}
