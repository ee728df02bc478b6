//! Which transports can carry a message to a recipient.

use crate::protocol::address::Address;
use crate::protocol::config::RelayAccount;

/// A way to a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A folder among the same mailboxes, under this address's spelling.
    Local(Address),
    /// An account on a relay: the index of the relay in the config, and the recipient's name there.
    Relay {
        /// The index in [`Config::relays`](crate::protocol::config::Config::relays).
        index: usize,
        /// The recipient, as the relay knows it.
        to: Address,
    },
}

/// The ways to a recipient, all of which are tried: a recipient that several transports reach gets the message once, since
/// it is known by its signer and id. A neighbour in the same mailboxes needs no other way.
#[must_use]
pub fn routes(recipient: &Address, neighbours: &[Address], relays: &[RelayAccount]) -> Vec<Route> {
    if let Some(neighbour) = neighbours.iter().find(|neighbour| neighbour.same_as(recipient)) {
        return vec![Route::Local(neighbour.clone())];
    }
    let Some(to) = relay_name(recipient) else { return Vec::new() };
    relays.iter().enumerate().map(|(index, _)| Route::Relay { index, to: to.clone() }).collect()
}

/// The recipient as relays know it: every address without an `@`, with `.agenttalk` at its end.
pub(super) fn relay_name(recipient: &Address) -> Option<Address> {
    if recipient.as_str().contains('@') {
        return None;
    }
    match recipient.relay_account() {
        Some(_) => Some(recipient.clone()),
        None => Address::parse(&format!("{recipient}.agenttalk")).ok(),
    }
}
