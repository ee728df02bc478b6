//! What the tests of the answers have in common.

use super::{Reply, ServerUrl};

/// Whose answers they are.
pub(super) fn server() -> ServerUrl {
    ServerUrl::parse("https://relay.example").unwrap()
}

/// An answer without headers.
pub(super) fn reply(status: u16, body: &str) -> Reply<'_> {
    Reply { status, headers: &[], body: body.as_bytes() }
}
