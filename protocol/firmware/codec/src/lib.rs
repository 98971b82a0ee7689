//! Proves that the codec links without std and without an allocator, and that its calls cannot panic.
//!
//! A static library with a panic handler does not build if it links std (there would be two panic handlers) or alloc
//! (there is no allocator). `cargo xtask test` builds it, also for a bare-metal target if one is installed, and checks that
//! the release build contains nothing but the codec. A call that can panic would add the code for that.
//!
//! With the feature `firmware`, it shows in the same way that the whole firmware needs neither.
#![no_std]

#[cfg(feature = "firmware")]
extern crate firmware as _;

use bulb_protocol::base::{self, DecodeError};
use bulb_protocol::{LightState, Percent};

// These keep the calls in the library.
#[used]
static ENCODE: fn(LightState) -> [u8; base::FRAME_LEN] = base::encode;
#[used]
static DECODE: fn(&[u8]) -> Result<LightState, DecodeError> = base::decode;
#[used]
static DECODE_LENIENT: fn(&[u8]) -> Result<LightState, DecodeError> = base::decode_lenient;
#[used]
static PERCENT: fn(u8) -> Percent = Percent::clamped;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
