//! Fades: reaching a state in steps.

use std::time::Duration;

use bulb_protocol::profile::{Feature, Light, Mode, Profile};
use bulb_protocol::{Percent, Rgb};
use tokio::time::{Instant, sleep_until};

use super::session::{CommandOutcome, Session};
use crate::error::{Operation, Result};
use crate::radio::Deadline;

/// The shortest time between two steps. 20 steps a second look smooth, and bulbs can carry them out.
const STEP: Duration = Duration::from_millis(50);

/// The values at the start and at the end.
#[derive(Clone, Debug, Default, PartialEq)]
struct Ramp {
    brightness: Option<(Percent, Percent)>,
    color: Option<(Rgb, Rgb)>,
    white: Option<(Percent, Percent)>,
    kelvin: Option<(u16, u16)>,
}

impl Session {
    /// Fades over this time, starting from the reported state, then confirms the end as [`command`](Self::command) does.
    /// Switching on starts at the lowest brightness, switching off ends there. A value without a start changes at once, such as
    /// a colour while the bulb shows white. Families that never report their state have no start and are refused.
    pub async fn fade(
        &mut self,
        wanted: &Light,
        over: Duration,
        deadline: Deadline,
    ) -> Result<CommandOutcome> {
        if !self.reports_state() {
            return Err(self.never_reports(Operation::Fade));
        }
        // Refuse settings that the bulb lacks before writing anything.
        self.validate(wanted)?;
        self.prepare(deadline).await?;
        if !self.state_was_read {
            self.read_state(deadline).await?;
        }
        let start = self.known.clone();
        let Some((ramp, end)) = plan(self.profile(), &start, wanted) else {
            return self.command(wanted, deadline).await;
        };
        self.keep_alive();
        let step = self.profile().link_rules.gap.max(STEP);
        let begin = Instant::now();
        let mut written = Light::default();
        let mut switch_on = wanted.power.filter(|on| *on && start.power != Some(true));
        loop {
            let elapsed = begin.elapsed();
            if elapsed >= over {
                break;
            }
            let mut light = ramp.at(elapsed.as_secs_f32() / over.as_secs_f32());
            light.power = switch_on.take();
            if light != written && !light.features().is_empty() {
                self.write(&light, deadline).await?;
                light.power = None;
                written = light;
            }
            sleep_until((Instant::now() + step).min(begin + over)).await;
        }
        self.command(&end, deadline).await
    }
}

/// Returns the ramp and the command at its end, or `None` if no value can be faded.
fn plan(profile: &Profile, start: &Light, wanted: &Light) -> Option<(Ramp, Light)> {
    let dims = profile.settable().contains(Feature::Brightness);
    let least = profile.range(Feature::Brightness).and_then(|range| u8::try_from(range.0).ok()).unwrap_or(0);
    let least = Percent::clamped(least.max(1));
    let was_on = start.power.unwrap_or(true);
    let bright = start.brightness.unwrap_or(Percent::MAX);
    let mut end = wanted.clone();
    let mut ramp = Ramp::default();
    match (was_on, wanted.power) {
        // A fade of a bulb that is off is not visible.
        (false, None | Some(false)) => return None,
        (false, Some(true)) if dims => {
            let to = wanted.brightness.unwrap_or(bright);
            ramp.brightness = Some((least, to));
            end.brightness = Some(to);
        }
        (true, Some(false)) if dims => {
            ramp.brightness = Some((bright, least));
            // Keep the brightness for the next time it is switched on, if one frame can carry both.
            let whole = Light { brightness: wanted.brightness.or(Some(bright)), ..wanted.clone() };
            if profile.encode(&whole, start, 0).is_ok_and(|sent| sent.writes.len() == 1) {
                end = whole;
            }
            return Some((ramp, end));
        }
        _ => ramp.brightness = start.brightness.zip(wanted.brightness),
    }
    let shows = |mode: Mode| start.mode.is_none_or(|present| present == mode);
    ramp.color = start.color.filter(|_| was_on && shows(Mode::Color)).or(wanted.color).zip(wanted.color);
    ramp.white = start.white.filter(|_| was_on && shows(Mode::White)).or(wanted.white).zip(wanted.white);
    ramp.kelvin = start.kelvin.filter(|_| was_on && shows(Mode::White)).or(wanted.kelvin).zip(wanted.kelvin);
    (ramp != Ramp::default()).then_some((ramp, end))
}

impl Ramp {
    /// The values at this progress, 0 to 1.
    fn at(&self, progress: f32) -> Light {
        let percent = |(from, to): (Percent, Percent)| {
            Percent::clamped(
                u8::try_from(between(from.get().into(), to.get().into(), progress)).unwrap_or(100),
            )
        };
        let channel =
            |from: u8, to: u8| u8::try_from(between(from.into(), to.into(), progress)).unwrap_or(u8::MAX);
        Light {
            brightness: self.brightness.map(percent),
            color: self.color.map(|(from, to)| {
                Rgb::new(
                    channel(from.red, to.red),
                    channel(from.green, to.green),
                    channel(from.blue, to.blue),
                )
            }),
            white: self.white.map(percent),
            kelvin: self.kelvin.map(|(from, to)| between(from, to, progress)),
            ..Light::default()
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the result is between two values that fit"
)]
fn between(from: u16, to: u16, progress: f32) -> u16 {
    (f32::from(from) + (f32::from(to) - f32::from(from)) * progress.clamp(0.0, 1.0)).round() as u16
}

#[cfg(test)]
mod tests {
    use bulb_protocol::profile::builtin;

    use super::*;

    fn light(power: bool, brightness: u8, color: (u8, u8, u8)) -> Light {
        Light {
            power: Some(power),
            brightness: Some(Percent::clamped(brightness)),
            color: Some(Rgb::new(color.0, color.1, color.2)),
            mode: Some(Mode::Color),
            ..Light::default()
        }
    }

    #[test]
    fn a_fade_goes_from_the_present_to_the_wanted_values() {
        let base = builtin::load("base", None).unwrap();
        let start = light(true, 80, (255, 0, 0));
        let dim = Light { brightness: Some(Percent::clamped(20)), ..Light::default() };
        let (ramp, end) = plan(&base, &start, &dim).unwrap();
        assert_eq!(end, dim);
        let at = |progress| ramp.at(progress).brightness.unwrap().get();
        assert_eq!([at(0.0), at(0.5), at(1.0)], [80, 50, 20]);
        assert_eq!(ramp.at(0.5).features(), dim.features());

        let blue = Light { color: Some(Rgb::new(0, 0, 255)), ..Light::default() };
        let (ramp, _) = plan(&base, &start, &blue).unwrap();
        assert_eq!(ramp.at(0.5).color, Some(Rgb::new(128, 0, 128)));
    }

    #[test]
    fn switching_off_ends_dark_and_keeps_the_brightness_if_one_frame_can() {
        let off = Light { power: Some(false), ..Light::default() };
        let start = light(true, 80, (255, 0, 0));
        let (ramp, end) = plan(&builtin::load("base", None).unwrap(), &start, &off).unwrap();
        assert_eq!(ramp.at(1.0).brightness, Some(Percent::clamped(1)));
        assert_eq!((end.power, end.brightness), (Some(false), Some(Percent::clamped(80))));
        // With two frames it would light up before it goes off.
        let (_, end) = plan(&builtin::load("hue", None).unwrap(), &start, &off).unwrap();
        assert_eq!((end.power, end.brightness), (Some(false), None));
    }

    #[test]
    fn switching_on_starts_dark() {
        let base = builtin::load("base", None).unwrap();
        let on = Light { power: Some(true), ..Light::default() };
        let (ramp, end) = plan(&base, &light(false, 60, (9, 9, 9)), &on).unwrap();
        assert_eq!(
            (ramp.at(0.0).brightness, end.brightness),
            (Some(Percent::clamped(1)), Some(Percent::clamped(60)))
        );
        // A fade of a bulb that is off is not visible.
        let dim = Light { brightness: Some(Percent::MIN), ..Light::default() };
        assert_eq!(plan(&base, &light(false, 60, (9, 9, 9)), &dim), None);
    }

    #[test]
    fn what_the_bulb_does_not_show_is_no_start() {
        let hue = builtin::load("hue", None).unwrap();
        let blue = Rgb::new(0, 0, 255);
        let wanted = Light { color: Some(blue), ..Light::default() };
        let start = light(true, 80, (255, 0, 0));
        let white = Light { mode: Some(Mode::White), kelvin: Some(3000), ..start.clone() };
        let at = |start: &Light, wanted: &Light| plan(&hue, start, wanted).unwrap().0.at(0.0);
        assert_eq!(at(&start, &wanted).color, start.color);
        assert_eq!(at(&white, &wanted).color, Some(blue), "it shows white");
        let on = Light { power: Some(true), ..wanted };
        assert_eq!(at(&Light { power: Some(false), ..start.clone() }, &on).color, Some(blue), "it is off");

        let warm = Light { kelvin: Some(2200), ..Light::default() };
        assert_eq!(at(&white, &warm).kelvin, Some(3000));
        assert_eq!(plan(&hue, &white, &warm).unwrap().0.at(0.5).kelvin, Some(2600));
        assert_eq!(at(&Light { mode: Some(Mode::Color), ..white }, &warm).kelvin, Some(2200));

        let sp = Light { mode: Some(Mode::White), white: Some(Percent::MAX), ..start };
        let half = Light { white: Some(Percent::clamped(50)), ..Light::default() };
        assert_eq!(at(&sp, &half).white, Some(Percent::MAX));
        assert_eq!(at(&Light { mode: Some(Mode::Color), ..sp }, &half).white, half.white);
    }

    #[test]
    fn a_bulb_without_brightness_is_only_switched() {
        let plug = builtin::load("govee", None).unwrap();
        assert!(!plug.settable().contains(Feature::Brightness));
        for on in [true, false] {
            let wanted = Light { power: Some(on), ..Light::default() };
            assert_eq!(plan(&plug, &light(!on, 60, (9, 9, 9)), &wanted), None);
        }
    }
}
