//! What a command may ask for: effects, the time, events, several things at once.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::effect::{
    Answer, Append, Ask, Entry, Facts, FileHead, HostFacts, Http, HttpAnswer, IoError, IoErrorKind, List, Random,
    ReadFile, ReadMany, Remove, Rename, RunScript, ScriptResult, WriteAtomic,
};
use super::error::Error;
use super::event::{Event, Level};
use super::lock::{Held, Turn};
use super::op::{EffectId, Shared, TimerKey};
use crate::protocol::layout::Place;
use crate::protocol::time::Now;

/// The largest file that is read whole: a message with all of a large body.
pub const FILE_LIMIT: u64 = 64 * 1024 * 1024;

/// How many writes are in flight at most. A host commits what is in flight together, so a larger number shares its
/// syncs among more files.
pub const WRITES_IN_FLIGHT: usize = 512;

/// How many other effects are in flight at most.
pub const EFFECTS_IN_FLIGHT: usize = 32;

/// A running command's door to its host. Cheap to clone.
#[derive(Clone)]
pub struct Cx {
    shared: Arc<Shared>,
}

impl Cx {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The time of the latest poll.
    #[must_use]
    pub fn now(&self) -> Now {
        self.shared.state().now()
    }

    /// Whether the host asked to stop. Loops look at it between their steps.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shared.state().cancelled
    }

    /// Tells whoever watches. The text is one line and holds no secret.
    pub fn emit(&self, level: Level, text: impl Into<String>) {
        self.shared.state().emit(Event { level, text: text.into() });
    }

    /// Asks for an effect and waits for its answer.
    ///
    /// # Errors
    /// What the host answered.
    pub async fn ask<E: Ask>(&self, effect: E) -> Result<E::Answer, IoError> {
        let id = self.shared.state().ask(effect.into());
        let answer = Pending { shared: &self.shared, id, done: false }.await;
        E::unwrap_answer(answer).unwrap_or_else(|| {
            // A host cannot bring this about: `resume` compares kinds before it takes an answer.
            Err(IoError::new(IoErrorKind::Other, "the answer is of another kind"))
        })
    }

    /// Waits for some milliseconds; a clock that is set back meanwhile makes it at most that long once more. Ends early,
    /// with `false`, when the operation is cancelled.
    pub async fn sleep_ms(&self, ms: i64) -> bool {
        let due_ms = self.now().unix_ms.saturating_add(ms);
        let mut sleep = Sleep { shared: &self.shared, due_ms, longest_ms: ms, timer: None };
        poll_fn(|context| Pin::new(&mut sleep).poll(context)).await
    }

    /// Runs futures side by side, at most `limit` at a time, and gives their outputs in order.
    pub fn all<F: Future>(&self, limit: usize, futures: impl IntoIterator<Item = F>) -> All<F> {
        let waiting: Vec<_> = futures.into_iter().map(Box::pin).enumerate().collect();
        All {
            limit: limit.max(1),
            outputs: waiting.iter().map(|_| None).collect(),
            waiting: waiting.into_iter(),
            running: Vec::new(),
        }
    }

    /// A whole file; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn read(&self, place: &Place) -> Result<Option<Vec<u8>>, Error> {
        match self.ask(ReadFile { place: place.clone(), limit: FILE_LIMIT }).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind == IoErrorKind::NotFound => Ok(None),
            Err(source) => Err(file_error("read", place, source)),
        }
    }

    /// The first bytes of many files of one folder, in the order of `names`.
    ///
    /// # Errors
    /// [`Error::File`] when the folder itself cannot be read; what is wrong with one file is in its place.
    pub async fn read_many(
        &self,
        folder: &Place,
        names: Vec<String>,
        limit: u64,
    ) -> Result<Vec<Result<FileHead, IoError>>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let effect = ReadMany { folder: folder.clone(), names, limit };
        self.ask(effect).await.map_err(|source| file_error("read the files of", folder, source))
    }

    /// The entries of a folder by name, dot files of crashed writes left out; none when there is no such folder.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn list(&self, folder: &Place) -> Result<Vec<Entry>, Error> {
        self.list_entries(folder, false).await
    }

    /// As [`Cx::list`], with sizes and times.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn list_with_meta(&self, folder: &Place) -> Result<Vec<Entry>, Error> {
        self.list_entries(folder, true).await
    }

    async fn list_entries(&self, folder: &Place, with_meta: bool) -> Result<Vec<Entry>, Error> {
        match self.ask(List { folder: folder.clone(), with_meta }).await {
            Ok(mut entries) => {
                entries.retain(|entry| !entry.name.starts_with(".tmp-"));
                sort_by_name(&mut entries);
                Ok(entries)
            }
            Err(error) if error.kind == IoErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(file_error("list", folder, source)),
        }
    }

    /// Runs `work` under a lock that was acquired: every change that it makes looks at the lock first. What else the
    /// operation does meanwhile is not concerned.
    pub(super) async fn under<F: Future>(&self, held: &Held, work: F) -> F::Output {
        self.shared.state().held.push(held.clone());
        let mut work = pin!(work);
        let output = poll_fn(|context| {
            self.shared.state().above.push(held.clone());
            let polled = work.as_mut().poll(context);
            self.shared.state().above.pop();
            polled
        })
        .await;
        self.shared.state().held.retain(|other| other != held);
        output
    }

    /// Whether the operation holds the lock at this place, in another of its parts.
    pub(super) fn holds(&self, place: &Place) -> bool {
        self.shared.state().held.iter().any(|held| held.is_at(place))
    }

    /// Looks at the locks that the change is made under, and then makes it.
    async fn change<E: Ask>(&self, action: &'static str, place: &Place, effect: E) -> Result<E::Answer, Error> {
        let above = self.shared.state().above.clone();
        for held in above {
            self.look_at(&held).await?;
        }
        self.ask(effect).await.map_err(|source| file_error(action, place, source))
    }

    /// Looks at a lock. Changes that are asked for side by side share one look, so that they still go out together and a
    /// host can commit them together.
    async fn look_at(&self, held: &Held) -> Result<(), Error> {
        loop {
            let turn = self.shared.state().looks.join(held);
            match turn {
                Turn::Told(result) => return result,
                Turn::Wait => once_more().await,
                Turn::Look => {
                    let look = Looking { shared: &self.shared, held };
                    let result = held.check(self).await;
                    drop(look);
                    self.shared.state().looks.tell(held, result.clone());
                    return result;
                }
            }
        }
    }

    /// Writes a file, complete and durable or not at all, replacing what was there.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn write(&self, place: &Place, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
        let effect = WriteAtomic { place: place.clone(), bytes: bytes.into(), private: false, exclusive: false };
        self.change("write", place, effect).await
    }

    /// As [`Cx::write`], readable by its owner alone.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn write_private(&self, place: &Place, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
        let effect = WriteAtomic { place: place.clone(), bytes: bytes.into(), private: true, exclusive: false };
        self.change("write", place, effect).await
    }

    /// Makes a new file; `false` when it is there already.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn create(&self, place: &Place, bytes: impl Into<Vec<u8>>, private: bool) -> Result<bool, Error> {
        let effect = WriteAtomic { place: place.clone(), bytes: bytes.into(), private, exclusive: true };
        match self.change("write", place, effect).await {
            Ok(()) => Ok(true),
            Err(error) if error.io_kind() == Some(IoErrorKind::AlreadyExists) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Adds to the end of a file.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn append(&self, place: &Place, bytes: impl Into<Vec<u8>>, private: bool) -> Result<(), Error> {
        let effect = Append { place: place.clone(), bytes: bytes.into(), private };
        self.change("append to", place, effect).await
    }

    /// Renames a file or folder, replacing a file at the target.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn rename(&self, from: &Place, to: &Place) -> Result<(), Error> {
        let effect = Rename { from: from.clone(), to: to.clone(), exclusive: false };
        self.change("rename", from, effect).await
    }

    /// Makes sure of a file that is there: its writer may have died between naming it and making the name durable. False
    /// when it is there no more.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn make_durable(&self, place: &Place) -> Result<bool, Error> {
        match self.rename(place, place).await {
            Ok(()) => Ok(true),
            Err(error) if error.io_kind() == Some(IoErrorKind::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes a file, or a folder with all that is in it; nothing when there is none.
    ///
    /// # Errors
    /// [`Error::File`].
    pub async fn remove(&self, place: &Place) -> Result<(), Error> {
        self.change("remove", place, Remove { place: place.clone() }).await
    }

    /// `N` random bytes.
    ///
    /// # Errors
    /// [`Error::Host`], also when the host gave another number of bytes.
    pub async fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        let action = "asking for randomness";
        let bytes = self.ask(Random { count: N }).await.map_err(|source| Error::Host { action, source })?;
        <[u8; N]>::try_from(bytes).map_err(|_| Error::Host {
            action,
            source: IoError::new(IoErrorKind::Other, "the host gave too few or too many bytes"),
        })
    }

    /// Facts about the machine.
    ///
    /// # Errors
    /// [`Error::Host`].
    pub async fn host_facts(&self) -> Result<Facts, Error> {
        self.ask(HostFacts)
            .await
            .map_err(|source| Error::Host { action: "asking for facts about this machine", source })
    }

    /// One HTTP call.
    ///
    /// # Errors
    /// What the host answered: no connection, no answer in time, too much of an answer.
    pub async fn http(&self, request: Http) -> Result<HttpAnswer, IoError> {
        self.ask(request).await
    }

    /// Runs a script of the mailbox.
    ///
    /// # Errors
    /// [`Error::File`] naming the script.
    pub async fn run_script(&self, request: RunScript) -> Result<ScriptResult, Error> {
        let script = request.script.clone();
        self.ask(request).await.map_err(|source| file_error("run", &script, source))
    }
}

/// Sorts a folder's entries. Of thousands of names the first bytes as a number decide nearly every comparison, and lie side by side.
fn sort_by_name(entries: &mut Vec<Entry>) {
    let first_bytes = |name: &str| {
        let mut first = [0; 16];
        first.iter_mut().zip(name.bytes()).for_each(|(place, byte)| *place = byte);
        u128::from_be_bytes(first)
    };
    let mut keyed: Vec<_> = entries.drain(..).map(|entry| (first_bytes(&entry.name), entry)).collect();
    keyed.sort_unstable_by(|(first_a, a), (first_b, b)| first_a.cmp(first_b).then_with(|| a.name.cmp(&b.name)));
    entries.extend(keyed.into_iter().map(|(_, entry)| entry));
}

/// Runs two futures side by side, and gives what both gave.
pub async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(|context| {
        if of_a.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(context)
        {
            of_a = Some(output);
        }
        if of_b.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(context)
        {
            of_b = Some(output);
        }
        match (of_a.take(), of_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (of_a, of_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// A look at a lock that is under way; one whose future is dropped is over for those who wait for it.
struct Looking<'a> {
    shared: &'a Shared,
    held: &'a Held,
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.shared.state().looks.forget(self.held);
    }
}

/// Waits until the operation is polled again.
async fn once_more() {
    let mut is_again = false;
    poll_fn(|_| if std::mem::replace(&mut is_again, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// An [`Error::File`].
#[must_use]
pub fn file_error(action: &'static str, place: &Place, source: IoError) -> Error {
    Error::File { action, place: place.clone(), source }
}

/// Several futures side by side: what [`Cx::all`] gives.
#[must_use = "futures do nothing unless they are awaited"]
pub struct All<F: Future> {
    limit: usize,
    waiting: std::vec::IntoIter<(usize, Pin<Box<F>>)>,
    running: Vec<(usize, Pin<Box<F>>)>,
    outputs: Vec<Option<F::Output>>,
}

impl<F: Future> Unpin for All<F> {}

impl<F: Future> Future for All<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let mut at = 0;
            while let Some((index, future)) = this.running.get_mut(at) {
                if let Poll::Ready(output) = future.as_mut().poll(context) {
                    if let Some(place) = this.outputs.get_mut(*index) {
                        *place = Some(output);
                    }
                    this.running.swap_remove(at);
                } else {
                    at += 1;
                }
            }
            let room = this.limit.saturating_sub(this.running.len());
            let before = this.running.len();
            this.running.extend(this.waiting.by_ref().take(room));
            if this.running.len() == before {
                return if before == 0 {
                    Poll::Ready(std::mem::take(&mut this.outputs).into_iter().flatten().collect())
                } else {
                    Poll::Pending
                };
            }
        }
    }
}

/// Waits for the answer of one effect.
struct Pending<'a> {
    shared: &'a Shared,
    id: EffectId,
    done: bool,
}

impl Future for Pending<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        let answer = self.shared.state().take_answer(self.id);
        match answer {
            Some(answer) => {
                self.done = true;
                Poll::Ready(answer)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.shared.state().abandon(self.id);
        }
    }
}

/// Waits for a moment.
struct Sleep<'a> {
    shared: &'a Shared,
    due_ms: i64,
    /// The most that is left to wait, whatever the clock does.
    longest_ms: i64,
    timer: Option<TimerKey>,
}

impl Future for Sleep<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.shared.state();
        if state.cancelled {
            return Poll::Ready(false);
        }
        let now_ms = state.now().unix_ms;
        if now_ms >= self.due_ms {
            return Poll::Ready(true);
        }
        let due_ms = self.due_ms.min(now_ms.saturating_add(self.longest_ms));
        // A clock that was set back may have dropped the timer early: wait again.
        if let Some(old) = self.timer {
            state.remove_timer(old);
        }
        let timer = state.add_timer(due_ms);
        drop(state);
        self.due_ms = due_ms;
        self.timer = Some(timer);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.shared.state().remove_timer(timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::effect::EntryKind;
    use super::*;

    #[test]
    fn entries_are_sorted_as_their_names_are() {
        let mut names =
            vec!["b", "aaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa", "é", "a", "ab", "Z", "0123.txt"];
        let entry = |name: &&str| Entry { name: (*name).to_owned(), kind: EntryKind::File, size: 0, modified_ms: 0 };
        let mut entries: Vec<_> = names.iter().map(entry).collect();
        sort_by_name(&mut entries);
        names.sort_unstable();
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), names);
    }
}
