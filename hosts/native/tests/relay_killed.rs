//! The relay's process, killed again and again while clients of both versions send and receive: what was acknowledged is there
//! afterwards, once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![allow(missing_docs)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use azall_load::account::{Account, register_many};
use azall_load::connection::{Answer, Call, Connection};
use azall_load::server::{Server, free_address};
use azall_sim::random::Random;
use serde::Deserialize;
use tokio::task::LocalSet;

/// How often the relay is killed.
const KILLS: usize = 50;

/// Accounts: the first are read by version 1, the next by version 2, the last by nobody until the end.
const ACCOUNTS: usize = 12;

/// How long a relay may take until it answers.
const START: Duration = Duration::from_secs(60);

/// The longest that a relay lives, in milliseconds.
const LONGEST_LIFE: u64 = 500;

/// A message as a client has it.
#[derive(Clone, Debug, Deserialize)]
struct Message {
    id: String,
    #[serde(default)]
    cursor: String,
    payload: String,
}

impl Message {
    /// What tells it apart, whatever the relay calls it.
    fn marker(&self) -> u64 {
        self.payload.split(' ').next().unwrap().parse().unwrap()
    }
}

#[derive(Deserialize)]
struct Messages {
    messages: Vec<Message>,
}

/// A batch of version 2 whose answer has not come: it is sent again, with the same keys, until one comes.
#[derive(Clone)]
struct Batch {
    body: String,
    copies: Vec<(u64, usize)>,
}

/// What the clients know.
struct Ledger {
    random: Random,
    round: usize,
    serial: u64,
    /// Every message that was answered with success, and to whom it went.
    acknowledged: BTreeSet<(u64, usize)>,
    /// The batch that each sender of version 2 waits for.
    pending: BTreeMap<usize, Batch>,
    /// The ids under which each message came to an account.
    ids: BTreeMap<(u64, usize), BTreeSet<String>>,
    /// The round in which version 1 was last given an id.
    handed_out: BTreeMap<String, usize>,
    /// The rounds in which version 1 fetched anything for an account.
    fetched_in: BTreeMap<usize, BTreeSet<usize>>,
    /// Ids that version 2 was shown.
    seen: BTreeSet<String>,
    /// Ids whose deletion was asked for, and those of them for which the answer came.
    deleting: BTreeSet<String>,
    deleted: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Ledger {
    fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            round: 0,
            serial: 0,
            acknowledged: BTreeSet::new(),
            pending: BTreeMap::new(),
            ids: BTreeMap::new(),
            handed_out: BTreeMap::new(),
            fetched_in: BTreeMap::new(),
            seen: BTreeSet::new(),
            deleting: BTreeSet::new(),
            deleted: BTreeSet::new(),
            wrong: Vec::new(),
        }
    }

    /// A payload with a marker of its own.
    fn payload(&mut self) -> (u64, String) {
        self.serial += 1;
        (self.serial, format!("{} {}", self.serial, "x".repeat(self.random.below(3000))))
    }

    fn came(&mut self, account: usize, message: &Message) {
        self.ids.entry((message.marker(), account)).or_default().insert(message.id.clone());
    }

    /// Version 1 was given a whole answer. It may be given a message again only if the relay was killed after it had handed it
    /// out, and then as soon as it is asked.
    fn was_handed(&mut self, account: usize, messages: &[Message]) {
        let rounds = self.fetched_in.entry(account).or_default();
        rounds.insert(self.round);
        let rounds = rounds.clone();
        for message in messages {
            self.came(account, message);
            let Some(before) = self.handed_out.insert(message.id.clone(), self.round) else { continue };
            if before == self.round || rounds.range(before + 1..self.round).next().is_some() {
                self.wrong.push(format!("{} was handed out in round {before} and in {}", message.id, self.round));
            }
        }
    }

    /// Version 2 was shown a page. What was deleted for sure must not be in it.
    fn was_shown(&mut self, account: usize, messages: &[Message]) {
        for message in messages {
            self.came(account, message);
            self.seen.insert(message.id.clone());
            if self.deleted.contains(&message.id) {
                self.wrong.push(format!("{} is there although it was deleted", message.id));
            }
        }
    }

    /// What is left at the end, in all accounts.
    fn judge(&mut self, left: &BTreeSet<String>) {
        for copy @ (marker, account) in &self.acknowledged {
            if !self.ids.contains_key(copy) {
                self.wrong.push(format!("{marker} to account {account} was acknowledged and is lost"));
            }
        }
        for ((marker, account), ids) in &self.ids {
            if ids.len() > 1 {
                self.wrong.push(format!("{marker} is there more than once at account {account}: {ids:?}"));
            }
        }
        for id in self.seen.iter().filter(|id| !self.deleting.contains(*id) && !left.contains(*id)) {
            self.wrong.push(format!("{id} was seen, not deleted, and is gone"));
        }
    }
}

/// A relay, its clients' accounts, and what they know.
struct Clients {
    accounts: Vec<Account>,
    ledger: RefCell<Ledger>,
}

/// The relay is gone.
struct Gone;

async fn ask(connection: &mut Connection, call: &Call) -> Result<Answer, Gone> {
    connection.call(call).await.map_err(|_| Gone)
}

impl Clients {
    /// One message by version 1. Unanswered, it may be there or not.
    async fn send(&self, connection: &mut Connection) -> Result<(), Gone> {
        let (call, copy) = {
            let mut ledger = self.ledger.borrow_mut();
            let (from, to) = (ledger.random.below(ACCOUNTS), ledger.random.below(ACCOUNTS));
            let (marker, payload) = ledger.payload();
            let body = format!(r#"{{"to":"{}.agenttalk","payload":"{payload}"}}"#, self.accounts[to].name);
            (Call::post("/send", body).unwrap().by(&self.accounts[from].authorization), (marker, to))
        };
        let answer = ask(connection, &call).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.ledger.borrow_mut().acknowledged.insert(copy);
        Ok(())
    }

    /// A batch by version 2, or the one again that was not answered.
    async fn send_batch(&self, connection: &mut Connection, sender: usize) -> Result<(), Gone> {
        let batch = self.ledger.borrow().pending.get(&sender).cloned();
        let batch = batch.unwrap_or_else(|| self.new_batch(sender));
        let call = Call::post("/v2/messages", batch.body.clone()).unwrap().by(&self.accounts[sender].authorization);
        let answer = ask(connection, &call).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
        let sent = String::from_utf8_lossy(&answer.body).matches(r#""sent""#).count();
        assert_eq!(sent, batch.copies.len(), "{answer:?}");
        let mut ledger = self.ledger.borrow_mut();
        ledger.acknowledged.extend(batch.copies);
        ledger.pending.remove(&sender);
        Ok(())
    }

    fn new_batch(&self, sender: usize) -> Batch {
        let mut ledger = self.ledger.borrow_mut();
        let (mut messages, mut copies) = (Vec::new(), Vec::new());
        for _ in 0..=ledger.random.below(20) {
            let (marker, payload) = ledger.payload();
            let first = ledger.random.below(ACCOUNTS);
            let second = (first + 1 + ledger.random.below(ACCOUNTS - 1)) % ACCOUNTS;
            let to: Vec<String> = [first, second].map(|to| format!("\"{}.agenttalk\"", self.accounts[to].name)).into();
            messages
                .push(format!(r#"{{"to":[{}],"payload":"{payload}","idempotency_key":"key-{marker}"}}"#, to.join(",")));
            copies.extend([(marker, first), (marker, second)]);
        }
        let batch = Batch { body: format!(r#"{{"messages":[{}]}}"#, messages.join(",")), copies };
        ledger.pending.insert(sender, batch.clone());
        batch
    }

    /// What waits for an account, by version 1, which deletes it.
    async fn fetch(&self, connection: &mut Connection, account: usize) -> Result<(), Gone> {
        let call = Call::get("/messages").unwrap().by(&self.accounts[account].authorization);
        let answer = ask(connection, &call).await?;
        let Messages { messages } = answer.json(&call, 200).unwrap();
        self.ledger.borrow_mut().was_handed(account, &messages);
        Ok(())
    }

    /// A page by version 2, and often its deletion. Gives what was on it.
    async fn page(&self, connection: &mut Connection, account: usize, delete: bool) -> Result<Vec<Message>, Gone> {
        let limit = 1 + self.ledger.borrow_mut().random.below(200);
        let call = Call::get(&format!("/v2/messages?limit={limit}")).unwrap();
        let call = call.by(&self.accounts[account].authorization);
        let answer = ask(connection, &call).await?;
        let Messages { messages } = answer.json(&call, 200).unwrap();
        self.ledger.borrow_mut().was_shown(account, &messages);
        if delete {
            let ids = || messages.iter().map(|message| message.id.clone());
            self.ledger.borrow_mut().deleting.extend(ids());
            let cursors: Vec<_> = messages.iter().map(|message| format!("\"{}\"", message.cursor)).collect();
            let ack = Call::post("/v2/ack", format!(r#"{{"cursors":[{}]}}"#, cursors.join(","))).unwrap();
            let answer = ask(connection, &ack.by(&self.accounts[account].authorization)).await?;
            assert_eq!(answer.status, 200, "{answer:?}");
            self.ledger.borrow_mut().deleted.extend(ids());
        }
        Ok(messages)
    }

    /// One client, until the relay is gone.
    async fn live(&self, address: SocketAddr, number: usize) {
        let mut connection = Connection::to(address);
        loop {
            let result = match number {
                0..3 => self.send(&mut connection).await,
                3..6 => self.send_batch(&mut connection, number).await,
                6..8 => self.fetch(&mut connection, number - 6).await,
                8..10 => {
                    let delete = self.ledger.borrow_mut().random.chance(70);
                    self.page(&mut connection, number - 6, delete).await.map(drop)
                }
                _ => return,
            };
            if result.is_err() {
                return;
            }
        }
    }

    /// Everything that waits, fetched and deleted by version 2.
    async fn collect(&self, address: SocketAddr) -> BTreeSet<String> {
        let mut left = BTreeSet::new();
        let mut connection = Connection::to(address);
        for sender in 3..6 {
            assert!(self.send_batch(&mut connection, sender).await.is_ok());
        }
        for account in 0..ACCOUNTS {
            loop {
                let Ok(messages) = self.page(&mut connection, account, true).await else { panic!("the relay is gone") };
                if messages.is_empty() {
                    break;
                }
                left.extend(messages.into_iter().map(|message| message.id));
            }
        }
        left
    }
}

async fn start(folder: &Path) -> Server {
    let address = free_address().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_azall"));
    command.args(["server", "--agenttalk", "--bind", "127.0.0.1", "--port", &address.port().to_string()]);
    command.arg("--data-dir").arg(folder.join("data")).current_dir(folder);
    // What is read by nobody until the end must have room.
    command.args(["--inbox-bytes", "1G", "--inbox-messages", "1000000"]);
    let mut server = Server::start(&mut command, address, &folder.join("log.txt")).unwrap();
    server.answers("/health", START).await.unwrap();
    server
}

async fn run(folder: &Path) -> Rc<Clients> {
    let server = start(folder).await;
    let accounts = register_many(server.address(), "agent-of-the-test", ACCOUNTS, ACCOUNTS).await.unwrap();
    server.kill().unwrap();
    let clients = Rc::new(Clients { accounts, ledger: RefCell::new(Ledger::new(40)) });
    for round in 1..=KILLS {
        clients.ledger.borrow_mut().round = round;
        let server = start(folder).await;
        let address = server.address();
        let local = LocalSet::new();
        let tasks: Vec<_> = (0..10)
            .map(|number| {
                let clients = Rc::clone(&clients);
                local.spawn_local(async move { clients.live(address, number).await })
            })
            .collect();
        let life = Duration::from_millis(clients.ledger.borrow_mut().random.number() % LONGEST_LIFE);
        local
            .run_until(async {
                tokio::time::sleep(life).await;
                server.kill().unwrap();
                for task in tasks {
                    task.await.unwrap();
                }
            })
            .await;
    }
    let server = start(folder).await;
    clients.ledger.borrow_mut().round = KILLS + 1;
    let left = clients.collect(server.address()).await;
    clients.ledger.borrow_mut().judge(&left);
    assert!(server.stop().await.unwrap().success());
    clients
}

#[test]
fn killed_under_load_the_relay_keeps_what_it_acknowledged_once() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let clients = runtime.block_on(run(folder.path()));
    let ledger = clients.ledger.borrow();
    println!(
        "{KILLS} killed; {} messages, of which {} copies were acknowledged",
        ledger.serial,
        ledger.acknowledged.len()
    );
    assert!(ledger.acknowledged.len() > 100 && !ledger.handed_out.is_empty() && !ledger.deleted.is_empty());
    assert!(ledger.wrong.is_empty(), "{}:\n{}", folder.keep().display(), ledger.wrong.join("\n"));
}
