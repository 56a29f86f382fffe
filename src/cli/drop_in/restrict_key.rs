//! The key of psql's restricted mode.

use crate::error::{Context, Error, ErrorKind, Result};

/// Returns the key that was asked for, or one that nobody who supplied the dumped data can know.
///
/// # Errors
///
/// When the key asked for has other characters than letters and digits.
pub(in crate::cli) fn restrict_key(asked: Option<&str>) -> Result<String> {
    match asked {
        Some(key) if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Ok(key.to_owned())
        }
        Some(_) => Err(Error::new(ErrorKind::Usage, "invalid restrict key")),
        None => random_key(),
    }
}

fn random_key() -> Result<String> {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut bytes = [0; 63];
    getrandom::fill(&mut bytes)
        .context(ErrorKind::Internal, || "could not make a key".to_owned())?;
    // The slight preference for the first letters does not matter in 63 of them.
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_letters_and_digits_and_never_twice_the_same() {
        assert_eq!(restrict_key(Some("pgark1")).ok().as_deref(), Some("pgark1"));
        for wrong in ["", "a b", "a\nb", "ä"] {
            assert!(restrict_key(Some(wrong)).is_err(), "{wrong:?}");
        }
        let made = [restrict_key(None), restrict_key(None)].map(|key| key.expect("random bytes"));
        assert_ne!(made[0], made[1]);
        assert!(restrict_key(Some(&made[0])).is_ok());
    }
}
