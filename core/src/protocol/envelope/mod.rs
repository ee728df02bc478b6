//! Signed text (PROTOCOL sections 2 and 9): the envelopes that are written, and the reading of all that exist.
//!
//! | file | what |
//! |---|---|
//! | [`frame`] | finds the outermost envelope by whole lines and nesting |
//! | [`escape`] | keeps marker lines inside a signed body from being taken for the envelope's own |
//! | [`seal`] | writes envelopes |
//! | [`open`] | reads them, and says what they prove |
//! | [`headers`] | the headers that are signed, and whether a file's own agree with them |

pub mod escape;
mod frame;
pub mod headers;
pub mod open;
pub mod seal;

pub use headers::{Disagreement, SignedAttachment, SignedHeaders, headers_agree};
pub use open::{InvalidReason, Kind, Opened, Proof, check_batch};
pub use seal::{DocumentedHeaders, EnvelopeError, seal_documented, seal_version1, seal_version2};

/// What comes before the lines of a header signature: a byte that is never part of UTF-8 text, so that no signed body can
/// pass for signed headers, and the name of the format.
const VERSION2_DOMAIN: &[u8] = b"\xffagentazall envelope 2\n";
