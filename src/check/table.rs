//! The table of checks. To add one, add a row here and a function to the file of its kind.
//!
//! The order is that of a bring-up: first what is visible without a link, last what ends the link.

use std::time::Duration;

use bulb_protocol::profile::Feature::{Color, Kelvin, Power, White};

use super::Category::{Flashing, Long, Safe};
use super::malformed::Malformation::{Long as TooLong, OutOfRange, Short};
use super::{Check, frames, light, link, malformed};

/// The time limit of most checks: a connect and some commands whose status never comes.
pub(super) const TIME: Duration = Duration::from_secs(40);
/// The time limit of checks with many commands.
const MANY: Duration = Duration::from_secs(150);

macro_rules! checks {
    ($($name:literal, $category:expr, $time:expr,
        $skip_mod:ident::$skip:ident($($skip_arg:expr),*), $run_mod:ident::$run:ident($($run_arg:expr),*),
        $about:literal, $look:literal;)+) => {
        &[$(Check {
            name: $name,
            about: $about,
            category: $category,
            skip_reason: |profile| $skip_mod::$skip(profile, $($skip_arg),*),
            run: |board| Box::pin($run_mod::$run(board, $($run_arg),*)),
            time: $time,
            look: $look,
        }),+]
    };
}

/// The checks, in the order in which they run.
pub const CHECKS: &[Check] = checks! {
    "advertises", Safe, TIME, link::never_skipped(), link::advertises(),
        "it advertises while it is not connected",
        "start advertising at power-up and in the disconnect handler";
    "name-and-services", Safe, TIME, link::never_skipped(), link::name_and_services(),
        "it advertises its name and the services of its family",
        "the advertising data and the scan response: 31 bytes each; many stacks drop what does not fit";
    "connects-in-time", Safe, TIME, link::never_skipped(), link::connects_in_time(),
        "it connects and shows its services within 5 s",
        "the advertising interval (more than 1 s makes connecting slow) and the work done in the connect handler";
    "roles-and-properties", Safe, TIME, link::never_skipped(), link::roles_and_properties(),
        "it has the characteristics of its family, with the required properties",
        "the UUIDs and property bits in the GATT table; after a change, the computer may still use the old table from its cache";
    "no-duplicates", Safe, TIME, link::never_skipped(), link::no_duplicates(),
        "each service, and each characteristic within its service, exists once",
        "the code that registers the GATT table: it may run twice, for example after a reset of the stack";
    "state-readable", Safe, TIME, link::reads_its_state(), link::state_readable(),
        "its state can be read and decodes as a frame of its family",
        "the read handler of the status characteristic: the length and ranges of its value";
    "subscribes", Safe, TIME, link::notifies(), link::subscribes(),
        "it accepts a subscription",
        "the client characteristic configuration descriptor (0x2902) of the status characteristic, and its write permission";
    "notifies-in-time", Safe, TIME, frames::notifies_commands(), frames::notifies_in_time(),
        "it notifies a frame of its family within 1 s of a command",
        "the notification after a command: whether it is sent, its length, and timers before it";
    "answers-in-time", Safe, TIME, light::lacks(Power), frames::answers_in_time(),
        "it answers a write within 1 s",
        "the work that the write handler does before it returns: drive the light and write flash elsewhere";
    "notified-is-read", Safe, TIME, frames::reads(), frames::notified_is_read(),
        "it notifies the same state that it returns to a read",
        "whether the notification and the read handler use the same copy of the state";
    "answer-before-notification", Safe, TIME, frames::notifies_commands(), frames::answer_first(),
        "it answers a write before it notifies the change",
        "a notification sent from inside the write handler";
    "battery-in-range", Safe, TIME, link::never_skipped(), link::battery_in_range(),
        "its battery level is one byte from 0 to 100",
        "the conversion from millivolts to percent, and the value before the first measurement";
    "command-on", Safe, TIME, light::lacks(Power), light::switch(true),
        "it turns on when commanded, and reports it",
        "the write handler of the control characteristic, and the order of power and state";
    "command-off", Safe, TIME, light::lacks(Power), light::switch(false),
        "it turns off when commanded, and reports it",
        "the write handler of the control characteristic, and the order of power and state";
    "brightness-0", Safe, TIME, light::lacks_brightness(0), light::brightness(0),
        "it reports brightness 0 %, and stays on",
        "code that treats zero brightness as off";
    "brightness-1", Safe, TIME, light::lacks_brightness(1), light::brightness(1),
        "it reports brightness 1 %",
        "rounding and scale: percent, not 0 to 255; a threshold below which nothing lights up";
    "brightness-50", Safe, TIME, light::lacks_brightness(50), light::brightness(50),
        "it reports brightness 50 %",
        "the scale: percent, not 0 to 255; a gamma-corrected value reported instead of the commanded one";
    "brightness-100", Safe, TIME, light::lacks_brightness(100), light::brightness(100),
        "it reports brightness 100 %",
        "the scale, and an overflow at its upper end";
    "color-red", Safe, TIME, light::lacks(Color), light::color(255, 0, 0),
        "it reports red as red",
        "the order of the colour bytes in the command and in the status";
    "color-green", Safe, TIME, light::lacks(Color), light::color(0, 255, 0),
        "it reports green as green",
        "the order of the colour bytes in the command and in the status";
    "color-blue", Safe, TIME, light::lacks(Color), light::color(0, 0, 255),
        "it reports blue as blue",
        "the order of the colour bytes in the command and in the status";
    "color-white", Safe, TIME, light::lacks(Color), light::color(255, 255, 255),
        "it reports white as white",
        "a current limit whose result is reported instead of the colour";
    "color-corners", Safe, TIME, light::lacks(Color), light::corners(),
        "it reports mixed colours, black, and colours next to black and white unchanged",
        "the width of the colour registers, rounding, and code that treats black as off";
    "white", Safe, TIME, light::lacks(White), light::white(),
        "it reports the lowest and the highest white level",
        "the scale of the white channel";
    "kelvin", Safe, TIME, light::lacks(Kelvin), light::kelvin(),
        "it reports the warmest and the coldest white",
        "the scale and limits of the colour temperature";
    "keeps-the-rest", Safe, TIME, light::lacks(Power), light::keeps_the_rest(),
        "a command changes only the settings that it names",
        "settings that are reset when the light goes off or on, or overwritten by a command";
    "malformed-short", Safe, TIME, malformed::lacks(Short), malformed::refuses(Short),
        "a frame that is too short changes nothing, and the link stays up",
        "check the length before reading any byte";
    "malformed-long", Safe, TIME, malformed::lacks(TooLong), malformed::refuses(TooLong),
        "a frame that is too long changes nothing, and the link stays up",
        "check the length against the size of the buffer";
    "malformed-out-of-range", Safe, TIME, malformed::lacks(OutOfRange), malformed::refuses(OutOfRange),
        "a frame with a value out of range changes nothing, and the link stays up",
        "check all values before applying any";
    "burst", Safe, MANY, light::lacks_brightness(20), frames::burst(),
        "it loses none of two hundred writes at the pace of its family",
        "a command queue that is too short, or a write handler that drops frames while it is busy";
    "flash-power", Flashing, TIME, light::lacks(Power), frames::switching(),
        "after twenty switches it is in the last state",
        "a command queue that is too short, or a timer that switches late";
    "effects", Flashing, MANY, light::lacks_effects(), light::effects(),
        "it shows and reports every effect",
        "the effect table and its numbers";
    "idle", Long, TIME, light::lacks(Power), link::idle(),
        "the link survives a pause, and commands after it are carried out and reported",
        "supervision timeout, sleep modes, and timers that stop notifications or disconnect";
    "reconnect-keeps-state", Safe, TIME, link::reads_its_state(), link::reconnect_keeps_state(),
        "its state is the same after a reconnect",
        "state that the connect and disconnect handlers reset";
    "second-connect", Safe, TIME, link::never_skipped(), link::second_connect(),
        "it can be reconnected after a disconnect",
        "resources that a disconnect must free, and advertising that must restart";
};
