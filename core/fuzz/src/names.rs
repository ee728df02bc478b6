//! Single values: addresses, dates, names that become file names.

use azall_core::protocol::address::Address;
use azall_core::protocol::id::{Fingerprint, MessageId};
use azall_core::protocol::layout::RelPath;
use azall_core::protocol::name::{AttachmentName, UniqueNames, sanitize};
use azall_core::protocol::time::{Day, Now, parse_date};

use super::text;

/// The most names that are made of one input.
const MOST_NAMES: usize = 5000;

/// `protocol::address`: an address that is accepted is one already, and its list form reads as itself.
pub fn address(data: &[u8]) {
    let text = text(data);
    if let Ok(address) = Address::parse(&text) {
        assert_eq!(Address::parse(address.as_str()).as_ref(), Ok(&address));
        assert_eq!(Address::parse_list(address.as_str()), Ok(vec![address.clone()]));
        assert!(address.same_as(&address) && !address.as_str().contains(['/', '\\', '\n', ',']));
        let _ = (address.relay_account(), address.certified_fingerprint());
    }
    if let Ok(list) = Address::parse_list(&text) {
        let joined = list.iter().map(Address::as_str).collect::<Vec<_>>().join(", ");
        assert_eq!(Address::parse_list(&joined), Ok(list));
    }
}

/// `protocol::time`: a date that is understood is the same moment in every form that is written.
pub fn dates(data: &[u8]) {
    let text = text(data);
    if let Some(day) = Day::parse(&text) {
        assert_eq!(day.to_string(), *text);
    }
    // Dates outside of the calendar that can be printed (years 1 to 9999) are clamped when they are.
    let printable = -62_135_510_400_000..253_402_214_400_000;
    for offset_seconds in [0, 7200, -34_200] {
        let Some(unix_ms) = parse_date(&text, offset_seconds).filter(|ms| printable.contains(ms)) else { continue };
        let now = Now { unix_ms, offset_seconds };
        let second = unix_ms.div_euclid(1000) * 1000;
        assert_eq!(parse_date(&now.utc_iso(), offset_seconds), Some(second), "{text:?}");
        assert_eq!(parse_date(&now.local_text(), offset_seconds), Some(second), "{text:?}");
        assert_eq!(parse_date(&now.local_iso(), offset_seconds), Some(unix_ms), "{text:?}");
    }
}

/// `protocol::{id, layout, name}`: whatever comes from outside becomes one good part of a path, and stays it.
pub fn file_names(data: &[u8]) {
    let text = text(data);
    let root = RelPath::default();
    let mut unique = UniqueNames::new();
    for outside in text.split('\n').take(MOST_NAMES).chain([&*text]) {
        assert!(root.join(&(sanitize(outside) + ".txt")).is_ok());
        let name = AttachmentName::from_untrusted(outside);
        assert_eq!(AttachmentName::from_untrusted(name.as_str()), name);
        assert!(root.join(name.as_str()).is_ok() && !name.as_str().starts_with('.') && !name.as_str().contains(','));
        assert!(root.join(unique.add(outside).as_str()).is_ok());

        let id = MessageId::from_untrusted(outside);
        assert_eq!(MessageId::parse(id.as_str()).as_ref(), Ok(&id));
        assert_eq!(MessageId::from_untrusted(id.as_str()), id);
        assert!(root.join(id.with_content_suffix(outside.as_bytes()).as_str()).is_ok());
        if let Ok(fingerprint) = Fingerprint::parse(outside) {
            assert_eq!(Fingerprint::parse(fingerprint.as_str()), Ok(fingerprint));
        }
    }
    if let Ok(path) = RelPath::parse(&text) {
        assert_eq!(path.as_str(), text);
        assert!(!path.as_str().starts_with('/') && path.as_str().split('/').all(|part| part != ".."));
        if !text.is_empty() {
            assert_eq!(path.parent().join(path.file_name()), Ok(path));
        }
    }
}
