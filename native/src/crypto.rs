//! `esdb_crypto_nif`: SHA-256, Ed25519, URL-safe base64, Base58, comparison in constant time.

use crate::budget::{Budget, Run, Stop};
use crate::term::{binary, bytes};
use crate::{base58, base64};
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use rustler::{Encoder, Env, NewBinary, Term};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

rustler::atoms! { ok, error, invalid_base64, invalid_base58 }

/// Longer inputs of Base58 are the twin's: it can be interrupted, and a dirty scheduler would be held for seconds.
const BASE58_LIMIT: usize = 64 * 1024;

/// `verify_ed25519(Message, Signature, PublicKey)`.
pub fn verify_ed25519<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    message: Term<'a>,
    signature: Term<'a>,
    key: Term<'a>,
) -> Run<'a> {
    let (message, signature, key) = (bytes(message)?, bytes(signature)?, bytes(key)?);
    budget.spend(50_000 + message.len() * 2)?;
    Ok(verifies(message, signature, key).encode(env))
}

fn verifies(message: &[u8], signature: &[u8], key: &[u8]) -> bool {
    let (Ok(signature), Ok(key)) = (Signature::from_slice(signature), key.try_into()) else {
        return false;
    };
    VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify(message, &signature).is_ok())
}

fn sha256(budget: &mut Budget, data: Term<'_>) -> Result<[u8; 32], Stop> {
    let data = bytes(data)?;
    budget.spend(60 + data.len())?;
    Ok(Sha256::digest(data).into())
}

/// `hash_sha256(Data)`.
pub fn hash_sha256<'a>(env: Env<'a>, budget: &mut Budget, data: Term<'a>) -> Run<'a> {
    Ok(binary(env, &sha256(budget, data)?))
}

/// `hash_sha256_base64(Data)`: URL-safe, without padding.
pub fn hash_sha256_base64<'a>(env: Env<'a>, budget: &mut Budget, data: Term<'a>) -> Run<'a> {
    let mut text = [0; base64::encoded_len(32)];
    base64::encode(&sha256(budget, data)?, &mut text);
    Ok(binary(env, &text))
}

/// `base64_encode_urlsafe(Data)`.
pub fn base64_encode<'a>(env: Env<'a>, budget: &mut Budget, data: Term<'a>) -> Run<'a> {
    let data = bytes(data)?;
    budget.spend(data.len() / 2)?;
    let mut text = NewBinary::new(env, base64::encoded_len(data.len()));
    base64::encode(data, text.as_mut_slice());
    Ok(text.into())
}

/// `base64_decode_urlsafe(Text)`.
pub fn base64_decode<'a>(env: Env<'a>, budget: &mut Budget, text: Term<'a>) -> Run<'a> {
    let text = bytes(text)?;
    budget.spend(text.len() / 2)?;
    let refused = || (error(), invalid_base64()).encode(env);
    let Some(length) = base64::decoded_len(text.len()) else {
        return Ok(refused());
    };
    let mut data = NewBinary::new(env, length);
    Ok(match base64::decode(text, data.as_mut_slice()) {
        true => (ok(), Term::from(data)).encode(env),
        false => refused(),
    })
}

/// `secure_compare(A, B)`: the time depends on the lengths alone.
pub fn secure_compare<'a>(env: Env<'a>, budget: &mut Budget, a: Term<'a>, b: Term<'a>) -> Run<'a> {
    let (a, b) = (bytes(a)?, bytes(b)?);
    budget.spend(a.len() / 8)?;
    Ok(equal(a, b).encode(env))
}

/// All differences are collected, eight bytes at a time, and looked at once, at the end.
fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let ((words_a, rest_a), (words_b, rest_b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let words = words_a.iter().zip(words_b).fold(0, |different, (a, b)| {
        different | (u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b))
    });
    bool::from(std::hint::black_box(words).ct_eq(&0) & rest_a.ct_eq(rest_b))
}

/// The bytes of a term that Base58 may work on.
fn short<'a>(budget: &mut Budget, term: Term<'a>) -> Result<&'a [u8], Stop> {
    let data = bytes(term)?;
    if data.len() > BASE58_LIMIT {
        return Err(Stop::Twin);
    }
    budget.spend(base58::cost(data.len()))?;
    Ok(data)
}

/// `base58_encode(Data)`.
pub fn base58_encode<'a>(env: Env<'a>, budget: &mut Budget, data: Term<'a>) -> Run<'a> {
    let data = short(budget, data)?;
    let mut text = None;
    base58::encode(data, |length| {
        text.insert(NewBinary::new(env, length)).as_mut_slice()
    });
    text.map(Term::from).ok_or(Stop::Twin)
}

/// `base58_decode(Text)`.
pub fn base58_decode<'a>(env: Env<'a>, budget: &mut Budget, text: Term<'a>) -> Run<'a> {
    let text = short(budget, text)?;
    let mut data = None;
    base58::decode(text, |length| {
        data.insert(NewBinary::new(env, length)).as_mut_slice()
    });
    Ok(match data {
        Some(data) => (ok(), Term::from(data)).encode(env),
        None => (error(), invalid_base58()).encode(env),
    })
}

/// `match_resource_pattern(Pattern, Resource)`: equal, or a pattern that ends in `*` and whose rest is a prefix.
pub fn match_resource_pattern<'a>(
    env: Env<'a>,
    budget: &mut Budget,
    pattern: Term<'a>,
    resource: Term<'a>,
) -> Run<'a> {
    let (pattern, resource) = (bytes(pattern)?, bytes(resource)?);
    budget.spend(pattern.len() / 8)?;
    let matches = pattern == resource
        || pattern
            .strip_suffix(b"*")
            .is_some_and(|prefix| resource.starts_with(prefix));
    Ok(matches.encode(env))
}
