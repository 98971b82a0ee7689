//! All checks. To add one: a row here, and its function in the file of its kind. Nothing else has to know of it.
//!
//! The order is that of a bring-up: what can be seen from outside first, what ends the link last.

use std::time::Duration;

use super::Category::{Flashing, Long, Safe};
use super::{Check, frames, light, link, malformed};

/// What most may take: a connect, and some commands that are never reported.
pub(super) const TIME: Duration = Duration::from_secs(40);
/// What takes many commands.
const MANY: Duration = Duration::from_secs(150);

macro_rules! check {
    ($name:literal, $class:expr, $time:expr, $lacks:expr, $run:expr, $about:literal, $look:literal $(,)?) => {
        Check {
            name: $name,
            about: $about,
            class: $class,
            lacks: $lacks,
            run: $run,
            time: $time,
            look: $look,
        }
    };
}

/// The checks, in the order in which they are run.
pub const CHECKS: &[Check] = &[
    check!(
        "advertises",
        Safe,
        TIME,
        link::never_skipped,
        link::advertises,
        "it advertises while it has no link",
        "start advertising at power-up, and again in the handler of a disconnect"
    ),
    check!(
        "name-and-services",
        Safe,
        TIME,
        link::never_skipped,
        link::name_and_services,
        "its advertisement has its name, and the services that its family advertises",
        "the advertising data and the scan response: 31 bytes each, and what does not fit is left out by many stacks"
    ),
    check!(
        "connects-in-time",
        Safe,
        TIME,
        link::never_skipped,
        link::connects_in_time,
        "a link with its services within 5 s",
        "the advertising interval (more than 1 s is slow to connect), and what is done in the handler of a connect"
    ),
    check!(
        "roles-and-properties",
        Safe,
        TIME,
        link::never_skipped,
        link::roles_and_properties,
        "the characteristics of its family, with the properties that they have to have",
        "the UUIDs and the property bits in the GATT table; after a change of these, the computer may remember the old table"
    ),
    check!(
        "no-duplicates",
        Safe,
        TIME,
        link::never_skipped,
        link::no_duplicates,
        "every service, and every characteristic within its service, is there once",
        "the code that registers the GATT table: it may run twice, as after a reset of the stack"
    ),
    check!(
        "state-readable",
        Safe,
        TIME,
        link::reads_its_state,
        link::state_readable,
        "its state can be read, as a frame of its family",
        "the read handler of the status characteristic: the length and the ranges of what it gives"
    ),
    check!(
        "subscribes",
        Safe,
        TIME,
        link::notifies,
        link::subscribes,
        "it can be subscribed to",
        "the client characteristic configuration descriptor (0x2902) of the status characteristic, and its write permission"
    ),
    check!(
        "notifies-in-time",
        Safe,
        TIME,
        frames::notifies_commands,
        frames::notifies_in_time,
        "a command is reported by a frame of its family within 1 s",
        "the notification after a command: whether it is sent, its length, and timers in between"
    ),
    check!(
        "answers-in-time",
        Safe,
        TIME,
        light::skip_without_power,
        frames::answers_in_time,
        "a write is answered within 1 s",
        "what the write handler does before it returns: the lamp is to be driven, and flash written, outside of it"
    ),
    check!(
        "notified-is-read",
        Safe,
        TIME,
        frames::reads,
        frames::notified_is_read,
        "what is notified is what is read",
        "whether the notification and the read handler take the state from the same place"
    ),
    check!(
        "answer-before-notification",
        Safe,
        TIME,
        frames::notifies_commands,
        frames::answer_first,
        "a write is answered before what it changed is notified",
        "a notification that is sent from within the write handler"
    ),
    check!(
        "battery-in-range",
        Safe,
        TIME,
        link::never_skipped,
        link::battery_in_range,
        "its battery level is one byte, 0 to 100",
        "the conversion from millivolts to percent, and what is told before the first measurement"
    ),
    check!(
        "command-on",
        Safe,
        TIME,
        light::skip_without_power,
        light::command_on,
        "on is carried out and reported",
        "the write handler of the control characteristic, and the order of power and state"
    ),
    check!(
        "command-off",
        Safe,
        TIME,
        light::skip_without_power,
        light::command_off,
        "off is carried out and reported",
        "the write handler of the control characteristic, and the order of power and state"
    ),
    check!(
        "brightness-0",
        Safe,
        TIME,
        light::skip_without_brightness::<0>,
        light::brightness::<0>,
        "brightness 0 % is reported, and the bulb stays on",
        "a brightness of zero that is taken for off"
    ),
    check!(
        "brightness-1",
        Safe,
        TIME,
        light::skip_without_brightness::<1>,
        light::brightness::<1>,
        "brightness 1 % is reported",
        "rounding and the scale: percent, not 0 to 255; a threshold below which nothing lights"
    ),
    check!(
        "brightness-50",
        Safe,
        TIME,
        light::skip_without_brightness::<50>,
        light::brightness::<50>,
        "brightness 50 % is reported",
        "the scale: percent, not 0 to 255; a gamma curve that is reported in place of the value"
    ),
    check!(
        "brightness-100",
        Safe,
        TIME,
        light::skip_without_brightness::<100>,
        light::brightness::<100>,
        "brightness 100 % is reported",
        "the scale, and an overflow at its end"
    ),
    check!(
        "color-red",
        Safe,
        TIME,
        light::skip_without_color,
        light::color::<0xFF_0000>,
        "red is reported as red",
        "the order of the colour bytes, in the command and in the report"
    ),
    check!(
        "color-green",
        Safe,
        TIME,
        light::skip_without_color,
        light::color::<0x00_FF00>,
        "green is reported as green",
        "the order of the colour bytes, in the command and in the report"
    ),
    check!(
        "color-blue",
        Safe,
        TIME,
        light::skip_without_color,
        light::color::<0x00_00FF>,
        "blue is reported as blue",
        "the order of the colour bytes, in the command and in the report"
    ),
    check!(
        "color-white",
        Safe,
        TIME,
        light::skip_without_color,
        light::color::<0xFF_FFFF>,
        "white is reported as white",
        "a limit of the current that is reported in place of the colour"
    ),
    check!(
        "color-corners",
        Safe,
        TIME,
        light::skip_without_color,
        light::corners,
        "mixed colours, black, and what is right beside black and white are reported as they are",
        "the width of the colour registers, rounding, and black that is taken for off"
    ),
    check!(
        "white",
        Safe,
        TIME,
        light::skip_without_white,
        light::white,
        "the least and the greatest white are reported",
        "the scale of the white channel"
    ),
    check!(
        "kelvin",
        Safe,
        TIME,
        light::skip_without_kelvin,
        light::kelvin,
        "the warmest and the coldest white are reported",
        "the scale and the limits of the colour temperature"
    ),
    check!(
        "keeps-the-rest",
        Safe,
        TIME,
        light::skip_without_power,
        light::keeps_the_rest,
        "a command changes what it names, and nothing else",
        "what is reset when the lamp goes off or on, and what a command overwrites"
    ),
    check!(
        "malformed-short",
        Safe,
        TIME,
        malformed::skip_without_short,
        malformed::short,
        "a frame that is too short changes nothing, and the link stays up",
        "the length has to be looked at before any byte is"
    ),
    check!(
        "malformed-long",
        Safe,
        TIME,
        malformed::skip_without_long,
        malformed::long,
        "a frame that is too long changes nothing, and the link stays up",
        "the length has to be looked at, and the size of the buffer that is copied into"
    ),
    check!(
        "malformed-out-of-range",
        Safe,
        TIME,
        malformed::skip_without_out_of_range,
        malformed::out_of_range,
        "a frame with a value out of its range changes nothing, and the link stays up",
        "all values have to be looked at before any is taken over"
    ),
    check!(
        "burst",
        Safe,
        MANY,
        light::skip_without_brightness::<20>,
        frames::burst,
        "of two hundred writes in a row, at the pace of its family, none is lost",
        "a queue of commands that is too short, or a write handler that passes over what comes while it is busy"
    ),
    check!(
        "flash-power",
        Flashing,
        TIME,
        light::skip_without_power,
        frames::switching,
        "after twenty switches in a row it is as the last one says",
        "a queue of commands that is too short, or a timer that switches late"
    ),
    check!(
        "effects",
        Flashing,
        MANY,
        light::skip_without_effects,
        light::effects,
        "every effect is carried out and reported",
        "the table of effects, and its numbers"
    ),
    check!(
        "idle",
        Long,
        TIME,
        light::skip_without_power,
        link::idle,
        "the link outlasts a pause, and a command after it is carried out and reported",
        "supervision timeout, sleep modes, and timers that stop notifying or hang up"
    ),
    check!(
        "reconnect-keeps-state",
        Safe,
        TIME,
        link::reads_its_state,
        link::reconnect_keeps_state,
        "its state is the same after a disconnect and another connect",
        "what is reset in the handlers of connect and disconnect"
    ),
    check!(
        "second-connect",
        Safe,
        TIME,
        link::never_skipped,
        link::second_connect,
        "after a disconnect, the next connect is served as the first one was",
        "what is freed when a link ends, and that advertising starts again"
    ),
];
