//! The mailbox's commands: one `async fn` per command, one file per family. A command gets its arguments as a value,
//! asks the host through its [`Session`](session::Session) and gives an [`Outcome`].
//!
//! A family's file holds, top-down: the arguments (`struct`s that hold only checked values), the outcome (what `--json` shows, field by
//! field), the error if it has its own, the command.

pub mod daemon;
pub mod error;
pub mod inbox;
pub mod mail;
pub mod outcome;
pub mod read;
pub mod search;
pub mod send;
pub mod session;

pub use error::Error;
pub use outcome::Outcome;
use session::{Context, Session};

use crate::engine::op::Op;

/// Makes the enum of commands, and how each is run.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($arguments:ty) => $run:path;)*) => {
        /// A command with its arguments.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum Command {
            $($(#[$doc])* $name($arguments),)*
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
    /// `daemon`
    Daemon(daemon::Daemon) => daemon::daemon;
    /// `held`
    Held(read::Held) => read::held;
    /// `inbox`
    Inbox(inbox::Inbox) => inbox::inbox;
    /// `read`
    Read(read::Read) => read::read;
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
        run(command, &mut session).await
    })
}
