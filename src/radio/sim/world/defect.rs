//! What is wrong with a board's firmware: how it takes writes otherwise than it should, and what it makes of its reports.

use std::time::Duration;

use bulb_protocol::profile::{Light, Reaction, VirtualBulb};
use bulb_protocol::{Percent, Rgb};

use super::peer::Peer;
use crate::radio::sim::rig::Defect;

/// How long after a write another one is lost.
const BUSY: Duration = Duration::from_millis(20);
/// How late an answer is.
const LATE: Duration = Duration::from_millis(200);
/// When it falls silent.
const MUTE: Duration = Duration::from_secs(60);

impl Peer {
    pub(super) fn has(&self, defect: Defect) -> bool {
        self.bulb().is_some_and(|bulb| bulb.defects.contains(&defect))
    }

    /// How much later than it is carried out a write is answered.
    pub(super) fn late(&self) -> Duration {
        if self.has(Defect::AnswersLate) { LATE } else { Duration::ZERO }
    }

    /// Whether a write is lost as it comes too soon after another.
    pub(super) fn is_busy(&mut self, now: Duration) -> bool {
        let busy = self.has(Defect::LosesQuickWrites);
        let Some(up) = &mut self.link else { return false };
        let before = up.written.replace(now);
        busy && before.is_some_and(|before| now.saturating_sub(before) < BUSY)
    }

    /// Whether it notifies nothing any more.
    pub(super) fn is_mute(&self, now: Duration) -> bool {
        let since = self.link.as_ref().map_or(now, |up| up.since);
        self.has(Defect::MuteAfterAMinute) && now.saturating_sub(since) >= MUTE
    }

    /// A link ends.
    pub(super) fn forget(&mut self) {
        if !self.has(Defect::ForgetsOnDisconnect) {
            return;
        }
        if let Some(bulb) = &mut self.device.bulb {
            bulb.board.set(bulb.start.clone());
        }
    }

    /// A write as the firmware takes it.
    pub(super) fn bent(&self, value: &[u8]) -> Vec<u8> {
        let mut value = value.to_vec();
        if self.has(Defect::TakesMalformed) {
            value.resize(5, 0);
            if let [power, brightness, ..] = value.as_mut_slice() {
                *power = (*power).min(1);
                *brightness = (*brightness).min(100);
            }
        }
        value
    }

    /// What is wrong after a command was carried out.
    pub(super) fn carried_out(&mut self, before: Light, reaction: Reaction) {
        let (zero, black) = (self.has(Defect::ZeroIsOff), self.has(Defect::BlackIsOff));
        let (forgets, stays) = (self.has(Defect::OffForgetsColor), self.has(Defect::StaysOn));
        if reaction != Reaction::Obeyed {
            return;
        }
        if let Some(board) = self.board() {
            let mut light = board.light().clone();
            if stays && before.power == Some(true) {
                light.power = Some(true);
            }
            if (zero && light.brightness == Some(Percent::MIN))
                || (black && light.color == Some(Rgb::new(0, 0, 0)))
            {
                light.power = Some(false);
            }
            if forgets && light.power == Some(false) {
                light.color = Some(Rgb::WHITE);
            }
            board.set(light);
        }
        self.before = Some(before);
    }

    /// The board as its reports show it.
    pub(super) fn shown(&self) -> Option<VirtualBulb> {
        let mut board = self.bulb()?.board.clone();
        let mut light = board.light().clone();
        if self.has(Defect::OneBehind) {
            light = self.before.clone().unwrap_or(light);
        }
        if self.has(Defect::SwapsRedAndBlue) {
            light.color = light.color.map(|color| Rgb::new(color.blue, color.green, color.red));
        }
        board.set(light);
        Some(board)
    }

    /// The bytes of a report as they are sent.
    pub(super) fn marred(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if let (true, Some(brightness)) = (self.has(Defect::Brightness255), bytes.get_mut(1)) {
            *brightness = u8::try_from(u16::from(*brightness) * 255 / 100).unwrap_or(u8::MAX);
        }
        if self.has(Defect::ShortReports) {
            bytes.pop();
        }
        if self.has(Defect::LongReports) {
            bytes.push(0);
        }
        bytes
    }
}
