//! Values that are read from text: whatever reads data (JSON, or what a binding was handed) gets a checked value or an error.

use serde::de::{Deserialize, Deserializer, Error};

use super::address::Address;
use super::id::{Fingerprint, MessageId};
use super::layout::RelPath;
use super::relay::{AgentName, ServerUrl, Token};
use super::time::Day;

macro_rules! from_text {
    ($($type:ty => $read:expr;)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let read: fn(&str) -> Result<Self, String> = $read;
                read(&text).map_err(D::Error::custom)
            }
        }
    )*};
}

from_text! {
    Address => |text| Self::parse(text).map_err(|error| error.to_string());
    AgentName => |text| Self::parse(text).map_err(|error| error.to_string());
    Day => |text| Self::parse(text).ok_or_else(|| format!("{text:?} is no day; it is written YYYY-MM-DD"));
    Fingerprint => |text| Self::parse(text).map_err(|error| error.to_string());
    MessageId => |text| Self::parse(text).map_err(|error| error.to_string());
    RelPath => |text| Self::parse(text).map_err(|error| error.to_string());
    ServerUrl => |text| Self::parse(text).map_err(|error| error.to_string());
    // What was given is not repeated: it may be a secret.
    Token => |text| Self::parse(text).ok_or_else(|| "it is no relay token".to_owned());
}
