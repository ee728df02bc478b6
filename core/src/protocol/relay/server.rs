//! The base URL of a relay.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::protocol::text;

/// Why a text is no URL of a relay. The text itself is not told: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No `http://` or `https://` at the beginning.
    #[error("the URL must begin with https:// (or http:// on this machine)")]
    Scheme,
    /// A user name or password, which would end up in logs.
    #[error("the URL must not hold a user name or password; the token has a place of its own")]
    UserInfo,
    /// A `?` or `#` part.
    #[error("the URL must end before any ? or #")]
    QueryOrFragment,
    /// No host, or one with other characters than letters, digits, dots and hyphens.
    #[error(
        "the URL's host must be a name of letters, digits, dots and hyphens, an IPv4 address, or an IPv6 address in brackets"
    )]
    Host,
    /// A port that is no number from 1 to 65535.
    #[error("the URL's port must be a number from 1 to 65535")]
    Port,
    /// A path with `.` or `..`, or unusual characters.
    #[error("the URL's path must be made of letters, digits and - . _ ~ between single slashes")]
    Path,
    /// More than 512 bytes.
    #[error("the URL is too long; at most 512 bytes are allowed")]
    TooLong,
    /// Plain HTTP to another machine.
    #[error(
        "plain http:// sends the token and every message readable over the network; use https://, or --insecure if you accept that"
    )]
    PlainHttp,
}

/// The base URL of a relay, in one spelling: scheme and host in lower case, no default port, no final slash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerUrl {
    url: String,
    secure: bool,
    loopback: bool,
}

impl ServerUrl {
    /// Checks `text`, trimmed.
    ///
    /// # Errors
    /// [`UrlError`] tells what is wrong.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text::strip(text);
        if text.len() > 512 {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(UrlError::QueryOrFragment);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let host = Host::parse(host)?;
        let port = port.filter(|port| *port != if secure { 443 } else { 80 });
        let scheme = if secure { "https" } else { "http" };
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let url = format!("{scheme}://{}{port}{}", host.text, checked_path(path)?);
        Ok(Self { url, secure, loopback: host.loopback })
    }

    /// The URL, without a final slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Whether the host is this machine: `localhost`, a name below it, 127.0.0.0/8 or `::1`.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether it is HTTPS.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.secure
    }

    /// Refuses plain HTTP to another machine, unless `insecure` allows it.
    ///
    /// # Errors
    /// [`UrlError::PlainHttp`].
    pub const fn require_private(&self, insecure: bool) -> Result<(), UrlError> {
        if self.secure || self.loopback || insecure { Ok(()) } else { Err(UrlError::PlainHttp) }
    }

    /// The host, and the port where it is not the usual one, as the `Host` header names them.
    #[must_use]
    pub fn authority(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.split_once('/').map_or(rest, |(authority, _)| authority)
    }

    /// The URL of an endpoint: a path of this module's making that begins with a slash.
    pub(super) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.url)
    }
}

/// Host and port of an authority, at its last colon outside brackets.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => return Ok((authority, None)),
    };
    let all_digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse().ok().filter(|port| all_digits && *port > 0).ok_or(UrlError::Port)?;
    Ok((host, Some(port)))
}

struct Host {
    text: String,
    loopback: bool,
}

impl Host {
    fn parse(text: &str) -> Result<Self, UrlError> {
        if let Some(inner) = text.strip_prefix('[') {
            let address: Ipv6Addr = inner.strip_suffix(']').and_then(|a| a.parse().ok()).ok_or(UrlError::Host)?;
            let mapped = address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback());
            return Ok(Self { text: format!("[{address}]"), loopback: address.is_loopback() || mapped });
        }
        let text = text.to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() > 253 || !text.split('.').all(is_label) {
            return Err(UrlError::Host);
        }
        let loopback = match text.parse::<Ipv4Addr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => text == "localhost" || text.ends_with(".localhost"),
        };
        Ok(Self { text, loopback })
    }
}

/// The path with a slash before each part and none at the end.
fn checked_path(path: &str) -> Result<String, UrlError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(String::new());
    }
    let is_good = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
    };
    if path.split('/').all(is_good) { Ok(format!("/{path}")) } else { Err(UrlError::Path) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_relay_has_one_spelling() {
        for (text, url) in [
            ("https://relay.example", "https://relay.example"),
            (" HTTPS://Relay.Example:443/ ", "https://relay.example"),
            ("http://127.0.0.1:8484", "http://127.0.0.1:8484"),
            ("http://localhost:80/", "http://localhost"),
            ("https://[::1]:8443", "https://[::1]:8443"),
            ("https://[0:0:0:0:0:0:0:1]", "https://[::1]"),
            ("https://relay.example/talk/v1/", "https://relay.example/talk/v1"),
        ] {
            assert_eq!(ServerUrl::parse(text).unwrap().as_str(), url, "{text}");
        }
    }

    #[test]
    fn odd_urls_are_refused() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("relay.example", UrlError::Scheme),
            ("ftp://relay.example", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("https://", UrlError::Host),
            ("https:///x", UrlError::Host),
            ("https://a..b", UrlError::Host),
            ("https://a b", UrlError::Host),
            ("https://a\r\nHost: b", UrlError::Port),
            ("https://a\r\nb", UrlError::Host),
            ("https://rel\u{e4}y", UrlError::Host),
            ("https://[::1", UrlError::Host),
            ("https://[x]", UrlError::Host),
            ("https://user:pw@relay.example", UrlError::UserInfo),
            ("https://relay.example@evil.example", UrlError::UserInfo),
            ("https://relay.example?x=1", UrlError::QueryOrFragment),
            ("https://relay.example/#x", UrlError::QueryOrFragment),
            ("https://relay.example:0", UrlError::Port),
            ("https://relay.example:65536", UrlError::Port),
            ("https://relay.example:+1", UrlError::Port),
            ("https://relay.example:", UrlError::Port),
            ("https://relay.example/../x", UrlError::Path),
            ("https://relay.example//x", UrlError::Path),
            ("https://relay.example/%2e%2e", UrlError::Path),
        ] {
            assert_eq!(ServerUrl::parse(text), Err(error), "{text}");
        }
        assert_eq!(ServerUrl::parse(&format!("https://{}", "a.".repeat(300))), Err(UrlError::TooLong));
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for (text, loopback) in [
            ("http://localhost", true),
            ("http://a.localhost:1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://127.1", false),
            ("http://localhost.example", false),
            ("http://127.0.0.1.example", false),
            ("http://10.0.0.1", false),
        ] {
            let url = ServerUrl::parse(text).unwrap();
            assert_eq!(url.is_loopback(), loopback, "{text}");
            assert_eq!(url.require_private(false).is_ok(), loopback, "{text}");
            assert_eq!(url.require_private(true), Ok(()));
        }
        assert_eq!(ServerUrl::parse("https://10.0.0.1").unwrap().require_private(false), Ok(()));
    }

    proptest! {
        #[test]
        fn any_text_is_safe_and_a_good_one_is_stable(text in "(https?://)?[a-zA-Z0-9.:/\\[\\]@?# -]{0,40}") {
            if let Ok(url) = ServerUrl::parse(&text) {
                prop_assert_eq!(&ServerUrl::parse(url.as_str()).unwrap(), &url);
                prop_assert!(url.as_str().bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
