//! What one relay is given: message by message in version 1, in batches in version 2.

use sha2::{Digest, Sha256};

use super::outbox::Queued;
use super::{Mailbox, blobs, memo, relay_call, version2_call};
use crate::engine::cx::EFFECTS_IN_FLIGHT;
use crate::protocol::address::Address;
use crate::protocol::config::RelayAccount;
use crate::protocol::delivery::{Acceptance, Attempt};
use crate::protocol::relay::version2::{self, Api, BlobName, BlobRef, Entry, Limits, Receipt};
use crate::protocol::relay::{Attachment, Content, Payload, RelayError};
use crate::protocol::text;

/// An attachment of more bytes goes as a blob, if its recipient's client knows of blobs.
const LARGE: usize = 128 << 10;

/// The most recipients in a batch.
const MOST_RECIPIENTS: usize = 10_000;

/// Bytes of a batch beside its entries.
const AROUND_ENTRIES: usize = 64;

/// One message for some of its recipients.
pub(super) struct Post<'a> {
    pub(super) queued: &'a Queued,
    /// The recipients, as the relay knows them.
    pub(super) to: Vec<Address>,
}

/// Which of a message's attachments lie in blobs: those of more than so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Inline,
    Blobs { above: usize },
}

/// One entry of a batch, and whose it is.
struct Item {
    entry: Entry,
    form: Form,
    whose: Whose,
}

/// Whom an entry is about.
struct Whose {
    post: usize,
    /// Which of the post's recipients it is for.
    recipients: Vec<usize>,
}

/// Gives a relay what waits for it: for each post, what became of it for each of its recipients.
pub(super) async fn to_relay(mailbox: &Mailbox<'_>, account: &RelayAccount, posts: &[Post<'_>]) -> Vec<Vec<Attempt>> {
    let mut receipts = match memo::api(mailbox, &account.server).await {
        Ok(Api::Version1) => by_version1(mailbox, account, posts).await,
        Ok(Api::Version2(limits)) => by_version2(mailbox, account, posts, limits).await,
        Err(error) => posts.iter().map(|post| vec![Err(error.clone()); post.to.len()]).collect(),
    };
    let is_unknown = |receipt: &Receipt| matches!(receipt, Err(RelayError::NotVersion2 { .. }));
    if receipts.iter().flatten().any(is_unknown)
        && let Ok(Api::Version1) = memo::api_again(mailbox, &account.server).await
    {
        for (post, receipts) in posts.iter().zip(&mut receipts) {
            let again = post.to.iter().zip(receipts).filter(|(_, receipt)| is_unknown(receipt));
            let again = again.map(|(to, receipt)| async move {
                *receipt = relay_call::send(mailbox.cx, account, to, &payload(post.queued, Form::Inline)).await;
            });
            mailbox.cx.all(EFFECTS_IN_FLIGHT, again).await;
        }
    }
    let now_ms = mailbox.cx.now().unix_ms;
    let attempt = |receipt| attempt(account, receipt, now_ms);
    receipts.into_iter().map(|of_post| of_post.into_iter().map(attempt).collect()).collect()
}

/// What a relay's answer about one recipient means.
fn attempt(account: &RelayAccount, receipt: Receipt, at_ms: i64) -> Attempt {
    match receipt {
        Ok(id) => {
            let id = Some(id).filter(|id| !id.is_empty());
            Attempt::Accepted(vec![Acceptance { transport: account.server.to_string(), id, at_ms }])
        }
        Err(error) if error.is_permanent() => Attempt::Permanent { reason: error.to_string() },
        Err(error) => Attempt::Retry {
            reason: error.to_string(),
            wait_ms: error.retry_after_ms().and_then(|ms| i64::try_from(ms).ok()),
        },
    }
}

async fn by_version1(mailbox: &Mailbox<'_>, account: &RelayAccount, posts: &[Post<'_>]) -> Vec<Vec<Receipt>> {
    let of_posts = posts.iter().map(|post| async move {
        let payload = payload(post.queued, Form::Inline);
        let sends = post.to.iter().map(|to| relay_call::send(mailbox.cx, account, to, &payload));
        mailbox.cx.all(EFFECTS_IN_FLIGHT, sends).await
    });
    mailbox.cx.all(EFFECTS_IN_FLIGHT, of_posts).await
}

async fn by_version2(
    mailbox: &Mailbox<'_>,
    account: &RelayAccount,
    posts: &[Post<'_>],
    limits: Limits,
) -> Vec<Vec<Receipt>> {
    let entries = posts.iter().enumerate().map(|(at, post)| items(mailbox, account, at, post, limits));
    let (mut inline, mut with_blobs, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for item in mailbox.cx.all(EFFECTS_IN_FLIGHT, entries).await.into_iter().flatten() {
        match item {
            Ok(item) if item.form == Form::Inline => inline.push(item),
            Ok(item) => with_blobs.push(item),
            Err(whose) => refused.push((whose, Err(too_large(account, limits)))),
        }
    }
    let mut sent = send_batches(mailbox, account, inline, limits).await;
    sent.extend(refused);
    for item in with_blobs {
        let uploaded = match posts.get(item.whose.post) {
            Some(post) => upload(mailbox, account, post.queued, item.form).await,
            None => Ok(()),
        };
        match uploaded {
            Ok(()) => sent.extend(send_batches(mailbox, account, vec![item], limits).await),
            Err(error) => sent.push((item.whose, Err(error))),
        }
    }
    let unsent = || Err(RelayError::Unreachable { server: account.server.clone(), why: "nothing was sent".to_owned() });
    let mut receipts: Vec<Vec<Receipt>> = posts.iter().map(|post| post.to.iter().map(|_| unsent()).collect()).collect();
    for (whose, outcome) in sent {
        for (at, recipient) in whose.recipients.iter().enumerate() {
            let receipt = match &outcome {
                Ok(of_recipients) => of_recipients.get(at).cloned().unwrap_or_else(unsent),
                Err(error) => Err(error.clone()),
            };
            if let Some(place) = receipts.get_mut(whose.post).and_then(|of_post| of_post.get_mut(*recipient)) {
                *place = receipt;
            }
        }
    }
    receipts
}

/// What an account without a key is not sent: its client may know version 1 alone, and would lose what it cannot read.
fn too_large(account: &RelayAccount, limits: Limits) -> RelayError {
    let most = limits.message_bytes;
    let said = format!(
        "it has more than {most} bytes, and the recipient's account has no key, so its client may not know of blobs"
    );
    RelayError::TooLarge { server: account.server.clone(), said }
}

/// The entries of a post: one, or two where only some of its recipients know of blobs. An error where a recipient cannot be sent it.
async fn items(
    mailbox: &Mailbox<'_>,
    account: &RelayAccount,
    at: usize,
    post: &Post<'_>,
    limits: Limits,
) -> Vec<Result<Item, Whose>> {
    let everybody: Vec<usize> = (0..post.to.len()).collect();
    let item = |form: Form, recipients: Vec<usize>| {
        let to = recipients.iter().filter_map(|at| post.to.get(*at).cloned()).collect();
        let entry =
            Entry { to, payload: payload(post.queued, form), idempotency_key: idempotency_key(post.queued, form) };
        Item { entry, form, whose: Whose { post: at, recipients } }
    };
    let inline = item(Form::Inline, everybody.clone());
    let fits = |item: &Item| item.entry.payload.len() as u64 <= limits.message_bytes;
    let is_large = post.queued.attachments.iter().any(|(_, bytes)| bytes.len() > LARGE);
    if limits.blob_bytes == 0 || (fits(&inline) && !is_large) {
        return vec![Ok(inline)];
    }
    let keys = post.to.iter().map(|to| memo::has_key(mailbox, &account.server, to));
    let keys = mailbox.cx.all(EFFECTS_IN_FLIGHT, keys).await;
    let (with, without): (Vec<usize>, Vec<usize>) =
        everybody.into_iter().partition(|at| keys.get(*at).copied().unwrap_or_default());
    let mut items = Vec::new();
    if !with.is_empty() {
        let large = item(Form::Blobs { above: LARGE }, with.clone());
        items.push(Ok(if fits(&large) { large } else { item(Form::Blobs { above: 0 }, with) }));
    }
    if !without.is_empty() {
        let is_readable = fits(&inline);
        items.push(if is_readable {
            Ok(item(Form::Inline, without))
        } else {
            Err(Whose { post: at, recipients: without })
        });
    }
    items
}

/// The message as the relay is given it.
fn payload(queued: &Queued, form: Form) -> String {
    let value = |name| queued.message.headers.value(name).unwrap_or_default();
    let attachment = |(name, data): &(String, Vec<u8>)| {
        let content = if goes_as_blob(data, form) {
            Content::Blob(BlobRef { name: BlobName::of(data), size: data.len() as u64 })
        } else {
            Content::Inline(data.clone())
        };
        Attachment { name: name.clone(), content }
    };
    let payload = Payload {
        subject: value("Subject").to_owned(),
        body: queued.message.body.clone(),
        from: value("From").to_owned(),
        attachments: queued.attachments.iter().map(attachment).collect(),
        problems: Vec::new(),
    };
    payload.to_json()
}

fn goes_as_blob(data: &[u8], form: Form) -> bool {
    matches!(form, Form::Blobs { above } if data.len() > above)
}

/// What the relay knows a message by: its id and all of its content, so that a message is not taken for another, and is the same in
/// every try.
fn idempotency_key(queued: &Queued, form: Form) -> String {
    let mut hash = Sha256::new();
    hash.update(b"azall send 2\n");
    hash.update(queued.id.as_str());
    hash.update(b"\n");
    hash.update(queued.message.to_text());
    for (name, bytes) in &queued.attachments {
        hash.update(format!("\n{}:{name}:{}:", name.len(), bytes.len()));
        hash.update(bytes);
    }
    hash.update(if form == Form::Inline { &b"inline"[..] } else { b"blobs" });
    text::hex(&hash.finalize())
}

/// Sees to it that the relay has the blobs of a message.
async fn upload(mailbox: &Mailbox<'_>, account: &RelayAccount, queued: &Queued, form: Form) -> Result<(), RelayError> {
    for (_, data) in queued.attachments.iter().filter(|(_, data)| goes_as_blob(data, form)) {
        blobs::upload(mailbox.cx, account, &BlobName::of(data), data).await?;
    }
    Ok(())
}

type SentItem = (Whose, Result<Vec<Receipt>, RelayError>);

/// Sends entries in batches that the relay takes, one after the other, so that messages keep their order.
async fn send_batches(
    mailbox: &Mailbox<'_>,
    account: &RelayAccount,
    items: Vec<Item>,
    limits: Limits,
) -> Vec<SentItem> {
    let most_bytes = usize::try_from(limits.batch_bytes).unwrap_or(usize::MAX).saturating_sub(AROUND_ENTRIES);
    let most = usize::try_from(limits.batch_messages).unwrap_or(usize::MAX);
    let (mut sent, mut batch, mut bytes, mut recipients) = (Vec::new(), Vec::new(), 0, 0);
    for item in items {
        let size = version2::entry_bytes(&item.entry);
        let is_full = batch.len() >= most || recipients + item.entry.to.len() > MOST_RECIPIENTS;
        if !batch.is_empty() && (is_full || bytes + size > most_bytes) {
            sent.extend(send_batch(mailbox, account, std::mem::take(&mut batch)).await);
            (bytes, recipients) = (0, 0);
        }
        bytes += size;
        recipients += item.entry.to.len();
        batch.push(item);
    }
    if !batch.is_empty() {
        sent.extend(send_batch(mailbox, account, batch).await);
    }
    sent
}

/// Sends a batch. One that is refused as a whole for what is in it is sent again message by message, so that the one that is at
/// fault costs no other.
async fn send_batch(mailbox: &Mailbox<'_>, account: &RelayAccount, batch: Vec<Item>) -> Vec<SentItem> {
    let (items, whole): (Vec<Whose>, Vec<Entry>) = batch.into_iter().map(|item| (item.whose, item.entry)).unzip();
    match version2_call::send_batch(mailbox.cx, account, &whole).await {
        Ok(receipts) => items.into_iter().zip(receipts.into_iter().map(Ok)).collect(),
        Err(error) if error.is_permanent() && whole.len() > 1 => {
            let mut sent = Vec::new();
            for (item, entry) in items.into_iter().zip(&whole) {
                let one = version2_call::send_batch(mailbox.cx, account, std::slice::from_ref(entry)).await;
                sent.push((item, one.map(|receipts| receipts.into_iter().flatten().collect())));
            }
            sent
        }
        Err(error) => items.into_iter().map(|item| (item, Err(error.clone()))).collect(),
    }
}
