//! How many connections there may be, in all and of one address; and how much memory large requests and answers may take.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Failure;

/// Whom limits count as one: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from(network))
            }
            address => address,
        })
    }
}

/// Counts connections.
pub(crate) struct Connections {
    most: u32,
    most_of_one: u32,
    open: AtomicU32,
    by_origin: Mutex<HashMap<Origin, u32>>,
}

impl Connections {
    pub(crate) fn new(most: u32, most_of_one: u32) -> Arc<Self> {
        Arc::new(Self { most, most_of_one, open: AtomicU32::new(0), by_origin: Mutex::default() })
    }

    /// How many there are.
    pub(crate) fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// How many there may be.
    pub(crate) const fn most(&self) -> u32 {
        self.most
    }

    /// A place for one more, unless there are too many. It is free again when it is dropped.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admitted> {
        let origin = Origin::from(address);
        let mut by_origin = self.by_origin.lock();
        let of_this = by_origin.get(&origin).copied().unwrap_or(0);
        if self.open() >= self.most || of_this >= self.most_of_one {
            return None;
        }
        by_origin.insert(origin, of_this + 1);
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Admitted { connections: Arc::clone(self), origin })
    }
}

/// A connection's place.
pub(crate) struct Admitted {
    connections: Arc<Connections>,
    pub(crate) origin: Origin,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut by_origin = self.connections.by_origin.lock();
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
        match by_origin.get_mut(&self.origin) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                by_origin.remove(&self.origin);
            }
        }
    }
}

/// What is smaller than this is not counted.
const SMALL: u64 = 32 << 10;

/// The memory that large requests and answers share.
pub(crate) struct Memory {
    kib: Arc<Semaphore>,
    /// How long one of them waits for its turn.
    turn: Duration,
}

/// A part of it, free again when it is dropped.
pub(crate) type Held = Option<OwnedSemaphorePermit>;

impl Memory {
    pub(crate) fn new(bytes: u64, turn: Duration) -> Self {
        let kib = usize::try_from(bytes >> 10).unwrap_or(usize::MAX);
        Self { kib: Arc::new(Semaphore::new(kib.clamp(1, Semaphore::MAX_PERMITS))), turn }
    }

    /// Room for this many bytes, once there is some.
    ///
    /// # Errors
    /// A [`Failure`] when there is none for too long.
    pub(crate) async fn hold(&self, bytes: u64) -> Result<Held, Failure> {
        if bytes <= SMALL {
            return Ok(None);
        }
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        let turn = tokio::time::timeout(self.turn, Arc::clone(&self.kib).acquire_many_owned(kib)).await;
        match turn {
            Ok(Ok(permit)) => Ok(Some(permit)),
            _ => Err(Failure::unavailable("the relay is handling too many large messages; try again", 5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let connections = Connections::new(3, 2);
        let first = connections.admit(address("192.0.2.1"));
        let second = connections.admit(address("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(connections.admit(address("192.0.2.1")).is_none());
        let other = connections.admit(address("192.0.2.2"));
        assert!(other.is_some());
        assert!(connections.admit(address("192.0.2.3")).is_none());
        drop(first);
        assert!(connections.admit(address("192.0.2.1")).is_some());
        drop((second, other));
        assert_eq!(connections.open(), 0);
        assert!(connections.by_origin.lock().is_empty());
    }

    #[test]
    fn an_ipv6_network_is_one_origin() {
        assert_eq!(Origin::from(address("2001:db8:0:1::1")), Origin::from(address("2001:db8:0:1:ffff::2")));
        assert_ne!(Origin::from(address("2001:db8:0:1::1")), Origin::from(address("2001:db8:0:2::1")));
    }

    #[tokio::test]
    async fn large_bodies_share_the_memory() {
        let memory = Memory::new(100 << 10, Duration::from_millis(10));
        let small = memory.hold(SMALL).await.unwrap();
        assert!(small.is_none());
        let large = memory.hold(100 << 10).await.unwrap();
        assert_eq!(memory.hold(40 << 10).await.unwrap_err().status(), 503);
        drop(large);
        assert!(memory.hold(40 << 10).await.unwrap().is_some());
    }
}
