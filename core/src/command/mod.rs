//! The mailbox's commands: one `async fn` per command, one file per family. A command gets its arguments as a value,
//! asks the host through its [`Session`] and gives an [`Outcome`].
//!
//! A family's file holds, top-down: the arguments (`struct`s that hold only checked values), the outcome (what `--json` shows, field by
//! field), the error if it has its own, the command.

pub mod daemon;
pub mod error;
pub mod export;
pub mod filter;
pub mod health;
pub mod identity;
pub mod inbox;
pub mod index;
pub mod keys;
pub mod mail;
pub mod memory;
pub mod notes;
pub mod outcome;
pub mod overview;
pub mod read;
pub mod relays;
pub mod scripts;
pub mod search;
pub mod send;
pub mod session;
pub mod start;
pub mod texts;
pub mod trust;

pub use error::Error;
pub use outcome::Outcome;
use serde::de::DeserializeOwned;
use session::{Context, Session};

use crate::engine::op::Op;

/// Gives a command's arguments, whatever they are written in.
pub trait ReadArguments {
    /// Why it cannot.
    type Error;

    /// Reads them.
    ///
    /// # Errors
    /// When they are not what they must be.
    fn read<T: DeserializeOwned>(self) -> Result<T, Self::Error>;
}

/// Whether a name in kebab case is that of a variant.
fn is_called(name: &str, variant: &str) -> bool {
    if name == variant {
        return true;
    }
    let mut letters = name.bytes();
    let mut same = |wanted: u8| letters.next() == Some(wanted);
    let fits = variant.bytes().enumerate().all(|(at, letter)| {
        let divides = at > 0 && letter.is_ascii_uppercase();
        (!divides || same(b'-')) && same(letter.to_ascii_lowercase())
    });
    fits && letters.next().is_none()
}

/// Makes the enum of commands, and how each is run.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($arguments:ty) => $run:path;)*) => {
        /// A command with its arguments.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum Command {
            $($(#[$doc])* $name($arguments),)*
        }

        impl Command {
            /// Reads the arguments of the command of this name, written like this or in kebab case; `None` when there is no such
            /// command.
            ///
            /// # Errors
            /// The reader's.
            pub fn read<R: ReadArguments>(name: &str, reader: R) -> Option<Result<Self, R::Error>> {
                $(if is_called(name, stringify!($name)) {
                    return Some(reader.read::<$arguments>().map(Self::$name));
                })*
                None
            }
        }

        $(impl From<$arguments> for Command {
            fn from(arguments: $arguments) -> Self { Self::$name(arguments) }
        })*

        async fn run(command: Command, session: &mut Session) -> Result<Outcome, Error> {
            match command {
                $(Command::$name(arguments) => Box::pin($run(session, arguments)).await.map(Outcome::from),)*
            }
        }
    };
}

commands! {
    /// `prompt` and `onboard`
    Guide(start::Guide) => start::guide;
    /// `quickstart`
    Quickstart(start::Quickstart) => start::quickstart;
    /// `setup`
    Setup(start::Setup) => start::setup;
    /// `startup`
    Startup(start::Startup) => start::startup;
    /// `address`
    Address(identity::ShowAddress) => identity::address;
    /// `doing`
    Doing(identity::Doing) => identity::doing;
    /// `whoami`
    Whoami(identity::Whoami) => identity::whoami;
    /// `dates`
    Dates(overview::Dates) => overview::dates;
    /// `directory`
    Directory(overview::Directory) => overview::directory;
    /// `tree`
    Tree(overview::Tree) => overview::tree;
    /// `recall`
    Recall(memory::Recall) => memory::recall;
    /// `remember`
    Remember(memory::Remember) => memory::remember;
    /// `note`
    Note(notes::Note) => notes::note;
    /// `notes`
    Notes(notes::Notes) => notes::notes;
    /// `daemon`
    Daemon(daemon::Daemon) => daemon::daemon;
    /// `crypto-identity`
    CryptoIdentity(keys::CryptoIdentity) => keys::crypto_identity;
    /// `doctor`
    Doctor(health::Doctor) => health::doctor;
    /// `export`
    Export(export::Export) => export::export;
    /// `import`
    Import(export::Import) => export::import;
    /// `skill` and `tool`
    Scripts(scripts::ScriptCommand) => scripts::scripts;
    /// `filter`
    Filter(filter::FilterCommand) => filter::filter;
    /// `index`
    Index(index::Index) => index::index;
    /// `keyring`
    Keyring(keys::KeyringCommand) => keys::keyring;
    /// `sign`
    Sign(keys::Sign) => keys::sign;
    /// `verify`
    Verify(keys::Verify) => keys::verify;
    /// `trust-gen`
    TrustGen(trust::TrustGen) => trust::generate;
    /// `trust-verify`
    TrustVerify(trust::TrustVerify) => trust::verify;
    /// `trust-bind`
    TrustBind(trust::TrustBind) => trust::bind_by_token;
    /// `trust-bind-local`
    TrustBindLocal(trust::TrustBindLocal) => trust::bind_locally;
    /// `trust-bind-all`
    TrustBindAll(trust::TrustBindAll) => trust::bind_all;
    /// `trust-status`
    TrustStatus(trust::TrustStatus) => trust::status;
    /// `trust-revoke`
    TrustRevoke(trust::TrustRevoke) => trust::revoke;
    /// `held`
    Held(read::Held) => read::held;
    /// `inbox`
    Inbox(inbox::Inbox) => inbox::inbox;
    /// `read`
    Read(read::Read) => read::read;
    /// `register`
    Register(relays::Register) => relays::register;
    /// `relay`
    Relay(relays::RelayCommand) => relays::relay;
    /// `status`
    Status(health::Status) => health::status;
    /// `reply`
    Reply(send::Reply) => send::reply;
    /// `search`
    Search(search::Search) => search::search;
    /// `send`
    Send(send::Send) => send::send;
}

/// A command as an operation.
#[must_use]
pub fn start(command: Command, context: Context) -> Op<Outcome, Error> {
    Op::start(move |cx| async move {
        let mut session = Session::new(cx, context);
        let outcome = run(command, &mut session).await;
        outcome.map_err(|error| session.located(error))
    })
}
