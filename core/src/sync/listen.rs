//! Waiting at relays of version 2 for what comes: each holds back its answer until there is something, which is then stored and
//! acknowledged at once, while the other relays and the cycle go on. Whoever listens is served by no cycle; a relay that fails is
//! no longer listened to, and the next cycle finds out what is the matter.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use super::fetch::{GoesOn, RelayReport};
use super::receive::Stored;
use super::{Error, Mailbox, Report, collect, version2_call};
use crate::engine::event::Level;
use crate::protocol::config::RelayAccount;
use crate::protocol::relay::RelayError;
use crate::protocol::relay::version2::Page;

/// The most relays that are listened to: each takes one of the requests that a host has under way at a time.
const MOST_LISTENERS: usize = 8;

/// The pause after an answer that brought nothing new and did not wait: a relay, or a proxy, that does not hold back its answers is
/// not asked without end.
const PAUSE_MS: i64 = 1_000;

type Answer = Pin<Box<dyn Future<Output = Result<Page, RelayError>> + Send>>;

/// What is done with what came. It may take a while, and runs beside everything else.
pub type Told<'a, E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send + 'a>>;

/// Does it.
type Tell<'a, E> = dyn Fn(Stored) -> Told<'a, E> + Sync + 'a;

/// Relays that are listened to.
#[derive(Default)]
pub struct Listeners {
    each: Vec<Listener>,
}

struct Listener {
    place: GoesOn,
    report: RelayReport,
    /// The request under way. It outlives a look at other things: nothing is lost when it is dropped.
    answer: Option<Answer>,
    /// Whether the relay failed, or something is left for a cycle to do.
    is_over: bool,
}

impl Listeners {
    /// The accounts that are listened to.
    #[must_use]
    pub fn accounts(&self) -> Vec<RelayAccount> {
        self.each.iter().filter(|listener| !listener.is_over).map(|listener| listener.place.account.clone()).collect()
    }

    /// What each relay said since it is listened to.
    pub fn reports(&self) -> impl Iterator<Item = &RelayReport> {
        self.each.iter().map(|listener| &listener.report)
    }

    /// Listens to the relays that a cycle has emptied, and no more to those that failed or are no longer in the config.
    pub fn attend(&mut self, mailbox: &Mailbox<'_>, report: &Report) {
        let accounts = mailbox.config.relays();
        self.each.retain(|listener| !listener.is_over && accounts.contains(&listener.place.account));
        let emptied = report.relays.iter().filter_map(|relay| relay.goes_on.as_ref()).filter(|place| place.all_done);
        for place in emptied.filter(|place| accounts.contains(&place.account)) {
            let is_known = self.each.iter().any(|listener| listener.place.account == place.account);
            if !is_known && self.each.len() < MOST_LISTENERS {
                let report = RelayReport::new(&place.account.server);
                self.each.push(Listener { place: place.clone(), report, answer: None, is_over: false });
            }
        }
    }

    /// Runs `main` to its end and listens meanwhile; what comes is stored, acknowledged and handed to `tell`. What is being
    /// stored when `main` ends is brought to its end first.
    ///
    /// # Errors
    /// Beside what `main` gives: when the mailbox cannot be written.
    pub async fn during<T, E: From<Error>>(
        &mut self,
        mailbox: &Mailbox<'_>,
        main: impl Future<Output = T>,
        tell: &Tell<'_, E>,
    ) -> (T, Result<(), E>) {
        let is_ending = AtomicBool::new(false);
        let failed = Mutex::new(None);
        let mut main = pin!(main);
        let mut output = None;
        let value = {
            let listen = |listener| Box::pin(listen(listener, mailbox, &is_ending, tell, &failed));
            let mut listening: Vec<_> = self.each.iter_mut().map(listen).collect();
            poll_fn(|context| {
                if output.is_none()
                    && let Poll::Ready(value) = main.as_mut().poll(context)
                {
                    output = Some(value);
                    is_ending.store(true, Ordering::Relaxed);
                }
                listening.retain_mut(|listener| listener.as_mut().poll(context).is_pending());
                match output.take() {
                    Some(value) if listening.is_empty() => Poll::Ready(value),
                    other => {
                        output = other;
                        Poll::Pending
                    }
                }
            })
            .await
        };
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        (value, failed.map_or(Ok(()), Err))
    }
}

/// Listens to one relay until `main` ends or the relay fails.
async fn listen<E: From<Error>>(
    listener: &mut Listener,
    mailbox: &Mailbox<'_>,
    is_ending: &AtomicBool,
    tell: &Tell<'_, E>,
    failed: &Mutex<Option<E>>,
) {
    while !listener.is_over {
        let begun_ms = mailbox.cx.now().unix_ms;
        let Some(answer) = listener.next_answer(mailbox, is_ending).await else { return };
        match listener.take(mailbox, answer).await {
            Ok(Some(stored)) => {
                let is_news = !stored.received.is_empty();
                if is_news && let Err(error) = tell(stored).await {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
                let is_early = mailbox.cx.now().unix_ms.saturating_sub(begun_ms) < PAUSE_MS;
                if !is_news && is_early && !listener.is_over {
                    pause(mailbox, is_ending).await;
                }
            }
            Ok(None) => {}
            Err(error) => {
                listener.is_over = true;
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.into());
            }
        }
    }
}

async fn pause(mailbox: &Mailbox<'_>, is_ending: &AtomicBool) {
    let mut sleep = pin!(mailbox.cx.sleep_ms(PAUSE_MS));
    poll_fn(
        |context| {
            if is_ending.load(Ordering::Relaxed) { Poll::Ready(()) } else { sleep.as_mut().poll(context).map(drop) }
        },
    )
    .await;
}

impl Listener {
    /// The relay's next answer; `None` when the end comes first. The request then goes on.
    async fn next_answer(&mut self, mailbox: &Mailbox<'_>, is_ending: &AtomicBool) -> Option<Result<Page, RelayError>> {
        let interval_s = mailbox.config.sync_interval_ms() / 1000;
        let wait_s = self.place.limits.longest_wait_s.min(interval_s).max(1);
        let place = &self.place;
        let answer = self.answer.get_or_insert_with(|| {
            let (cx, place) = (mailbox.cx.clone(), place.clone());
            Box::pin(async move {
                version2_call::page(&cx, &place.account, &place.limits, place.after.as_ref(), wait_s).await
            })
        });
        let answered = poll_fn(|context| match answer.as_mut().poll(context) {
            Poll::Ready(page) => Poll::Ready(Some(page)),
            Poll::Pending if is_ending.load(Ordering::Relaxed) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        if answered.is_some() {
            self.answer = None;
        }
        answered
    }

    /// Stores and acknowledges what an answer brought; `None` when it brought an error.
    async fn take(&mut self, mailbox: &Mailbox<'_>, answer: Result<Page, RelayError>) -> Result<Option<Stored>, Error> {
        let page = match answer {
            Ok(page) => page,
            Err(error) => {
                self.is_over = true;
                self.report.blame(&error);
                mailbox.cx.emit(Level::Detail, format!("no longer listening: {error}"));
                return Ok(None);
            }
        };
        let next = page.next.clone();
        let is_empty = page.entries.is_empty();
        self.report.problem = None;
        let taken = collect::take(mailbox, &self.place.account, self.place.limits, page, &mut self.report).await?;
        if let Some(problem) = &self.report.problem {
            mailbox.cx.emit(Level::Warning, problem.clone());
        }
        // What is left, and a relay that does not say where to go on, is for a cycle.
        self.is_over = !taken.all_done || (next.is_none() && !is_empty);
        self.place.after = next.or(self.place.after.take());
        Ok(Some(taken.stored))
    }
}
