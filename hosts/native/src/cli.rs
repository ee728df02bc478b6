//! The `azall` command on this machine, which can also serve, and run an agent beside its relay.

use std::ffi::OsString;
use std::io;

use azall_core::cli::{Exit, Invocation};
use azall_core::command::Error;
use azall_core::engine::event::Event;
use azall_core::engine::op::Op;
use azall_files::cli::{ConfigPlace, Machine};
use azall_files::roots::Roots;

use crate::drive::drive;
use crate::host::Host;
use crate::http::HttpOptions;
use crate::interrupt::Interrupt;
use crate::{sandbox, server, up};

/// Runs one command line and gives its exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    azall_files::cli::run::<Native>(arguments)
}

/// Runs commands on this machine.
pub(crate) type Runner = azall_files::cli::Runner<Native>;

/// This machine, whose signals end operations.
pub(crate) struct Native {
    interrupt: Interrupt,
}

impl Machine for Native {
    fn start() -> io::Result<Self> {
        Ok(Self { interrupt: Interrupt::on_signals()? })
    }

    fn drive<T>(&self, op: &mut Op<T, Error>, roots: Roots, on_event: impl FnMut(Event)) -> Result<T, Error> {
        drive(op, &Host::new(roots, HttpOptions::from_env(), self.interrupt.clone()), on_event)
    }

    fn other(invocation: &Invocation) -> Result<Option<u8>, Exit> {
        if let Some(task) = invocation.server_task()? {
            let place = ConfigPlace::of(invocation)?;
            let served = server::run(task, place.folder(), invocation.verbose, invocation.json);
            return served.map(|()| Some(0)).map_err(|why| place.failed(&why));
        }
        if let Some(words) = invocation.sandbox() {
            return sandbox::run(words).map(Some).map_err(|why| Exit::failure(1, &why, invocation.json, false));
        }
        match invocation.up()? {
            Some(up) => up::run(&up, &Runner::of(invocation)?).map(Some),
            None => Ok(None),
        }
    }
}
