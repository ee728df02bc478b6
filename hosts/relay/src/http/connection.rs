//! What a connection knows of what was written to it: whether the other side still reads, and when an answer that hands
//! messages out for good has gone out whole.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::limits::{Held, Origin};
use crate::store::Lease;

/// How many bytes a reader must take in the time that a pause may last.
const SLOWEST: u64 = 64 << 10;

/// Held for reading while messages that were handed out are being removed.
pub(crate) type Settling = Arc<tokio::sync::RwLock<()>>;

/// What the requests of one connection share.
pub(crate) struct Peer {
    /// Where it comes from.
    pub(crate) origin: Origin,
    handed: Handed,
    settling: Settling,
}

impl Peer {
    pub(crate) fn new(origin: Origin, settling: Settling) -> Arc<Self> {
        Arc::new(Self { origin, handed: Handed::default(), settling })
    }

    /// All that was in the connection's buffer has been written.
    fn settle(&self) {
        for lease in self.handed.take() {
            let settling = Arc::clone(&self.settling).try_read_owned();
            tokio::spawn(async move {
                if let Err(error) = lease.delivered().await {
                    tracing::warn!(%error, "messages that were handed out will be handed out again");
                }
                drop(settling);
            });
        }
    }
}

/// Messages whose answer lies in the connection's buffer, and which count as handed out once that has been written.
#[derive(Default)]
struct Handed {
    /// Whether there are any, to be read without the lock.
    any: AtomicBool,
    leases: Mutex<Vec<Lease>>,
}

impl Handed {
    fn add(&self, lease: Lease) {
        self.leases.lock().push(lease);
        self.any.store(true, Ordering::Release);
    }

    fn take(&self) -> Vec<Lease> {
        if self.any.swap(false, Ordering::AcqRel) { std::mem::take(&mut *self.leases.lock()) } else { Vec::new() }
    }
}

/// A body in one piece, with what it holds until it is written.
pub(crate) struct Whole {
    bytes: Option<Bytes>,
    lease: Option<(Lease, Arc<Peer>)>,
    _held: Held,
}

impl Whole {
    pub(crate) fn new(bytes: impl Into<Bytes>, held: Held) -> Self {
        Self { bytes: Some(bytes.into()), lease: None, _held: held }
    }

    /// The messages in it are handed out for good when it has been written to this peer.
    pub(crate) fn handing_out(self, lease: Lease, peer: Arc<Peer>) -> Self {
        Self { lease: Some((lease, peer)), ..self }
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        // The server has it in its buffer before it flushes the next time.
        if let Some((lease, peer)) = self.lease.take() {
            peer.handed.add(lease);
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, Bytes::len) as u64)
    }
}

/// A stream that fails when the other side reads too slowly, and that tells its [`Peer`] when all has been written.
pub(crate) struct Watched<S> {
    stream: S,
    peer: Arc<Peer>,
    /// How long writing may make no progress.
    patience: Duration,
    written: u64,
    stalled: Option<Stalled>,
}

/// Since when the other side does not read.
struct Stalled {
    until: Pin<Box<Sleep>>,
    written_before: u64,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, peer: Arc<Peer>, patience: Duration) -> Self {
        Self { stream, peer, patience, written: 0, stalled: None }
    }

    /// What a pending write becomes: an error, once the other side has been too slow for too long.
    fn stall<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let (written, patience) = (self.written, self.patience);
        let stalled = self.stalled.get_or_insert_with(|| Stalled {
            until: Box::pin(sleep_until(Instant::now() + patience)),
            written_before: written,
        });
        ready!(stalled.until.as_mut().poll(cx));
        if written - stalled.written_before < SLOWEST {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.stalled = None;
        self.stall(cx)
    }

    fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count as u64);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Ready(Ok(count)) => {
                self.wrote(count);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(failed) => Poll::Ready(failed),
            Poll::Pending => self.stall(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Ready(Ok(count)) => {
                self.wrote(count);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(failed) => Poll::Ready(failed),
            Poll::Pending => self.stall(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// The server flushes when its own buffer is empty: what it had to write is then the system's.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.stalled = None;
                self.peer.settle();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(failed) => Poll::Ready(failed),
            Poll::Pending => self.stall(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Pending => self.stall(cx),
            done => done,
        }
    }
}
