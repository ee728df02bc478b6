//! Ed25519, with one answer whether signatures are checked alone or together.
//!
//! RFC 8032 section 5.1.7 accepts a signature when `[8][S]B = [8]R + [8][k]A`. Libraries check alone without the factor 8
//! and together with random weights, and then disagree on signatures that a key's owner has made on purpose with points
//! outside the prime-order group. Here a signature is good when S is canonical, neither A nor R has a small order, and
//! the RFC's equation holds: alone, by the strict check and, only where that fails, the equation itself; together, by
//! the batch check, which implies the equation for each.

use std::sync::LazyLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity as _;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha512};

/// Something signed: the key, the bytes, the signature.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The raw public key.
    pub key: &'a [u8; 32],
    /// What was signed.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a [u8; 64],
}

/// Whether one signature is good.
#[must_use]
pub fn verify(claim: &Claim<'_>) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(claim.key) else { return false };
    let signature = Signature::from_bytes(claim.signature);
    key.verify_strict(claim.message, &signature).is_ok() || holds_with_cofactor(claim, &key, &signature)
}

/// Whether each of several signatures is good: the same answers as [`verify`] gives, faster where all are.
#[must_use]
pub fn verify_each(claims: &[Claim<'_>]) -> Vec<bool> {
    if claims.len() > 1 && verify_together(claims) {
        return vec![true; claims.len()];
    }
    claims.iter().map(verify).collect()
}

fn verify_together(claims: &[Claim<'_>]) -> bool {
    let mut messages = Vec::with_capacity(claims.len());
    let mut signatures = Vec::with_capacity(claims.len());
    let mut keys = Vec::with_capacity(claims.len());
    for claim in claims {
        let Ok(key) = VerifyingKey::from_bytes(claim.key) else { return false };
        let signature = Signature::from_bytes(claim.signature);
        if key.is_weak() || has_small_order(signature.r_bytes()) {
            return false;
        }
        messages.push(claim.message);
        signatures.push(signature);
        keys.push(key);
    }
    ed25519_dalek::verify_batch(&messages, &signatures, &keys).is_ok()
}

/// The equation of the RFC, with its factor 8.
fn holds_with_cofactor(claim: &Claim<'_>, key: &VerifyingKey, signature: &Signature) -> bool {
    if key.is_weak() || has_small_order(signature.r_bytes()) {
        return false;
    }
    let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(*signature.s_bytes())) else { return false };
    let Some(r) = CompressedEdwardsY(*signature.r_bytes()).decompress() else { return false };
    let hash = Sha512::new().chain_update(signature.r_bytes()).chain_update(claim.key).chain_update(claim.message);
    let k = Scalar::from_hash(hash);
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-key.to_edwards(), &s);
    (expected - r).mul_by_cofactor().is_identity()
}

/// The y coordinates, sign bit cleared, of all encodings of points of small order, those that are not canonical too.
static SMALL_ORDER: LazyLock<Vec<[u8; 32]>> = LazyLock::new(|| {
    let mut found: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|point| without_sign(point.compress().as_bytes())).collect();
    // y = p and y = p + 1 stand for 0 and 1.
    for low in [0xed, 0xee] {
        let mut y = [0xff; 32];
        y[0] = low;
        y[31] = 0x7f;
        found.push(y);
    }
    found.sort_unstable();
    found.dedup();
    found
});

fn has_small_order(encoding: &[u8; 32]) -> bool {
    SMALL_ORDER.binary_search(&without_sign(encoding)).is_ok()
}

fn without_sign(encoding: &[u8; 32]) -> [u8; 32] {
    let mut y = *encoding;
    y[31] &= 0x7f;
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    struct Owned {
        key: [u8; 32],
        message: Vec<u8>,
        signature: [u8; 64],
    }

    fn claim(owned: &Owned) -> Claim<'_> {
        Claim { key: &owned.key, message: &owned.message, signature: &owned.signature }
    }

    fn honest(seed: u8) -> Owned {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let message = vec![seed; 50];
        Owned { key: key.verifying_key().to_bytes(), signature: key.sign(&message).to_bytes(), message }
    }

    /// Signed by the key's owner, with a point of order 8 added to R and another to A.
    fn with_torsion(seed: u8, of_r: usize, of_a: usize) -> Owned {
        let signing = SigningKey::from_bytes(&[seed; 32]);
        let a = Scalar::from_bytes_mod_order(signing.to_scalar_bytes());
        let key = (EdwardsPoint::mul_base(&a) + EIGHT_TORSION[of_a]).compress().to_bytes();
        let r = Scalar::from(u64::from(seed) + 7);
        let big_r = (EdwardsPoint::mul_base(&r) + EIGHT_TORSION[of_r]).compress().to_bytes();
        let message = vec![seed; 20];
        let k = Scalar::from_hash(Sha512::new().chain_update(big_r).chain_update(key).chain_update(&message));
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&big_r);
        signature[32..].copy_from_slice((r + k * a).as_bytes());
        Owned { key, message, signature }
    }

    #[test]
    fn alone_and_together_agree_on_every_torsion() {
        for of_r in 0..8 {
            for of_a in 0..8 {
                let odd: Vec<Owned> = (1..=6).map(|seed| with_torsion(seed, of_r, of_a)).collect();
                let all: Vec<Owned> = odd.into_iter().chain((10..20).map(honest)).collect();
                let claims: Vec<Claim<'_>> = all.iter().map(claim).collect();
                let alone: Vec<bool> = claims.iter().map(verify).collect();
                assert_eq!(verify_each(&claims), alone, "R + T{of_r}, A + T{of_a}");
                assert!(alone.iter().all(|good| *good), "the RFC's equation holds: R + T{of_r}, A + T{of_a}");
            }
        }
    }

    #[test]
    fn keys_and_points_of_small_order_are_refused() {
        for point in EIGHT_TORSION {
            let weak = point.compress().to_bytes();
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&weak);
            let owned = Owned { key: weak, message: b"anything".to_vec(), signature };
            assert!(!verify(&claim(&owned)));
            let mut other = honest(3);
            other.signature = signature;
            assert!(!verify(&claim(&other)));
            assert_eq!(verify_each(&[claim(&owned), claim(&other), claim(&honest(4))]), [false, false, true]);
        }
    }

    #[test]
    fn one_bad_signature_spoils_only_itself() {
        let mut all: Vec<Owned> = (1..=64).map(honest).collect();
        all[17].message.push(0);
        all[40].signature[40] ^= 1;
        let claims: Vec<Claim<'_>> = all.iter().map(claim).collect();
        let good = verify_each(&claims);
        assert_eq!(good.iter().filter(|good| !**good).count(), 2);
        assert!(!good[17] && !good[40]);
    }
}
