//! Version 2 of the relay's API (`docs/relay-api.md`): batches that are sent once however often they are posted, messages
//! that stay until they are acknowledged, large attachments as blobs, accounts that own a key.

mod agents;
mod answer;
mod blob;
mod limits;
mod page;
mod registration;
mod request;

pub use agents::{AgentCard, Listed, parse_agent, parse_listed};
pub use answer::{Receipt, Refusal, parse_acked, parse_sent_batch};
pub use blob::{BlobName, BlobRef, Held, Put, parse_blob_head, parse_blob_part, parse_blob_put};
pub use limits::{Api, Limits, parse_api};
pub use page::{Cursor, Page, PageEntry, parse_page};
pub use registration::{Challenge, parse_challenge, parse_registered_with_key, signed_bytes};
pub use request::{
    Entry, ack, agent, blob_head, blob_part, blob_put, challenge, entry_bytes, list_agents, page, register_with_key,
    send_batch,
};
