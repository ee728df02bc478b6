//! Random numbers.

use azall_core::engine::effect::{IoError, IoErrorKind, Random};
use azall_core::protocol::text;

/// The most random bytes of one effect.
const MOST_RANDOM: usize = 1024;

/// Answers [`Random`].
///
/// # Errors
/// [`IoErrorKind::TooLarge`] beyond 1024 bytes, and the system's.
pub fn random(effect: &Random) -> Result<Vec<u8>, IoError> {
    if effect.count > MOST_RANDOM {
        return Err(IoError::new(IoErrorKind::TooLarge, format!("at most {MOST_RANDOM} random bytes at once")));
    }
    let mut bytes = vec![0; effect.count];
    getrandom::fill(&mut bytes)
        .map_err(|error| IoError::new(IoErrorKind::Other, format!("the system's random generator: {error}")))?;
    Ok(bytes)
}

/// 16 random hex digits, for a name that nobody else uses.
///
/// # Errors
/// The system's.
pub fn random_hex() -> Result<String, IoError> {
    let bytes = random(&Random { count: 8 })?;
    Ok(text::hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_is_counted_and_bounded() {
        assert!(random(&Random { count: 0 }).unwrap().is_empty());
        let (a, b) = (random(&Random { count: 32 }).unwrap(), random(&Random { count: 32 }).unwrap());
        assert!(a.len() == 32 && a != b);
        assert_eq!(random(&Random { count: 1025 }).unwrap_err().kind, IoErrorKind::TooLarge);
        assert_eq!(random_hex().unwrap().len(), 16);
    }
}
