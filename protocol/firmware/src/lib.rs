//! Proves that the codec links without std and without an allocator, and that its calls cannot panic.
//!
//! A static library with a panic handler does not build if it links std (there would be two panic handlers) or alloc
//! (there is no allocator). `cargo xtask test` builds it, also for a bare-metal target if one is installed, and checks that
//! the release build contains nothing but the codec. A call that can panic would add the code for that.
#![no_std]

use bulb_protocol::base::{self, DecodeError};
use bulb_protocol::{LightState, Percent};

/// Keeps the calls in the library.
#[used]
static CALLS: (
    fn(LightState) -> [u8; base::FRAME_LEN],
    fn(&[u8]) -> Result<LightState, DecodeError>,
    fn(&[u8]) -> Result<LightState, DecodeError>,
    fn(u8) -> Percent,
) = (base::encode, base::decode, base::decode_lenient, Percent::clamped);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
