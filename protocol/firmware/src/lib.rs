//! Proof that the codec links without std and without an allocator, and that its calls cannot panic.
//!
//! A static library with a panic handler of its own does not build if anything in it links std (there would be two
//! panic handlers) or alloc (there is no allocator). `cargo xtask test` builds it, for a bare-metal target too where one
//! is installed, and then looks that nothing but the codec is left in the release build. Had one of its calls a way to
//! panic, the code for that would be there too, so no input can make them panic.
#![no_std]

use bulb_protocol::base::{self, DecodeError};
use bulb_protocol::{LightState, Percent};

/// The calls, kept in the library although nobody calls them.
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
