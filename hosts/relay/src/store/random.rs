//! The random part of message ids.

use super::error::StoreError;

/// Random numbers, got from the system many at a time.
pub(crate) struct Tails {
    bytes: Box<[u8; 4096]>,
    used: usize,
}

impl Default for Tails {
    fn default() -> Self {
        Self { bytes: Box::new([0; 4096]), used: 4096 }
    }
}

impl Tails {
    pub(crate) fn next(&mut self) -> Result<u32, StoreError> {
        if self.used >= self.bytes.len() {
            getrandom::fill(self.bytes.as_mut_slice()).map_err(|error| StoreError::Failed(error.to_string().into()))?;
            self.used = 0;
        }
        let next = self.bytes.get(self.used..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        self.used += 4;
        Ok(u32::from_le_bytes(next))
    }
}
