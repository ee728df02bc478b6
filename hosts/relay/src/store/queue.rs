//! What waits for the writer.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Work in the order in which it came. Any number of threads push, one takes.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
    /// Whether the taker sleeps, and so must be woken.
    is_idle: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let state = State { waiting: VecDeque::new(), is_closed: false, is_idle: false };
        Self { state: Mutex::new(state), arrived: Condvar::new() }
    }
}

impl<T> Queue<T> {
    /// Adds something; gives it back when the queue is closed.
    pub(crate) fn push(&self, work: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(work);
        }
        state.waiting.push_back(work);
        let must_wake = std::mem::take(&mut state.is_idle);
        drop(state);
        if must_wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Nothing more is taken in; what waits is still done.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.arrived.notify_all();
    }

    /// Moves all that waits to the end of `work`, and waits for something, for a while, when `work` is still empty then.
    /// False when the queue is closed and nothing is left.
    pub(crate) fn take(&self, work: &mut VecDeque<T>, patience: Duration) -> bool {
        let mut state = self.state.lock();
        if work.is_empty() && state.waiting.is_empty() && !state.is_closed {
            state.is_idle = true;
            self.arrived.wait_for(&mut state, patience);
            state.is_idle = false;
        }
        if work.is_empty() {
            std::mem::swap(work, &mut state.waiting);
        } else {
            work.append(&mut state.waiting);
        }
        !(state.is_closed && work.is_empty())
    }
}
