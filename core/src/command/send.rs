//! `send` and `reply`: compose, sign, queue, deliver what can be delivered now, and say truly what happened.

use sha2::{Digest, Sha256};

use serde::{Deserialize, Serialize};

use crate::engine::cx::FILE_LIMIT;
use crate::protocol::address::Address;
use crate::protocol::envelope::{self, Opened, SignedAttachment, SignedHeaders};
use crate::protocol::id::MessageId;
use crate::protocol::layout::Folder;
use crate::protocol::message::{Draft, Message};
use crate::protocol::name::UniqueNames;
use crate::protocol::text;
use crate::sync::memo;
use crate::sync::outbox::{self, Delivery};

use super::error::Error;
use super::index;
use super::read::{Loaded, load};
use super::session::Session;

/// A file to send along.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Its name; any folder before it is dropped.
    pub name: String,
    /// Its content.
    #[serde(with = "crate::engine::transcript::bytes")]
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.bytes.len())
    }
}

/// A message to send.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// The recipients, at least one.
    pub to: Vec<Address>,
    /// More recipients.
    #[serde(default)]
    pub cc: Vec<Address>,
    /// The subject.
    pub subject: String,
    /// The text.
    pub body: String,
    /// Files to send along.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}

/// An answer to send.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The message that is answered: its id, or the beginning of it.
    pub id: String,
    /// The text.
    pub body: String,
    /// Files to send along.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// To everybody whom the message went to.
    #[serde(default)]
    pub all: bool,
}

/// A message that was queued, and what became of it so far.
#[derive(Debug, Serialize)]
pub struct Sent {
    /// The message's id.
    pub id: MessageId,
    /// The subject.
    pub subject: String,
    /// The message's file, where it lies now.
    pub path: String,
    /// What happened, recipient by recipient.
    #[serde(flatten)]
    pub delivery: Delivery,
}

/// Sends a message.
///
/// # Errors
/// When it cannot be composed or queued. A transport that fails is in the outcome.
pub async fn send(session: &mut Session, send: Send) -> Result<Sent, Error> {
    session.enter().await?;
    compose_and_deliver(session, send, None).await
}

/// Sends an answer: to the sender (or to all), with the answered text quoted and `In-Reply-To` set.
///
/// # Errors
/// As [`send`]; also when the message is not there, or its sender is no address.
pub async fn reply(session: &mut Session, reply: Reply) -> Result<Sent, Error> {
    session.enter().await?;
    memo::learn_own_key(&session.mailbox()).await;
    let Loaded { message, location, .. } = load(session, &reply.id, None, &Folder::ALL).await?;
    let value = |name| message.headers.value(name).unwrap_or_default();
    let (to, cc) = recipients_of_reply(session, &message, reply.all)?;
    let subject = match value("Subject") {
        subject if subject.to_lowercase().starts_with("re:") => subject.to_owned(),
        subject => format!("Re: {subject}"),
    };
    let opened = Opened::read(&message.headers, &message.body);
    let quoted = format!(
        "{}\n\n--- Original from {} ({}) ---\n{}",
        text::strip_end(&reply.body),
        text::for_terminal_line(value("From")),
        text::for_terminal_line(value("Date")),
        opened.text(),
    );
    let send = Send { to, cc, subject, body: quoted, attachments: reply.attachments };
    compose_and_deliver(session, send, Some(location.id)).await
}

fn recipients_of_reply(session: &Session, message: &Message, all: bool) -> Result<(Vec<Address>, Vec<Address>), Error> {
    let value = |name| message.headers.value(name).unwrap_or_default();
    let mailbox = session.mailbox();
    let is_mine = |address: &Address| mailbox.is_mine(address);
    let sender = Address::parse(value("From"))?;
    // An answer to what I sent goes on to those whom I sent it to.
    let to = if is_mine(&sender) && !value("To").is_empty() { Address::parse_list(value("To"))? } else { vec![sender] };
    let mut cc = Vec::new();
    if all {
        for address in Address::parse_list(value("To"))?.into_iter().chain(Address::parse_list(value("Cc"))?) {
            if !is_mine(&address) && !to.iter().chain(&cc).any(|known: &Address| known.same_as(&address)) {
                cc.push(address);
            }
        }
    }
    Ok((to, cc))
}

async fn compose_and_deliver(session: &Session, send: Send, in_reply_to: Option<MessageId>) -> Result<Sent, Error> {
    let size = send.attachments.iter().fold(send.body.len(), |sum, attachment| sum + attachment.bytes.len());
    if size as u64 > FILE_LIMIT {
        return Err(Error::MessageTooLarge { size, limit: FILE_LIMIT });
    }
    let identity = session.identity().await?;
    // What is signed leaves this machine: the key must not be lost after it, whoever made it.
    session.cx.make_durable(&session.home.identity_key()).await?;
    let random = text::hex(&session.cx.random::<8>().await?);
    let now = session.cx.now();
    let from = session.address();
    let to = list(&send.to);
    let id = MessageId::generate(from.as_str(), &to, &send.subject, &now.local_iso(), &random);

    let mut names = UniqueNames::new();
    let attachments: Vec<(String, Vec<u8>)> = send
        .attachments
        .into_iter()
        .map(|attachment| (names.add(&attachment.name).as_str().to_owned(), attachment.bytes))
        .collect();
    let signed = SignedHeaders {
        from: from.clone(),
        to: send.to.clone(),
        cc: send.cc.clone(),
        subject: text::strip(&send.subject).to_owned(),
        date: now.local_text(),
        message_id: Some(id.clone()),
        in_reply_to,
        attachments: attachments.iter().map(|(name, bytes)| signed_attachment(name, bytes)).collect(),
    };
    let body = envelope::seal_version2(&identity, &signed, &send.body)?;
    let cc = list(&send.cc);
    let message = Message::compose(&Draft {
        from: from.as_str(),
        to: &to,
        cc: Some(&cc),
        subject: &signed.subject,
        date: &signed.date,
        message_id: id.as_str(),
        in_reply_to: signed.in_reply_to.as_ref().map(MessageId::as_str),
        attachments: attachments.iter().map(|(name, _)| name.as_str()).collect(),
        body: &body,
    })?;

    let mailbox = session.mailbox();
    let queued = outbox::enqueue(&mailbox, &id, &message, attachments).await?;
    let delivery = outbox::deliver(&mailbox, queued).await?;
    index::refresh_day_index(session, session.today()).await?;
    let place = session.home.message(session.today(), delivery.folder, &id);
    Ok(Sent { id, subject: signed.subject, path: session.shown(&place), delivery })
}

fn signed_attachment(name: &str, bytes: &[u8]) -> SignedAttachment {
    SignedAttachment { sha256: Sha256::digest(bytes).into(), size: bytes.len() as u64, name: name.to_owned() }
}

fn list(addresses: &[Address]) -> String {
    addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(", ")
}

impl Sent {
    /// 1 when a recipient will not get it, 0 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(self.delivery.has_failed())
    }
}
