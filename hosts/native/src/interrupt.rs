//! The wish to stop, as SIGTERM and SIGINT tell it.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// The exit code of a process ended by SIGINT, as shells count.
const EXIT_INTERRUPTED: i32 = 130;

/// A wish to stop, shared by whoever may have it and whoever obeys. Once raised it stays raised.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    raised: Arc<AtomicBool>,
    /// Readable once the wish is there; never read, so that everybody who waits sees it.
    seen: UnixStream,
    raise: UnixStream,
}

impl Interrupt {
    /// A wish that only [`raise`](Self::raise) makes.
    ///
    /// # Errors
    /// The system's, when it has no more file descriptors.
    pub fn new() -> io::Result<Self> {
        let (seen, raise) = UnixStream::pair()?;
        Ok(Self(Arc::new(Shared { raised: Arc::default(), seen, raise })))
    }

    /// A wish that SIGTERM and SIGINT make. A SIGINT after that ends the process at once, with exit code 130: every
    /// write is complete or not there, so nothing is lost.
    ///
    /// # Errors
    /// The system's, when it takes no handler.
    pub fn on_signals() -> io::Result<Self> {
        let interrupt = Self::new()?;
        // Handlers run in the order in which they were set: the first SIGINT finds the flag unset.
        flag::register_conditional_shutdown(SIGINT, EXIT_INTERRUPTED, Arc::clone(&interrupt.0.raised))?;
        for signal in [SIGTERM, SIGINT] {
            flag::register(signal, Arc::clone(&interrupt.0.raised))?;
            low_level::pipe::register(signal, interrupt.0.raise.try_clone()?)?;
        }
        Ok(interrupt)
    }

    /// Asks to stop.
    pub fn raise(&self) {
        if !self.0.raised.swap(true, Ordering::SeqCst) {
            // One byte always fits; and if it did not, the socket would be readable already.
            let _ = (&self.0.raise).write(&[0]);
        }
    }

    /// Whether to stop.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// What to wait for: readable once raised.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.seen.as_fd()
    }
}
