//! The header signature of 1.0.17, read only (PROTOCOL section 2): headers `Public-Key` and `Signature`.

use crate::protocol::id::Fingerprint;
use crate::protocol::message::{Headers, LOCAL_HEADERS};

use super::{Evidence, Kind, Malformed, Opened, Payload, decode_key, decode_signature};

/// The public key and the signature of a message, as it holds them.
pub(super) fn signature(headers: &Headers) -> Option<(&str, &str)> {
    headers.value("Signature").and_then(|signature| Some((headers.value("Public-Key")?, signature)))
}

pub(super) fn open<'a>(headers: &'a Headers, body: &'a str) -> Opened<'a> {
    let mut opened = Opened { kind: Kind::Legacy, ..Opened::plain(body) };
    opened.evidence = read(&mut opened, headers, body).unwrap_or_else(Evidence::Broken);
    opened
}

fn read<'a>(opened: &mut Opened<'a>, headers: &'a Headers, body: &'a str) -> Result<Evidence<'a>, Malformed> {
    let Some((key, signature)) = signature(headers) else { return Ok(Evidence::Missing) };
    let key = decode_key(key)?;
    opened.fingerprint = Some(Fingerprint::of_key(&key));
    opened.public_key = Some(key);
    Ok(Evidence::Signature { signature: decode_signature(signature)?, payload: Payload::Legacy { headers, body } })
}

/// What the signature may be of: the message as it is; as it arrived, before its status changed and this mailbox added
/// its own headers; and that with LF line ends.
pub(super) fn candidates(headers: &Headers, body: &str) -> Vec<Vec<u8>> {
    let mut candidates = vec![signed_bytes(headers, body, false)];
    let is_changed =
        |(name, value): (&str, &str)| LOCAL_HEADERS.contains(&name) || (name == "Status" && value != "new");
    if headers.iter().any(is_changed) {
        candidates.push(signed_bytes(headers, body, true));
    }
    if body.contains("\r\n") {
        candidates.push(signed_bytes(headers, &body.replace("\r\n", "\n"), true));
    }
    candidates
}

/// Every header line but the signature's, joined by LF, then `---` on its line, then the body.
fn signed_bytes(headers: &Headers, body: &str, as_it_arrived: bool) -> Vec<u8> {
    let mut out = String::with_capacity(body.len() + 512);
    for (name, value) in headers.iter() {
        if name == "Signature" || (as_it_arrived && LOCAL_HEADERS.contains(&name)) {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let value = if as_it_arrived && name == "Status" { "new" } else { value };
        out.extend([name, ": ", value]);
    }
    out.push_str("\n---\n");
    out.push_str(body);
    out.into_bytes()
}
