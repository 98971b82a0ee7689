//! Controls of bulbs: which ones a profile offers, and their values and ranges.

use std::collections::HashMap;

use bulb_protocol::Rgb;
use bulb_protocol::profile::{Feature, Features, Light, Profile};

use super::device::Device;
use super::effects::EffectList;
use super::model::Model;
use crate::bulb::Change;

/// Step of the kelvin slider. Smaller steps are not visible.
const KELVIN_STEP: u16 = 50;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Control {
    #[default]
    Power,
    Brightness,
    White,
    Kelvin,
    Effect,
    Speed,
    Red,
    Green,
    Blue,
    Hue,
    Saturation,
    Color,
    Presets,
    Recent,
}

/// The controls in display order, with their names and the items that the profile must be able to set.
const CONTROLS: [(Control, &str, Feature); 14] = [
    (Control::Power, "Power", Feature::Power),
    (Control::Brightness, "Brightness", Feature::Brightness),
    (Control::White, "White", Feature::White),
    (Control::Kelvin, "Kelvin", Feature::Kelvin),
    (Control::Effect, "Effect", Feature::Effect),
    (Control::Speed, "Speed", Feature::Speed),
    (Control::Red, "Red", Feature::Color),
    (Control::Green, "Green", Feature::Color),
    (Control::Blue, "Blue", Feature::Color),
    (Control::Hue, "Hue", Feature::Color),
    (Control::Saturation, "Saturation", Feature::Color),
    (Control::Color, "Colour", Feature::Color),
    (Control::Presets, "Presets", Feature::Color),
    (Control::Recent, "Recent", Feature::Color),
];

impl Control {
    fn entry(self) -> (&'static str, Feature) {
        let entry = CONTROLS.into_iter().find(|(control, ..)| *control == self);
        entry.map_or(("", Feature::Power), |(_, name, item)| (name, item))
    }

    pub(crate) fn item(self) -> Feature {
        self.entry().1
    }

    pub(crate) fn name(self) -> &'static str {
        self.entry().0
    }

    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Brightness | Self::White | Self::Speed | Self::Saturation => " %",
            Self::Kelvin => "K",
            Self::Hue => "°",
            _ => "",
        }
    }

    pub(crate) const fn is_slider(self) -> bool {
        !matches!(self, Self::Power | Self::Effect | Self::Color | Self::Presets | Self::Recent)
    }

    pub(crate) const fn step(self) -> u16 {
        if matches!(self, Self::Kelvin) { KELVIN_STEP } else { 1 }
    }
}

/// Returns the items that can be set on a device, by its confirmed or advertised profile. Empty if the
/// profile is unknown or the device turned out not to be a bulb.
fn settable(device: &Device) -> Features {
    let profile = device.profile.as_deref().filter(|_| device.refusal.is_none());
    profile.map_or(Features::NONE, Profile::settable)
}

/// Returns the controls in the pane: those of the selected bulb, or those that any marked bulb has.
pub(crate) fn visible_controls(model: &Model) -> Vec<Control> {
    let any = model.targets().fold(Features::NONE, |any, device| any.or(settable(device)));
    CONTROLS.into_iter().filter(|(_, _, item)| any.contains(*item)).map(|(control, ..)| control).collect()
}

pub(crate) fn has_control(device: &Device, control: Control) -> bool {
    settable(device).contains(control.item())
}

/// Returns the bulb whose value a control shows: the selected bulb if possible, else the first target.
/// Prefers bulbs that are connected and have the control.
pub(crate) fn shown_bulb(model: &Model, control: Control) -> Option<&Device> {
    let selected = model.selected_device().filter(|device| model.is_target(device));
    let (mut up, mut able) = (None, None);
    for device in selected.into_iter().chain(model.targets()) {
        let (is_up, is_able) = (device.is_connected(), has_control(device, control));
        if is_up && is_able {
            return Some(device);
        }
        up = up.or(is_up.then_some(device));
        able = able.or(is_able.then_some(device));
    }
    up.or(able)
}

pub(crate) fn value(device: &Device, control: Control) -> Option<u16> {
    let light = device.light()?;
    let tint = || light.color.map(|color| device.hue_saturation.for_color(color));
    match control {
        Control::Red => light.color.map(|color| color.red.into()),
        Control::Green => light.color.map(|color| color.green.into()),
        Control::Blue => light.color.map(|color| color.blue.into()),
        Control::Hue => tint().map(|tint| tint.hue),
        Control::Saturation => tint().map(|tint| tint.saturation.into()),
        control => light.number(control.item()),
    }
}

pub(crate) fn range(device: &Device, control: Control) -> (u16, u16) {
    let own = device.profile.as_deref().and_then(|profile| profile.range(control.item()));
    match control {
        Control::Hue => (0, 359),
        Control::Saturation => (0, 100),
        Control::Red | Control::Green | Control::Blue => (0, 255),
        _ => own.map_or((0, 100), |(least, most)| {
            let short = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
            (short(least), short(most))
        }),
    }
}

/// Returns the start value of a slider whose value is unknown: white, full brightness, the middle for kelvin
/// and speed.
pub(crate) fn default_value(device: &Device, control: Control) -> u16 {
    let (least, most) = range(device, control);
    match control {
        Control::Hue | Control::Saturation => 0,
        Control::Kelvin | Control::Speed => round_to_step(control, least.midpoint(most), (least, most)),
        _ => most,
    }
}

/// Rounds to the control's step. Minimum and maximum stay reachable.
pub(crate) fn round_to_step(control: Control, value: u16, (least, most): (u16, u16)) -> u16 {
    if value <= least || value >= most {
        return value.clamp(least, most);
    }
    let step = control.step();
    let whole = (u32::from(value) + u32::from(step) / 2) / u32::from(step) * u32::from(step);
    u16::try_from(whole).unwrap_or(most).clamp(least, most)
}

/// Returns the change that moves a slider to `value`. Stores hue and saturation in the device.
pub(crate) fn change_to(device: &mut Device, control: Control, value: u16) -> Option<Change> {
    let color = device.light().and_then(|light| light.color).unwrap_or(Rgb::WHITE);
    let byte = u8::try_from(value).unwrap_or(u8::MAX);
    let tint = device.hue_saturation.for_color(color);
    let colored = |color| Some(Change::from(Light { color: Some(color), ..Light::default() }));
    match control {
        Control::Brightness | Control::White | Control::Kelvin | Control::Speed => {
            Some(Light::default().with_number(control.item(), value).into())
        }
        Control::Red => colored(Rgb { red: byte, ..color }),
        Control::Green => colored(Rgb { green: byte, ..color }),
        Control::Blue => colored(Rgb { blue: byte, ..color }),
        Control::Hue => {
            device.hue_saturation = tint;
            colored(device.hue_saturation.apply(value, tint.saturation, color))
        }
        Control::Saturation => {
            device.hue_saturation = tint;
            colored(device.hue_saturation.apply(tint.hue, byte, color))
        }
        Control::Power | Control::Effect | Control::Color | Control::Presets | Control::Recent => None,
    }
}

/// Returns false if the bulb rejects the control in its present mode. Some bulbs accept a speed only during
/// an effect.
pub(crate) fn accepts_now(device: &Device, control: Control) -> bool {
    use bulb_protocol::profile::EncodeError;
    let Some(profile) = device.profile.as_deref() else { return false };
    if !matches!(control, Control::Brightness | Control::Speed) {
        return true;
    }
    let change = Light::default().with_number(control.item(), 50);
    let known = device.light().cloned().unwrap_or_default();
    !matches!(profile.encode(&change, &known, 0), Err(EncodeError::WrongMode { .. }))
}

pub(crate) fn effects(model: &Model) -> EffectList<'_> {
    // Bulbs of one family share a profile.
    let mut profiles: HashMap<*const Profile, (&Profile, usize)> = HashMap::new();
    let mut order = Vec::new();
    let targets = model.targets().filter(|device| has_control(device, Control::Effect));
    for profile in targets.filter_map(|device| device.profile.as_deref()) {
        let key = std::ptr::from_ref(profile);
        let (_, bulbs) = profiles.entry(key).or_insert_with(|| {
            order.push(key);
            (profile, 0)
        });
        *bulbs += 1;
    }
    EffectList::merge(order.iter().filter_map(|key| profiles.get(key).copied()))
}

pub(crate) fn effects_shown(model: &Model) -> EffectList<'_> {
    effects(model).filter(&model.effect_filter)
}
