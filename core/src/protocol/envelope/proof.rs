//! When a signature counts (RFC 8032 section 5.1.7), one at a time or many at once, always with the same answer.
//!
//! The predicate: the encodings of `R` and of the key `A` are canonical and not of small order, `S` is canonical, and
//! `[8][S]B = [8]R + [8][k]A`. Without the factor 8, a batch and a single check can differ about signatures that
//! somebody crafted with a torsion component; with it they cannot.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity as _;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use sha2::{Digest as _, Sha512};

/// The y coordinates of the eight points of small order, as they are encoded without the sign of x: those of order
/// 1, 2, 4 and (two of them) 8.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [0; 32],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
];

/// Whether the 32 bytes may encode a point that counts: y is below the field's prime, and the point is not of small
/// order. Cheap; whether it is on the curve shows when it is decompressed.
fn is_sound_encoding(encoding: &[u8; 32]) -> bool {
    let mut y = *encoding;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    let [low, middle @ .., high] = &y;
    let is_reduced = *high != 0x7f || *low < 0xed || middle.iter().any(|byte| *byte != 0xff);
    is_reduced && !SMALL_ORDER.contains(&y)
}

/// A public key that may sign: `None` for one that is no point, not canonical or of small order.
pub(super) fn public_key(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    if is_sound_encoding(bytes) { VerifyingKey::from_bytes(bytes).ok() } else { None }
}

/// A signature whose `R` may count.
pub(super) fn signature(bytes: &[u8; 64]) -> Option<Signature> {
    let signature = Signature::from_bytes(bytes);
    is_sound_encoding(signature.r_bytes()).then_some(signature)
}

/// One signature to check. Its key and signature have passed [`public_key`] and [`signature`].
pub(super) struct Check<'a> {
    pub(super) key: VerifyingKey,
    pub(super) message: &'a [u8],
    pub(super) signature: Signature,
}

impl Check<'_> {
    /// Decides this signature.
    pub(super) fn holds(&self) -> bool {
        // With the encodings checked before, this accepts just what `verify_strict` accepts, which implies the
        // predicate; it saves the decompression of R.
        self.key.verify(self.message, &self.signature).is_ok() || self.holds_cofactored().unwrap_or(false)
    }

    /// The predicate's equation, as `[8]([S]B - [k]A - R) = 0`.
    fn holds_cofactored(&self) -> Option<bool> {
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(*self.signature.s_bytes()))?;
        let r = CompressedEdwardsY(*self.signature.r_bytes()).decompress()?;
        let hash = Sha512::new()
            .chain_update(self.signature.r_bytes())
            .chain_update(self.key.as_bytes())
            .chain_update(self.message)
            .finalize();
        let k = Scalar::from_bytes_mod_order_wide(&hash.into());
        let minus_a = -self.key.to_edwards();
        let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &minus_a, &s);
        Some((expected - r).mul_by_cofactor().is_identity())
    }
}

/// Whether all of these hold. `true` implies the predicate for each (but for a chance of about 2^-128, and the weights
/// depend on every input); `false` says nothing of a single one.
pub(super) fn all_hold(checks: &[Check<'_>]) -> bool {
    let messages: Vec<&[u8]> = checks.iter().map(|check| check.message).collect();
    let signatures: Vec<Signature> = checks.iter().map(|check| check.signature).collect();
    let keys: Vec<VerifyingKey> = checks.iter().map(|check| check.key).collect();
    ed25519_dalek::verify_batch(&messages, &signatures, &keys).is_ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use ed25519_dalek::{Signer as _, SigningKey};

    const MESSAGE: &[u8] = b"text";

    /// A signature by secret scalar `a` with nonce `r`, where a torsion point is added to the key and to R.
    pub(in super::super) fn crafted(
        key_torsion: EdwardsPoint,
        r_torsion: EdwardsPoint,
        message: &[u8],
        seed: u64,
    ) -> ([u8; 32], [u8; 64]) {
        let (a, r) = (Scalar::from(seed + 1), Scalar::from(seed + 1000));
        let key = (ED25519_BASEPOINT_POINT * a + key_torsion).compress();
        let big_r = (ED25519_BASEPOINT_POINT * r + r_torsion).compress();
        let hash = Sha512::new().chain_update(big_r.0).chain_update(key.0).chain_update(message).finalize();
        let s = r + Scalar::from_bytes_mod_order_wide(&hash.into()) * a;
        let signature: Vec<u8> = [big_r.to_bytes(), s.to_bytes()].concat();
        (key.0, signature.try_into().unwrap())
    }

    fn check<'a>(key: &[u8; 32], message: &'a [u8], signature_bytes: &[u8; 64]) -> Option<Check<'a>> {
        Some(Check { key: public_key(key)?, message, signature: signature(signature_bytes)? })
    }

    #[test]
    fn small_order_is_known_by_its_encoding() {
        for point in EIGHT_TORSION {
            assert!(!is_sound_encoding(point.compress().as_bytes()));
            let sum = (ED25519_BASEPOINT_POINT + point).compress();
            assert!(is_sound_encoding(sum.as_bytes()));
        }
        // The table names no other point than those.
        for y in SMALL_ORDER {
            assert!(CompressedEdwardsY(y).decompress().unwrap().is_small_order());
        }
    }

    #[test]
    fn encodings_beyond_the_prime_are_refused() {
        let prime_plus = |n: u8| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (0xed + n, 0x7f);
            bytes
        };
        for n in 0..=0x12 {
            let mut bytes = prime_plus(n);
            assert!(!is_sound_encoding(&bytes));
            bytes[31] |= 0x80;
            assert!(!is_sound_encoding(&bytes));
        }
    }

    #[test]
    fn torsion_never_divides_batch_and_single() {
        let (mut strict_refuses, mut batch_refuses) = (0, 0);
        for (n, key_torsion) in EIGHT_TORSION.into_iter().enumerate() {
            for (m, r_torsion) in EIGHT_TORSION.into_iter().enumerate() {
                let (key, bytes) = crafted(key_torsion, r_torsion, MESSAGE, (n * 8 + m) as u64);
                let check = check(&key, MESSAGE, &bytes).unwrap();
                // Mixed order is accepted by the cofactored equation, whatever the torsion.
                assert!(check.holds(), "{n} {m}");
                strict_refuses += usize::from(check.key.verify_strict(MESSAGE, &check.signature).is_err());
                batch_refuses += usize::from(!all_hold(&[check]));
            }
        }
        // Both of the library's own answers differ from it and from each other, else this would test nothing.
        assert!(strict_refuses > 0 && batch_refuses > 0);
    }

    #[test]
    fn small_order_keys_and_r_are_refused_by_both() {
        let honest = SigningKey::from_bytes(&[1; 32]);
        let good = honest.sign(MESSAGE).to_bytes();
        for point in EIGHT_TORSION {
            assert!(check(point.compress().as_bytes(), MESSAGE, &good).is_none());
            let mut bytes = good;
            bytes[..32].copy_from_slice(point.compress().as_bytes());
            assert!(check(honest.verifying_key().as_bytes(), MESSAGE, &bytes).is_none());
        }
    }

    #[test]
    fn the_fast_path_is_verify_strict() {
        for seed in 0..32 {
            let key = SigningKey::from_bytes(&[seed; 32]);
            let signature_bytes = key.sign(MESSAGE).to_bytes();
            for flipped in 0..64 {
                let mut bytes = signature_bytes;
                bytes[flipped] ^= 1 << (seed % 8);
                let ours = check(key.verifying_key().as_bytes(), MESSAGE, &bytes).is_some_and(|check| check.holds());
                assert!(!ours);
            }
            let good = check(key.verifying_key().as_bytes(), MESSAGE, &signature_bytes).unwrap();
            assert!(good.holds() && all_hold(&[good]));
            assert!(key.verifying_key().verify_strict(MESSAGE, &Signature::from_bytes(&signature_bytes)).is_ok());
        }
    }

    #[test]
    fn a_scalar_beyond_the_order_is_refused() {
        // S + L, the malleability of a check that reduces.
        let order: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let key = SigningKey::from_bytes(&[3; 32]);
        let mut bytes = key.sign(MESSAGE).to_bytes();
        let mut carry = 0;
        for (byte, add) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        let check = check(key.verifying_key().as_bytes(), MESSAGE, &bytes).unwrap();
        assert!(!check.holds() && !all_hold(&[check]));
    }
}
