//! A running command: polled and resumed by its host.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::cx::Cx;
use super::effect::{Answer, Effect};
use super::error::{Error, ResumeError};
use super::event::Event;
use super::lock::{Held, Looks};
use crate::protocol::time::Now;

/// Names one effect of one operation. The generation makes an id stale once its effect was answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct EffectId {
    slot: u32,
    generation: u32,
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

impl fmt::Debug for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an operation wants next.
#[derive(Debug)]
pub enum Output<T, E> {
    /// Start this effect and, when it is done, resume the operation with its answer.
    Effect(EffectId, Effect),
    /// Progress or a notice: show it or drop it.
    Event(Event),
    /// Nothing to do until an answer, or until this moment (unix milliseconds) if there is one.
    Wait(Option<i64>),
    /// Over. Effects still in flight are of no interest any more.
    Done(Result<T, E>),
}

/// The `async fn` behind an operation.
type Running<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// One running operation: an `async fn` that owns its data, driven by hand. See the crate's documentation for the loop.
pub struct Op<T, E> {
    future: Option<Running<T, E>>,
    result: Option<Result<T, E>>,
    shared: Arc<Shared>,
    wake: Arc<NoWake>,
    waker: Waker,
    /// Whether anything happened since the future was last polled.
    stirred: bool,
}

impl<T, E: From<Error>> Op<T, E> {
    /// An operation that runs `start` with its own [`Cx`]. Nothing happens before the first poll.
    pub fn start<F>(start: impl FnOnce(Cx) -> F) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let shared = Arc::new(Shared::default());
        let wake = Arc::new(NoWake);
        Self {
            future: Some(Box::pin(start(Cx::new(Arc::clone(&shared))))),
            result: None,
            waker: Waker::from(Arc::clone(&wake)),
            wake,
            shared,
            stirred: true,
        }
    }

    /// Goes on as far as it can at this moment and says what it wants. Call it again after every output but
    /// [`Output::Wait`] (then after a resume or at the deadline) and [`Output::Done`].
    pub fn poll(&mut self, now: Now) -> Output<T, E> {
        {
            let mut state = self.shared.state();
            // A sleep that was begun by a later clock is looked at again.
            self.stirred |= state.now.is_some_and(|before| before.unix_ms > now.unix_ms) && !state.timers.is_empty();
            state.now = Some(now);
            self.stirred |= state.drop_due_timers(now.unix_ms);
        }
        loop {
            if let Some(output) = self.shared.state().next_output() {
                return output.into();
            }
            if let Some(result) = self.result.take() {
                return Output::Done(result);
            }
            let Some(future) = self.future.as_mut() else {
                return Output::Done(Err(Error::Over.into()));
            };
            if !std::mem::take(&mut self.stirred) {
                let state = self.shared.state();
                return Output::Wait(state.timers.keys().next().map(|key| key.due_ms));
            }
            self.shared.state().looks.next_poll();
            let polled = future.as_mut().poll(&mut Context::from_waker(&self.waker));
            if let Poll::Ready(result) = polled {
                self.finish(result);
            } else if Arc::strong_count(&self.wake) > 2 {
                // The operation and its waker hold one each; a third was cloned by a future that expects to be woken.
                self.finish(Err(Error::ForeignFuture.into()));
            } else if self.shared.state().is_stalled() {
                self.finish(Err(Error::Stalled.into()));
            }
        }
    }

    /// Answers an effect. The operation goes on at the next [`Op::poll`].
    ///
    /// # Errors
    /// [`ResumeError`] when no effect with this id waits, or the answer is of another kind; nothing has changed then.
    pub fn resume(&mut self, id: EffectId, answer: Answer) -> Result<(), ResumeError> {
        self.shared.state().resume(id, answer)?;
        self.stirred = true;
        Ok(())
    }

    /// Asks the operation to stop at its next safe point: effects in flight are still awaited, sleeping ends at once.
    pub fn cancel(&mut self) {
        self.shared.state().cancelled = true;
        self.stirred = true;
    }

    fn finish(&mut self, result: Result<T, E>) {
        self.future = None;
        self.result = Some(result);
        self.shared.state().effects.clear();
    }
}

impl<T, E> fmt::Debug for Op<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Op").field("running", &self.future.is_some()).finish_non_exhaustive()
    }
}

/// A waker that does nothing: the host knows when to poll. Its reference count tells whether anybody kept it.
struct NoWake;

impl Wake for NoWake {
    fn wake(self: Arc<Self>) {}
}

/// What an operation and its futures share.
#[derive(Default)]
pub(super) struct Shared(Mutex<State>);

impl Shared {
    /// Never held across an await, and never by two at once: one thread drives an operation.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(super) struct State {
    now: Option<Now>,
    events: VecDeque<Event>,
    effects: VecDeque<(EffectId, Effect)>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Effects asked for and not answered, abandoned ones not counted.
    waiting: usize,
    timers: BTreeMap<TimerKey, ()>,
    next_timer: u64,
    /// Locks that the operation holds.
    pub(super) held: Vec<Held>,
    /// Of these, the ones that the part which is being polled works under.
    pub(super) above: Vec<Held>,
    /// The looks at them.
    pub(super) looks: Looks,
    pub(super) cancelled: bool,
}

/// A deadline that a future waits for; the number keeps two with the same deadline apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerKey {
    pub(super) due_ms: i64,
    number: u64,
}

struct Slot {
    generation: u32,
    state: SlotState,
}

enum SlotState {
    Free,
    /// Asked and waiting; the name is kept to check the answer's kind after the effect was handed out.
    Waiting {
        asked: &'static str,
        handed_out: bool,
    },
    /// Its future was dropped after it was handed out: the answer will be thrown away.
    Abandoned {
        asked: &'static str,
    },
    Answered(Answer),
}

/// An output that does not end the operation.
enum Step {
    Effect(EffectId, Effect),
    Event(Event),
}

impl<T, E> From<Step> for Output<T, E> {
    fn from(step: Step) -> Self {
        match step {
            Step::Effect(id, effect) => Self::Effect(id, effect),
            Step::Event(event) => Self::Event(event),
        }
    }
}

impl State {
    pub(super) fn now(&self) -> Now {
        self.now.unwrap_or(Now::utc(0))
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Queues an effect.
    pub(super) fn ask(&mut self, effect: Effect) -> EffectId {
        let waiting = SlotState::Waiting { asked: effect.name(), handed_out: false };
        let slot = self.free.pop().unwrap_or_else(|| u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        let generation = match self.slots.get_mut(slot as usize) {
            Some(free) => {
                free.state = waiting;
                free.generation
            }
            None => {
                self.slots.push(Slot { generation: 0, state: waiting });
                0
            }
        };
        let id = EffectId { slot, generation };
        self.waiting += 1;
        self.effects.push_back((id, effect));
        id
    }

    /// The answer of an effect, once it is there.
    pub(super) fn take_answer(&mut self, id: EffectId) -> Option<Answer> {
        let slot = self.slot(id)?;
        match std::mem::replace(&mut slot.state, SlotState::Free) {
            SlotState::Answered(answer) => {
                self.release(id);
                Some(answer)
            }
            other => {
                slot.state = other;
                None
            }
        }
    }

    /// The future of an effect is gone: its answer is of no interest.
    pub(super) fn abandon(&mut self, id: EffectId) {
        let Some(slot) = self.slot(id) else { return };
        match slot.state {
            SlotState::Waiting { asked, handed_out: true } => {
                slot.state = SlotState::Abandoned { asked };
                self.waiting -= 1;
            }
            SlotState::Waiting { handed_out: false, .. } => {
                self.effects.retain(|(queued, _)| *queued != id);
                self.waiting -= 1;
                self.release(id);
            }
            SlotState::Answered(_) => self.release(id),
            SlotState::Abandoned { .. } | SlotState::Free => {}
        }
    }

    pub(super) fn add_timer(&mut self, due_ms: i64) -> TimerKey {
        let key = TimerKey { due_ms, number: self.next_timer };
        self.next_timer += 1;
        self.timers.insert(key, ());
        key
    }

    pub(super) fn remove_timer(&mut self, key: TimerKey) {
        self.timers.remove(&key);
    }

    fn drop_due_timers(&mut self, now_ms: i64) -> bool {
        let mut any = false;
        while let Some(first) = self.timers.first_entry().filter(|first| first.key().due_ms <= now_ms) {
            first.remove();
            any = true;
        }
        any
    }

    fn next_output(&mut self) -> Option<Step> {
        if let Some(event) = self.events.pop_front() {
            return Some(Step::Event(event));
        }
        let (id, effect) = self.effects.pop_front()?;
        if let Some(Slot { state: SlotState::Waiting { handed_out, .. }, .. }) = self.slot(id) {
            *handed_out = true;
        }
        Some(Step::Effect(id, effect))
    }

    fn resume(&mut self, id: EffectId, answer: Answer) -> Result<(), ResumeError> {
        let slot = self.slot(id).ok_or(ResumeError::NotWaiting(id))?;
        match slot.state {
            SlotState::Waiting { handed_out: false, .. } => Err(ResumeError::NotHandedOut(id)),
            SlotState::Waiting { asked, .. } | SlotState::Abandoned { asked } if asked != answer.name() => {
                Err(ResumeError::WrongKind { id, asked, answered: answer.name() })
            }
            SlotState::Waiting { .. } => {
                slot.state = SlotState::Answered(answer);
                self.waiting -= 1;
                Ok(())
            }
            SlotState::Abandoned { .. } => {
                self.release(id);
                Ok(())
            }
            SlotState::Answered(_) | SlotState::Free => Err(ResumeError::NotWaiting(id)),
        }
    }

    fn is_stalled(&self) -> bool {
        self.waiting == 0 && self.timers.is_empty()
    }

    fn slot(&mut self, id: EffectId) -> Option<&mut Slot> {
        self.slots.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation)
    }

    fn release(&mut self, id: EffectId) {
        if let Some(slot) = self.slot(id) {
            slot.state = SlotState::Free;
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(id.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::effect::{IoError, IoErrorKind, Random, Remove};
    use super::*;
    use crate::protocol::layout::{Place, RelPath, Root};

    const NOW: Now = Now::utc(1_000);

    fn remove(name: &str) -> Remove {
        Remove { place: Place::new(Root::Mailboxes, RelPath::parse(name).unwrap()) }
    }

    fn ask(output: Output<u32, Error>) -> (EffectId, Effect) {
        match output {
            Output::Effect(id, effect) => (id, effect),
            other => panic!("no effect but {other:?}"),
        }
    }

    #[test]
    fn answers_come_in_any_order() {
        let mut op: Op<u32, Error> = Op::start(|cx| async move {
            let sizes = cx.all(8, (1..=3).map(|count| cx.ask(Random { count }))).await;
            Ok(sizes.into_iter().map(|bytes| u32::from(bytes.unwrap()[0])).fold(0, |sum, b| sum * 10 + b))
        });
        let mut asked: Vec<_> = (0..3).map(|_| ask(op.poll(NOW)).0).collect();
        assert!(matches!(op.poll(NOW), Output::Wait(None)));
        asked.reverse();
        for (value, id) in [3, 2, 1].into_iter().zip(asked) {
            op.resume(id, Answer::Random(Ok(vec![value]))).unwrap();
        }
        assert!(matches!(op.poll(NOW), Output::Done(Ok(123))));
        assert!(matches!(op.poll(NOW), Output::Done(Err(Error::Over))));
    }

    #[test]
    fn at_most_the_limit_is_in_flight() {
        let mut op: Op<u32, Error> = Op::start(|cx| async move {
            cx.all(2, (0..5).map(|_| cx.ask(Random { count: 1 }))).await;
            Ok(0)
        });
        let (first, _) = ask(op.poll(NOW));
        ask(op.poll(NOW));
        assert!(matches!(op.poll(NOW), Output::Wait(None)));
        op.resume(first, Answer::Random(Ok(vec![0]))).unwrap();
        ask(op.poll(NOW));
        assert!(matches!(op.poll(NOW), Output::Wait(None)));
    }

    #[test]
    fn wrong_and_stale_answers_change_nothing() {
        let mut op: Op<u32, Error> = Op::start(|cx| async move {
            cx.ask(remove("a")).await.ok();
            cx.ask(remove("b")).await.ok();
            Ok(7)
        });
        let (first, _) = ask(op.poll(NOW));
        assert!(matches!(op.resume(first, Answer::Random(Ok(vec![]))), Err(ResumeError::WrongKind { .. })));
        op.resume(first, Answer::Remove(Ok(()))).unwrap();
        assert!(matches!(op.resume(first, Answer::Remove(Ok(()))), Err(ResumeError::NotWaiting(_))));
        let (second, _) = ask(op.poll(NOW));
        assert!(matches!(op.resume(first, Answer::Remove(Ok(()))), Err(ResumeError::NotWaiting(_))));
        op.resume(second, Answer::Remove(Err(IoError::new(IoErrorKind::Other, "x")))).unwrap();
        assert!(matches!(op.poll(NOW), Output::Done(Ok(7))));
    }

    #[test]
    fn a_deadline_is_reported_and_kept() {
        let mut op: Op<u32, Error> = Op::start(|cx| async move {
            let slept = cx.sleep_ms(500).await;
            Ok(u32::from(slept))
        });
        assert!(matches!(op.poll(NOW), Output::Wait(Some(1_500))));
        assert!(matches!(op.poll(Now::utc(1_499)), Output::Wait(Some(1_500))));
        assert!(matches!(op.poll(Now::utc(1_500)), Output::Done(Ok(1))));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_a_sleep_longer() {
        let mut op: Op<u32, Error> = Op::start(|cx| async move { Ok(u32::from(cx.sleep_ms(500).await)) });
        assert!(matches!(op.poll(Now::utc(1_000_000)), Output::Wait(Some(1_000_500))));
        assert!(matches!(op.poll(Now::utc(9_000)), Output::Wait(Some(9_500))));
        assert!(matches!(op.poll(Now::utc(9_400)), Output::Wait(Some(9_500))));
        assert!(matches!(op.poll(Now::utc(9_500)), Output::Done(Ok(1))));
    }

    #[test]
    fn cancelling_ends_sleep_but_not_an_effect() {
        let mut op: Op<u32, Error> = Op::start(|cx| async move {
            cx.ask(remove("a")).await.unwrap();
            Ok(u32::from(cx.sleep_ms(1_000_000).await))
        });
        let (id, _) = ask(op.poll(NOW));
        op.cancel();
        assert!(matches!(op.poll(NOW), Output::Wait(None)));
        op.resume(id, Answer::Remove(Ok(()))).unwrap();
        assert!(matches!(op.poll(NOW), Output::Done(Ok(0))));
    }

    #[test]
    fn waiting_for_nothing_is_an_error_and_not_a_hang() {
        let mut op: Op<u32, Error> = Op::start(|_| std::future::pending());
        assert!(matches!(op.poll(NOW), Output::Done(Err(Error::Stalled))));
    }

    #[test]
    fn a_future_that_keeps_the_waker_is_refused() {
        let mut kept = Vec::new();
        let mut op: Op<u32, Error> = Op::start(|_| async move {
            std::future::poll_fn(|context| {
                kept.push(context.waker().clone());
                Poll::<()>::Pending
            })
            .await;
            Ok(0)
        });
        assert!(matches!(op.poll(NOW), Output::Done(Err(Error::ForeignFuture))));
    }

    #[test]
    fn a_dropped_future_takes_its_effect_back() {
        let mut op: Op<u32, Error> = Op::start(|cx| async move {
            let mut first = Box::pin(cx.ask(remove("a")));
            std::future::poll_fn(|context| {
                assert!(first.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
            drop(first);
            cx.ask(remove("b")).await.unwrap();
            Ok(1)
        });
        let (id, effect) = ask(op.poll(NOW));
        assert_eq!(effect, remove("b").into());
        op.resume(id, Answer::Remove(Ok(()))).unwrap();
        assert!(matches!(op.poll(NOW), Output::Done(Ok(1))));
    }

    #[test]
    fn an_op_can_move_between_threads() {
        fn is_send<T: Send>(_: &T) {}
        is_send(&Op::<u32, Error>::start(|_| async { Ok(0) }));
    }
}
