//! The mixes: what is asked of a relay in a run.

use std::fmt::Write;

use bytes::Bytes;
use hyper::header::HeaderValue;
use memchr::memmem;
use serde::Deserialize;

use crate::account::Account;
use crate::connection::{Answer, Call, Connection};
use crate::drive::{Mix, Tally};
use crate::error::Result;

/// Messages in a batch.
pub const BATCH: u64 = 100;

/// Different batches that are sent in turn.
const BATCHES: usize = 64;

/// A step through the recipients that has nothing in common with how many there are: neighbours in time are strangers.
const STRIDE: u64 = 7919;

/// A payload of this size.
#[must_use]
pub fn payload(bytes: usize) -> String {
    const TEXT: &str = "A message between agents, as long as it has to be. ";
    TEXT.chars().cycle().take(bytes).collect()
}

fn pick<T>(items: &[T], serial: u64) -> Option<&T> {
    let count = u64::try_from(items.len()).ok()?;
    items.get(usize::try_from(serial.checked_rem(count)?).ok()?)
}

fn authorizations(accounts: &[Account]) -> Vec<HeaderValue> {
    accounts.iter().map(|account| account.authorization.clone()).collect()
}

async fn counted(connection: &mut Connection, call: &Call, statuses: &Tally) -> Result<Answer> {
    let answer = connection.call(call).await?;
    statuses.count(answer.status);
    Ok(answer)
}

/// `POST /send`, one message a request, to one recipient after the other.
#[derive(Clone, Debug)]
pub struct Send {
    call: Call,
    senders: Vec<HeaderValue>,
    bodies: Vec<Bytes>,
}

impl Send {
    /// From these accounts to these names.
    ///
    /// # Errors
    /// None that this path gives.
    pub fn new<'a>(senders: &[Account], to: impl IntoIterator<Item = &'a str>, bytes: usize) -> Result<Self> {
        let payload = payload(bytes);
        let body = |to: &str| Bytes::from(format!(r#"{{"to":"{to}","payload":"{payload}"}}"#));
        Ok(Self {
            call: Call::post("/send", Bytes::new())?,
            senders: authorizations(senders),
            bodies: to.into_iter().map(body).collect(),
        })
    }
}

impl Mix for Send {
    async fn transact(&self, connection: &mut Connection, serial: u64, statuses: &Tally) -> Result<u64> {
        let (Some(sender), Some(body)) = (pick(&self.senders, serial), pick(&self.bodies, serial * STRIDE)) else {
            return Ok(0);
        };
        let answer = counted(connection, &self.call.with(body).by(sender), statuses).await?;
        Ok(u64::from(answer.status == 200))
    }
}

/// `POST /v2/messages`, a hundred messages a request, each to another recipient.
#[derive(Clone, Debug)]
pub struct Batch {
    call: Call,
    senders: Vec<HeaderValue>,
    bodies: Vec<Bytes>,
}

impl Batch {
    /// From these accounts to these names.
    ///
    /// # Errors
    /// None that this path gives.
    pub fn new(senders: &[Account], to: &[&str], bytes: usize) -> Result<Self> {
        let payload = payload(bytes);
        let mut serial = 0;
        let mut bodies = Vec::new();
        for _ in 0..BATCHES {
            let mut body = String::from(r#"{"messages":["#);
            for at in 0..BATCH {
                let comma = if at > 0 { "," } else { "" };
                let to = pick(to, serial * STRIDE).copied().unwrap_or_default();
                // Writing to a string cannot fail.
                let _ = write!(body, r#"{comma}{{"to":["{to}"],"payload":"{payload}"}}"#);
                serial += 1;
            }
            body.push_str("]}");
            bodies.push(Bytes::from(body));
        }
        Ok(Self { call: Call::post("/v2/messages", Bytes::new())?, senders: authorizations(senders), bodies })
    }
}

impl Mix for Batch {
    async fn transact(&self, connection: &mut Connection, serial: u64, statuses: &Tally) -> Result<u64> {
        let (Some(sender), Some(body)) = (pick(&self.senders, serial), pick(&self.bodies, serial)) else {
            return Ok(0);
        };
        let answer = counted(connection, &self.call.with(body).by(sender), statuses).await?;
        if answer.status != 200 {
            return Ok(0);
        }
        let refused = memmem::find_iter(&answer.body, b"\"refused\"").count() as u64;
        if refused > 0 {
            statuses.refuse(refused);
        }
        Ok(BATCH - refused.min(BATCH))
    }
}

/// `POST /send`, then `GET /messages` by the recipient: each account to itself, so that no two transactions meet.
#[derive(Clone, Debug)]
pub struct SendReceive {
    send: Call,
    receive: Call,
    accounts: Vec<HeaderValue>,
    bodies: Vec<Bytes>,
}

#[derive(Deserialize)]
struct Received {
    count: u64,
}

impl SendReceive {
    /// Of these accounts, which must be more than the connections.
    ///
    /// # Errors
    /// None that these paths give.
    pub fn new(accounts: &[Account], bytes: usize) -> Result<Self> {
        let Send { call, senders, bodies } = Send::new(accounts, accounts.iter().map(|one| one.name.as_str()), bytes)?;
        Ok(Self { send: call, receive: Call::get("/messages")?, accounts: senders, bodies })
    }
}

impl Mix for SendReceive {
    async fn transact(&self, connection: &mut Connection, serial: u64, statuses: &Tally) -> Result<u64> {
        let (Some(account), Some(body)) = (pick(&self.accounts, serial), pick(&self.bodies, serial)) else {
            return Ok(0);
        };
        counted(connection, &self.send.with(body).by(account), statuses).await?;
        let receive = self.receive.clone().by(account);
        let answer = counted(connection, &receive, statuses).await?;
        if answer.status != 200 {
            return Ok(0);
        }
        answer.json(&receive, 200).map(|received: Received| received.count)
    }
}

/// `POST /v2/messages` of one message, `GET /v2/messages` and `POST /v2/ack` by the recipient.
#[derive(Clone, Debug)]
pub struct SendPageAck {
    send: Call,
    page: Call,
    ack: Call,
    accounts: Vec<HeaderValue>,
    bodies: Vec<Bytes>,
}

/// A page of version 2, as far as a run looks at it.
#[derive(Clone, Debug, Deserialize)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Paged>,
    /// Where to go on.
    pub next: String,
}

/// A message of a [`Page`].
#[derive(Clone, Debug, Deserialize)]
pub struct Paged {
    /// Its place in the inbox.
    pub cursor: String,
    /// What was sent.
    pub payload: String,
}

/// The body of `POST /v2/ack` for these messages.
#[must_use]
pub fn ack_body(messages: &[Paged]) -> String {
    let cursors: Vec<_> = messages.iter().map(|message| format!("\"{}\"", message.cursor)).collect();
    format!(r#"{{"cursors":[{}]}}"#, cursors.join(","))
}

impl SendPageAck {
    /// Of these accounts, each to itself; they must be more than the connections.
    ///
    /// # Errors
    /// None that these paths give.
    pub fn new(accounts: &[Account], bytes: usize) -> Result<Self> {
        let payload = payload(bytes);
        let body = |account: &Account| {
            Bytes::from(format!(r#"{{"messages":[{{"to":["{}"],"payload":"{payload}"}}]}}"#, account.name))
        };
        Ok(Self {
            send: Call::post("/v2/messages", Bytes::new())?,
            page: Call::get("/v2/messages")?,
            ack: Call::post("/v2/ack", Bytes::new())?,
            accounts: authorizations(accounts),
            bodies: accounts.iter().map(body).collect(),
        })
    }
}

impl Mix for SendPageAck {
    async fn transact(&self, connection: &mut Connection, serial: u64, statuses: &Tally) -> Result<u64> {
        let (Some(account), Some(body)) = (pick(&self.accounts, serial), pick(&self.bodies, serial)) else {
            return Ok(0);
        };
        counted(connection, &self.send.with(body).by(account), statuses).await?;
        let page = self.page.clone().by(account);
        let answer = counted(connection, &page, statuses).await?;
        if answer.status != 200 {
            return Ok(0);
        }
        let Page { messages, .. } = answer.json(&page, 200)?;
        counted(connection, &self.ack.with(&Bytes::from(ack_body(&messages))).by(account), statuses).await?;
        Ok(messages.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Account {
        Account { name: name.to_owned(), authorization: HeaderValue::from_static("Bearer t") }
    }

    #[test]
    fn a_batch_reaches_everybody_in_turn() {
        let names: Vec<String> = (0..2000).map(|number| format!("load-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let batch = Batch::new(&[account("ann")], &names, 10).unwrap();
        let mut reached = std::collections::BTreeSet::new();
        for body in &batch.bodies {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            for message in body["messages"].as_array().unwrap() {
                assert_eq!(message["payload"].as_str().unwrap().len(), 10);
                reached.insert(message["to"][0].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(reached.len(), 2000);
    }

    #[test]
    fn bodies_are_json_with_a_payload_of_the_size_asked_for() {
        let send = Send::new(&[account("ann")], ["bob"], 1024).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&send.bodies[0]).unwrap();
        assert_eq!((body["to"].as_str().unwrap(), body["payload"].as_str().unwrap().len()), ("bob", 1024));
        let acked = ack_body(&[Paged { cursor: "7".to_owned(), payload: String::new() }]);
        assert_eq!(acked, r#"{"cursors":["7"]}"#);
    }
}
