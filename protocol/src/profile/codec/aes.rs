//! Frames that are encrypted block by block: AES-128 in ECB mode (NIST FIPS 197, SP 800-38A 6.1). The last block is filled
//! with zeros.

use alloc::vec::Vec;

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use crate::profile::key::Key;

const BLOCK: usize = 16;

pub(super) fn encrypt(frame: &[u8], key: Key) -> Vec<u8> {
    let cipher = Aes128::new(&key.bytes().into());
    in_blocks(frame, |block| {
        let mut block = block.into();
        cipher.encrypt_block(&mut block);
        block.into()
    })
}

pub(super) fn decrypt(frame: &[u8], key: Key) -> Result<Vec<u8>, &'static str> {
    if frame.is_empty() || !frame.len().is_multiple_of(BLOCK) {
        return Err("an encrypted frame is a multiple of 16 bytes long");
    }
    let cipher = Aes128::new(&key.bytes().into());
    Ok(in_blocks(frame, |block| {
        let mut block = block.into();
        cipher.decrypt_block(&mut block);
        block.into()
    }))
}

fn in_blocks(frame: &[u8], change: impl Fn([u8; BLOCK]) -> [u8; BLOCK]) -> Vec<u8> {
    let mut changed = Vec::with_capacity(frame.len().next_multiple_of(BLOCK));
    for part in frame.chunks(BLOCK) {
        let mut block = [0; BLOCK];
        for (place, byte) in block.iter_mut().zip(part) {
            *place = *byte;
        }
        changed.extend(change(block));
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// NIST SP 800-38A, F.1.1: the first two blocks of ECB-AES128.
    #[test]
    fn the_example_of_the_standard() {
        let key: Key = "2b7e151628aed2a6abf7158809cf4f3c".parse().unwrap();
        let plain = bytes("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let coded = bytes("3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf");
        assert_eq!(encrypt(&plain, key), coded);
        assert_eq!(decrypt(&coded, key), Ok(plain));
    }

    #[test]
    fn the_last_block_is_filled_and_other_lengths_are_refused() {
        let key = Key::new([7; 16]);
        let coded = encrypt(&[1, 2, 3], key);
        assert_eq!(decrypt(&coded, key).unwrap(), [[1, 2, 3].as_slice(), &[0; 13]].concat());
        for wrong in [&coded[..15], &[], &[0; 17]] {
            assert!(decrypt(wrong, key).is_err(), "{} bytes", wrong.len());
        }
    }
}
