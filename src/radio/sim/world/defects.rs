//! Firmware defects: where a bulb handles writes and status frames differently from its profile.

use std::time::Duration;

use bulb_protocol::profile::{Feature, Features, Light, WriteOutcome};
use bulb_protocol::{Percent, Rgb};

use super::device::SimDevice;
use crate::radio::sim::rig::Defect;

/// [`Defect::LosesQuickWrites`]: a write is lost if the one before came less than this long ago.
const QUICK_WRITE: Duration = Duration::from_millis(20);
/// [`Defect::LosesLongBursts`]: the writes of a burst that fit into the queue, and the pause that empties it.
const QUEUE: usize = 10;
const BURST_PAUSE: Duration = Duration::from_millis(100);
/// [`Defect::HangsUpAfterMalformed`]: the time from the answer to the end of the link.
pub(super) const HANGS_UP_AFTER: Duration = Duration::from_millis(50);
/// [`Defect::AnswersLate`]: the delay of a write response.
const LATE_RESPONSE: Duration = Duration::from_millis(200);
/// [`Defect::MuteAfterAMinute`]: how long after the connect notifications stop.
const MUTE_AFTER: Duration = Duration::from_secs(60);

impl SimDevice {
    pub(crate) fn has_defect(&self, defect: Defect) -> bool {
        self.bulb().is_some_and(|bulb| bulb.defects.contains(&defect))
    }

    pub(super) fn write_response_delay(&self) -> Duration {
        if self.has_defect(Defect::AnswersLate) { LATE_RESPONSE } else { Duration::ZERO }
    }

    /// Records a write. Returns whether the bulb loses it because it came too soon after others.
    pub(crate) fn loses_write(&mut self, now: Duration) -> bool {
        let loses_quick = self.has_defect(Defect::LosesQuickWrites);
        let loses_bursts = self.has_defect(Defect::LosesLongBursts);
        let Some(open) = &mut self.link else { return false };
        let since =
            open.last_write.replace(now).map_or(Duration::MAX, |previous| now.saturating_sub(previous));
        open.burst = if since < BURST_PAUSE { open.burst.saturating_add(1) } else { 0 };
        (loses_quick && since < QUICK_WRITE) || (loses_bursts && open.burst >= QUEUE)
    }

    pub(crate) fn is_mute(&self, now: Duration) -> bool {
        let connected_at = self.link.as_ref().map_or(now, |open| open.connected_at);
        self.has_defect(Defect::MuteAfterAMinute) && now.saturating_sub(connected_at) >= MUTE_AFTER
    }

    /// Resets the bulb after a link ended, if it forgets its state then.
    pub(crate) fn reset_after_disconnect(&mut self) {
        if !self.has_defect(Defect::ForgetsOnDisconnect) {
            return;
        }
        if let Some(bulb) = &mut self.spec.bulb {
            bulb.virtual_bulb.set(bulb.start.clone());
        }
    }

    /// The frame that the firmware makes of a written value. [`Defect::TakesMalformed`] turns any bytes into a frame of
    /// the base protocol.
    pub(super) fn accepted_frame(&self, value: &[u8]) -> Vec<u8> {
        let mut value = value.to_vec();
        if self.has_defect(Defect::TakesMalformed) {
            value.resize(5, 0);
            if let [power, brightness, ..] = value.as_mut_slice() {
                *power = (*power).min(1);
                *brightness = (*brightness).min(100);
            }
        }
        value
    }

    /// Applies the defects that change the state after a command.
    pub(super) fn apply_command_defects(&mut self, previous: Light, outcome: WriteOutcome) {
        if outcome != WriteOutcome::Applied {
            return;
        }
        let [zero_is_off, black_is_off, forgets_color, stays_on] =
            [Defect::ZeroIsOff, Defect::BlackIsOff, Defect::OffForgetsColor, Defect::StaysOn]
                .map(|defect| self.has_defect(defect));
        let mut ignored = vec![
            (Defect::IgnoresWhite, Feature::White),
            (Defect::IgnoresKelvin, Feature::Kelvin),
            (Defect::IgnoresEffects, Feature::Effect),
        ];
        ignored.retain(|(defect, _)| self.has_defect(*defect));
        if let Some(bulb) = self.virtual_bulb() {
            let mut light = bulb.light().clone();
            if stays_on && previous.power == Some(true) {
                light.power = Some(true);
            }
            if (zero_is_off && light.brightness == Some(Percent::MIN))
                || (black_is_off && light.color == Some(Rgb::new(0, 0, 0)))
            {
                light.power = Some(false);
            }
            if forgets_color && light.power == Some(false) {
                light.color = Some(Rgb::WHITE);
            }
            if ignored.iter().any(|(_, feature)| shows_other(&light, &previous, *feature)) {
                light = previous.clone();
            }
            bulb.set(light);
        }
        self.previous_light = Some(previous);
    }

    pub(super) fn reported_light(&self) -> Option<Light> {
        let mut light = self.bulb()?.virtual_bulb.light().clone();
        if self.has_defect(Defect::OneBehind) {
            light = self.previous_light.clone().unwrap_or(light);
        }
        if self.has_defect(Defect::SwapsRedAndBlue) {
            light.color = light.color.map(|color| Rgb::new(color.blue, color.green, color.red));
        }
        Some(light)
    }

    /// Applies the defects that change the bytes of a status frame.
    pub(super) fn apply_status_defects(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if let (true, Some(brightness)) = (self.has_defect(Defect::Brightness255), bytes.get_mut(1)) {
            *brightness = u8::try_from(u16::from(*brightness) * 255 / 100).unwrap_or(u8::MAX);
        }
        if self.has_defect(Defect::ShortReports) {
            bytes.pop();
        }
        if self.has_defect(Defect::LongReports) {
            bytes.push(0);
        }
        bytes
    }
}

/// Returns true if a command changed this feature, or made the bulb show it.
fn shows_other(light: &Light, previous: &Light, feature: Feature) -> bool {
    let one = Features::NONE.with(feature);
    light.only(one) != previous.only(one) || (light.mode != previous.mode && light.mode == feature.mode())
}
