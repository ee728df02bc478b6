//! The host: everything that answers effects on this machine.

use std::sync::Arc;

use azall_core::engine::effect::{Answer, Effect, WriteAtomic};
use azall_files::commit;
use azall_files::roots::Roots;
use azall_files::script::Script;

use crate::http::{HttpClient, HttpOptions};
use crate::interrupt::Interrupt;
use crate::{facts, sandbox};

/// Answers effects over the file system, the network and the processes of this machine. Making one reads nothing and
/// starts nothing; clones share their connections.
#[derive(Clone, Debug)]
pub struct Host(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    roots: Roots,
    http: HttpClient,
    interrupt: Interrupt,
}

impl Host {
    /// A host for the mailboxes below these roots, which stops operations when `interrupt` is raised.
    #[must_use]
    pub fn new(roots: Roots, http: HttpOptions, interrupt: Interrupt) -> Self {
        Self(Arc::new(Parts { roots, http: HttpClient::new(http), interrupt }))
    }

    /// The wish to stop that this host obeys.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.0.interrupt
    }

    /// Does what an effect asks, on this thread, and answers when it is done.
    #[must_use]
    pub fn answer(&self, effect: &Effect) -> Answer {
        let Parts { roots, http, interrupt } = &*self.0;
        match effect {
            Effect::HostFacts(_) => Answer::HostFacts(Ok(facts::facts())),
            Effect::Http(effect) => Answer::Http(http.send(effect)),
            Effect::RunScript(effect) => {
                let script = Script::start(roots, effect, &sandbox::program());
                Answer::RunScript(script.and_then(|script| script.finish(|| interrupt.is_raised())))
            }
            other => azall_files::host::answer(roots, other),
        }
    }

    /// Does several writes as one commit; the answers are in their order.
    #[must_use]
    pub fn commit(&self, writes: &[WriteAtomic]) -> Vec<Answer> {
        commit::commit(&self.0.roots, writes).into_iter().map(Answer::WriteAtomic).collect()
    }
}
