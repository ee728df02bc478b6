//! When a signature counts (RFC 8032 section 5.1.7), one at a time or many at once, always with the same answer.
//!
//! The predicate: the encodings of `R` and of the key `A` are canonical and not of small order, `S` is canonical, and
//! `[8][S]B = [8]R + [8][k]A`. Without the factor 8, a batch and a single check can differ about signatures that
//! somebody crafted with a torsion component; with it they cannot.

use std::collections::BTreeMap;
use std::sync::Arc;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity as _, VartimeMultiscalarMul as _};
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use sha2::{Digest as _, Sha512};

use super::familiar::{self, FamiliarKey};

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

/// A public key that may sign.
pub(super) enum PublicKey {
    /// Decompressed for this check.
    Plain(VerifyingKey),
    /// One that has signed often.
    Familiar(Arc<FamiliarKey>),
}

impl PublicKey {
    /// `None` for one that is no point, not canonical or of small order.
    pub(super) fn new(bytes: &[u8; 32]) -> Option<Self> {
        match familiar::find(bytes) {
            Some(found) => Some(Self::Familiar(found)),
            None if is_sound_encoding(bytes) => VerifyingKey::from_bytes(bytes).ok().map(Self::Plain),
            None => None,
        }
    }

    fn key(&self) -> &VerifyingKey {
        match self {
            Self::Plain(key) => key,
            Self::Familiar(familiar) => &familiar.key,
        }
    }
}

/// A signature whose `R` may count.
pub(super) fn signature(bytes: &[u8; 64]) -> Option<Signature> {
    let signature = Signature::from_bytes(bytes);
    is_sound_encoding(signature.r_bytes()).then_some(signature)
}

/// One signature to check. The signature has passed [`signature`].
pub(super) struct Check<'a> {
    pub(super) key: &'a PublicKey,
    pub(super) message: &'a [u8],
    pub(super) signature: Signature,
}

impl Check<'_> {
    /// Decides this signature.
    pub(super) fn holds(&self) -> bool {
        // With the encodings checked before, this accepts just what `verify_strict` accepts, which implies the
        // predicate; it saves the decompression of R.
        let holds_strictly = match self.key {
            PublicKey::Plain(key) => {
                familiar::count(key);
                key.verify(self.message, &self.signature).is_ok()
            }
            PublicKey::Familiar(familiar) => self.holds_for(familiar).unwrap_or(false),
        };
        holds_strictly || self.holds_cofactored().unwrap_or(false)
    }

    /// The equation `R = [S]B - [k]A`, of the encodings.
    fn holds_for(&self, familiar: &FamiliarKey) -> Option<bool> {
        Some(familiar.difference(&self.s()?, &self.k()).compress() == self.r())
    }

    /// The predicate's equation, as `[8]([S]B - [k]A - R) = 0`.
    fn holds_cofactored(&self) -> Option<bool> {
        let (s, r) = (self.s()?, self.r().decompress()?);
        let minus_a = -self.key.key().to_edwards();
        let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&self.k(), &minus_a, &s);
        Some((expected - r).mul_by_cofactor().is_identity())
    }

    /// SHA-512 over R, A and the message, of which `k` is the remainder.
    fn challenge(&self) -> [u8; 64] {
        Sha512::new()
            .chain_update(self.signature.r_bytes())
            .chain_update(self.key.key().as_bytes())
            .chain_update(self.message)
            .finalize()
            .into()
    }

    fn k(&self) -> Scalar {
        Scalar::from_bytes_mod_order_wide(&self.challenge())
    }

    /// S, if it is canonical.
    fn s(&self) -> Option<Scalar> {
        Scalar::from_canonical_bytes(*self.signature.s_bytes()).into()
    }

    fn r(&self) -> CompressedEdwardsY {
        CompressedEdwardsY(*self.signature.r_bytes())
    }
}

/// Whether all of these hold: their equations, each times a weight of its own, add up to one. `true` implies the predicate
/// for each (but for a chance of about 2^-128, and the weights depend on every input); `false` says nothing of a single one.
pub(super) fn all_hold(checks: &[Check<'_>]) -> bool {
    weighted_sum_vanishes(checks).unwrap_or(false)
}

/// `[8](sum of z(R + [k]A - [S]B)) = 0`. A key that signed several times is multiplied once, which saves a third where
/// one sender wrote them all.
fn weighted_sum_vanishes(checks: &[Check<'_>]) -> Option<bool> {
    let challenges: Vec<[u8; 64]> = checks.iter().map(Check::challenge).collect();
    let mut base = Scalar::ZERO;
    let mut keys: BTreeMap<&[u8; 32], (EdwardsPoint, Scalar)> = BTreeMap::new();
    let weights = weights(checks, &challenges);
    for ((check, challenge), z) in checks.iter().zip(&challenges).zip(&weights) {
        base -= z * check.s()?;
        let key = check.key.key();
        let (_, sum) = keys.entry(key.as_bytes()).or_insert_with(|| (key.to_edwards(), Scalar::ZERO));
        *sum += z * Scalar::from_bytes_mod_order_wide(challenge);
    }
    let scalars = weights.iter().chain(keys.values().map(|(_, scalar)| scalar)).chain([&base]);
    let points = checks
        .iter()
        .map(|check| check.r().decompress())
        .chain(keys.values().map(|(point, _)| Some(*point)))
        .chain([Some(ED25519_BASEPOINT_POINT)]);
    Some(EdwardsPoint::optional_multiscalar_mul(scalars, points)?.mul_by_cofactor().is_identity())
}

/// A weight of 128 bits for each check, from a hash of all of them: whoever makes a signature cannot know its weight before
/// every signature of the batch is made.
fn weights(checks: &[Check<'_>], challenges: &[[u8; 64]]) -> Vec<Scalar> {
    let mut all = Sha512::new();
    for (check, challenge) in checks.iter().zip(challenges) {
        all.update(challenge);
        all.update(check.signature.s_bytes());
    }
    let seed = all.finalize();
    let mut weights = Vec::with_capacity(checks.len());
    let mut counter = 0_u64;
    while weights.len() < checks.len() {
        let block = Sha512::new().chain_update(seed).chain_update(counter.to_le_bytes()).finalize();
        let (parts, _) = block.as_chunks();
        weights.extend(parts.iter().map(|part| Scalar::from(u128::from_le_bytes(*part))));
        counter += 1;
    }
    weights.truncate(checks.len());
    weights
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use curve25519_dalek::constants::EIGHT_TORSION;
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

    /// A key in both forms.
    fn both_forms(bytes: &[u8; 32]) -> Option<[PublicKey; 2]> {
        let plain = PublicKey::new(bytes)?;
        let familiar = PublicKey::Familiar(Arc::new(FamiliarKey::new(*plain.key())));
        Some([plain, familiar])
    }

    fn check<'a>(key: &'a PublicKey, message: &'a [u8], signature_bytes: &[u8; 64]) -> Option<Check<'a>> {
        Some(Check { key, message, signature: signature(signature_bytes)? })
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
        let mut strict_refuses = 0;
        for (n, key_torsion) in EIGHT_TORSION.into_iter().enumerate() {
            for (m, r_torsion) in EIGHT_TORSION.into_iter().enumerate() {
                let (key, bytes) = crafted(key_torsion, r_torsion, MESSAGE, (n * 8 + m) as u64);
                for key in &both_forms(&key).unwrap() {
                    let check = check(key, MESSAGE, &bytes).unwrap();
                    // Mixed order is accepted by the cofactored equation, whatever the torsion.
                    assert!(check.holds(), "{n} {m}");
                    let is_strict = key.key().verify_strict(MESSAGE, &check.signature).is_ok();
                    strict_refuses += usize::from(!is_strict);
                    if let PublicKey::Familiar(familiar) = key {
                        assert_eq!(check.holds_for(familiar), Some(is_strict), "{n} {m}");
                    }
                    assert!(all_hold(&[check]), "{n} {m}");
                }
            }
        }
        // The equation without the factor differs, else this would test nothing.
        assert!(strict_refuses > 0);
    }

    #[test]
    fn small_order_keys_and_r_are_refused_by_both() {
        let honest = SigningKey::from_bytes(&[1; 32]);
        let good = honest.sign(MESSAGE).to_bytes();
        for point in EIGHT_TORSION {
            assert!(PublicKey::new(point.compress().as_bytes()).is_none());
            let mut bytes = good;
            bytes[..32].copy_from_slice(point.compress().as_bytes());
            assert!(signature(&bytes).is_none() && signature(&good).is_some());
        }
    }

    #[test]
    fn the_fast_path_is_verify_strict() {
        for seed in 0..32 {
            let key = SigningKey::from_bytes(&[seed; 32]);
            let signature_bytes = key.sign(MESSAGE).to_bytes();
            for form in &both_forms(key.verifying_key().as_bytes()).unwrap() {
                for flipped in 0..64 {
                    let mut bytes = signature_bytes;
                    bytes[flipped] ^= 1 << (seed % 8);
                    assert!(!check(form, MESSAGE, &bytes).is_some_and(|check| check.holds()));
                }
                let good = check(form, MESSAGE, &signature_bytes).unwrap();
                assert!(good.holds() && all_hold(&[good]));
            }
            assert!(key.verifying_key().verify_strict(MESSAGE, &Signature::from_bytes(&signature_bytes)).is_ok());
        }
    }

    /// So many keys, every other one of them familiar.
    fn signers(keys: u8) -> Vec<(SigningKey, PublicKey)> {
        let signer = |seed| {
            let key = SigningKey::from_bytes(&[seed; 32]);
            let [plain, familiar] = both_forms(key.verifying_key().as_bytes()).unwrap();
            (key, if seed % 2 == 0 { plain } else { familiar })
        };
        (0..keys).map(signer).collect()
    }

    /// Signatures by these keys in turn.
    fn signed<'a>(messages: &'a [[u8; 2]], signers: &'a [(SigningKey, PublicKey)]) -> Vec<Check<'a>> {
        let in_turn = messages.iter().zip(signers.iter().cycle());
        in_turn.map(|(message, (signer, key))| Check { key, message, signature: signer.sign(message) }).collect()
    }

    #[test]
    fn a_batch_holds_until_any_one_of_it_is_changed() {
        let messages: Vec<[u8; 2]> = (0..70).map(|n| [n, 0]).collect();
        for signers in [1, 3, 70].map(signers) {
            assert!(all_hold(&signed(&messages, &signers)));
            for at in [0, 1, 35, 69] {
                let mut checks = signed(&messages, &signers);
                checks[at].message = b"another";
                assert!(!all_hold(&checks) && checks.iter().filter(|check| check.holds()).count() == 69);
            }
        }
    }

    #[test]
    fn errors_that_cancel_each_other_are_found() {
        // One S too large, the other too small by as much: the plain sum of the equations would hold.
        let messages = [[1, 0], [2, 0]];
        for signers in [1, 2].map(signers) {
            let mut checks = signed(&messages, &signers);
            for (check, error) in checks.iter_mut().zip([Scalar::ONE, -Scalar::ONE]) {
                let s = (check.s().unwrap() + error).to_bytes();
                check.signature = Signature::from_components(*check.signature.r_bytes(), s);
            }
            assert!(!all_hold(&checks) && !checks.iter().any(Check::holds));
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
        for form in &both_forms(key.verifying_key().as_bytes()).unwrap() {
            let check = check(form, MESSAGE, &bytes).unwrap();
            assert!(!check.holds() && !all_hold(&[check]));
        }
    }

    #[test]
    fn a_key_that_signs_often_becomes_familiar() {
        let signer = SigningKey::from_bytes(&[0xab; 32]);
        let bytes = signer.verifying_key().to_bytes();
        for check in 0..=familiar::OFTEN {
            let key = PublicKey::new(&bytes).unwrap();
            assert_eq!(matches!(key, PublicKey::Familiar(_)), check == familiar::OFTEN);
            assert!(Check { key: &key, message: MESSAGE, signature: signer.sign(MESSAGE) }.holds());
        }
    }
}
