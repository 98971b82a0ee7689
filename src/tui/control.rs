//! The controls of bulbs: which of them a profile gives, and what their values are.

use bulb_protocol::profile::{Item, Light, Profile};
use bulb_protocol::{Percent, Rgb};

use super::device::Device;
use super::model::Model;
use crate::bulb::Change;
use crate::radio::DeviceId;

/// Kelvin are set in steps of so many: fewer nobody sees.
const KELVIN_STEP: u16 = 50;

/// A control of the selected bulb.
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

impl Control {
    /// In the order in which they are shown.
    const ALL: [Self; 14] = [
        Self::Power,
        Self::Brightness,
        Self::White,
        Self::Kelvin,
        Self::Effect,
        Self::Speed,
        Self::Red,
        Self::Green,
        Self::Blue,
        Self::Hue,
        Self::Saturation,
        Self::Color,
        Self::Presets,
        Self::Recent,
    ];

    /// What a profile has to be able to set for it.
    pub(crate) const fn item(self) -> Item {
        match self {
            Self::Power => Item::Power,
            Self::Brightness => Item::Brightness,
            Self::White => Item::White,
            Self::Kelvin => Item::Kelvin,
            Self::Effect => Item::Effect,
            Self::Speed => Item::Speed,
            Self::Red | Self::Green | Self::Blue => Item::Color,
            Self::Hue | Self::Saturation | Self::Color | Self::Presets | Self::Recent => Item::Color,
        }
    }

    /// What it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Power => "Power",
            Self::Brightness => "Brightness",
            Self::White => "White",
            Self::Kelvin => "Kelvin",
            Self::Effect => "Effect",
            Self::Speed => "Speed",
            Self::Red => "Red",
            Self::Green => "Green",
            Self::Blue => "Blue",
            Self::Hue => "Hue",
            Self::Saturation => "Saturation",
            Self::Color => "Colour",
            Self::Presets => "Presets",
            Self::Recent => "Recent",
        }
    }

    /// What stands after its number.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Brightness | Self::White | Self::Speed | Self::Saturation => " %",
            Self::Kelvin => "K",
            Self::Hue => "°",
            _ => "",
        }
    }

    /// Whether it is a track with a knob.
    pub(crate) const fn is_slider(self) -> bool {
        !matches!(self, Self::Power | Self::Effect | Self::Color | Self::Presets | Self::Recent)
    }

    /// By how much one press of a key moves it.
    pub(crate) const fn step(self) -> u16 {
        if matches!(self, Self::Kelvin) { KELVIN_STEP } else { 1 }
    }
}

/// The controls that a device offers: those of the profile that drives it or that its advertisements speak for. None as long as
/// nothing is known of it, and once it turned out to be nothing that can be driven.
pub(crate) fn controls(device: &Device) -> Vec<Control> {
    let Some(profile) = device.can.as_deref().filter(|_| device.refusal.is_none()) else {
        return Vec::new();
    };
    let can = profile.settable();
    Control::ALL.into_iter().filter(|control| can.contains(control.item())).collect()
}

/// The controls of the pane: those of the selected bulb, or, while some are marked, what any of these can do.
pub(crate) fn offered(model: &Model) -> Vec<Control> {
    if model.marked.is_empty() {
        return model.current().map(controls).unwrap_or_default();
    }
    let marked = model.marked.iter().filter_map(|id| model.devices.get(id));
    let any: Vec<Control> = marked.flat_map(controls).collect();
    Control::ALL.into_iter().filter(|control| any.contains(control)).collect()
}

/// Whether the device has this control.
pub(crate) fn offers(device: &Device, control: Control) -> bool {
    let can = device.can.as_deref().filter(|_| device.refusal.is_none());
    can.is_some_and(|profile| profile.settable().contains(control.item()))
}

/// The bulb whose value a control shows: the selected one, or the first of those that changes go to; one that has the control
/// before one that lacks it, and one whose link is up before one whose is not.
pub(crate) fn leader(model: &Model, control: Control) -> Option<&Device> {
    let targets = model.targets();
    let selected = model.selected.as_ref().filter(|id| targets.contains(id));
    let all = || selected.into_iter().chain(&targets).filter_map(|id| model.devices.get(id));
    all()
        .find(|device| device.up() && offers(device, control))
        .or_else(|| all().find(|device| device.up()))
        .or_else(|| all().find(|device| offers(device, control)))
}

/// The value of a slider; nothing for controls that are none, and while it is unknown.
pub(crate) fn value(device: &Device, control: Control) -> Option<u16> {
    let light = device.light()?;
    let tint = || light.color.map(|color| device.tint.of(color));
    let percent = |percent: Option<Percent>| percent.map(|percent| u16::from(percent.get()));
    match control {
        Control::Brightness => percent(light.brightness),
        Control::White => percent(light.white),
        Control::Kelvin => light.kelvin,
        Control::Speed => percent(light.speed),
        Control::Red => light.color.map(|color| color.red.into()),
        Control::Green => light.color.map(|color| color.green.into()),
        Control::Blue => light.color.map(|color| color.blue.into()),
        Control::Hue => tint().map(|tint| tint.hue),
        Control::Saturation => tint().map(|tint| tint.saturation.into()),
        Control::Power | Control::Effect | Control::Color | Control::Presets | Control::Recent => None,
    }
}

/// The least and the most that a slider of this bulb can be.
pub(crate) fn range(device: &Device, control: Control) -> (u16, u16) {
    let own = device.can.as_deref().and_then(|profile| profile.range(control.item()));
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

/// From where a slider starts whose value is not known: white, at full brightness, neither warm nor cold, neither fast nor slow.
pub(crate) fn start(device: &Device, control: Control) -> u16 {
    let (least, most) = range(device, control);
    match control {
        Control::Hue | Control::Saturation => 0,
        Control::Kelvin | Control::Speed => on_step(control, least.midpoint(most), (least, most)),
        _ => most,
    }
}

/// The nearest value that the control's steps give within its range; both ends can be set whatever the steps are.
pub(crate) fn on_step(control: Control, value: u16, (least, most): (u16, u16)) -> u16 {
    if value <= least || value >= most {
        return value.clamp(least, most);
    }
    let step = control.step();
    let whole = (u32::from(value) + u32::from(step) / 2) / u32::from(step) * u32::from(step);
    u16::try_from(whole).unwrap_or(most).clamp(least, most)
}

/// The change that brings a slider to a value; remembers the tint that was meant.
pub(crate) fn to_value(device: &mut Device, control: Control, value: u16) -> Option<Change> {
    let color = device.light().and_then(|light| light.color).unwrap_or(Rgb::WHITE);
    let byte = u8::try_from(value).unwrap_or(u8::MAX);
    let percent = Some(Percent::clamped(byte));
    let tint = device.tint.of(color);
    let colored = |color| Some(Change { color: Some(color), ..Change::default() });
    match control {
        Control::Brightness => Some(Change { brightness: percent, ..Change::default() }),
        Control::White => Some(Change { white: percent, ..Change::default() }),
        Control::Kelvin => Some(Change { kelvin: Some(value), ..Change::default() }),
        Control::Speed => Some(Change { speed: percent, ..Change::default() }),
        Control::Red => colored(Rgb { red: byte, ..color }),
        Control::Green => colored(Rgb { green: byte, ..color }),
        Control::Blue => colored(Rgb { blue: byte, ..color }),
        Control::Hue => {
            device.tint = tint;
            colored(device.tint.apply(value, tint.saturation, color))
        }
        Control::Saturation => {
            device.tint = tint;
            colored(device.tint.apply(tint.hue, byte, color))
        }
        Control::Power | Control::Effect | Control::Color | Control::Presets | Control::Recent => None,
    }
}

/// Whether the control can be used as the lamp is at present: some lamps take a speed only while they show an effect.
pub(crate) fn takes(device: &Device, control: Control) -> bool {
    use bulb_protocol::profile::Refusal;
    let Some(profile) = device.can.as_deref() else { return false };
    let middle = Some(Percent::clamped(50));
    let change = match control {
        Control::Brightness => Light { brightness: middle, ..Light::default() },
        Control::Speed => Light { speed: middle, ..Light::default() },
        _ => return true,
    };
    let known = device.light().cloned().unwrap_or_default();
    !matches!(profile.encode(&change, &known, 0), Err(Refusal::WrongMode { .. }))
}

/// The effects of a profile: those with names, then those that go by their number.
pub(crate) fn effects_of(profile: &Profile) -> impl Iterator<Item = String> {
    let numbered = profile.numbered_effects().map(|(first, last)| first..=last);
    profile
        .effects()
        .map(str::to_owned)
        .chain(numbered.into_iter().flatten().map(|number| number.to_string()))
}

/// The effects of the bulbs that changes go to, and how many of these have each.
pub(crate) fn effects(model: &Model) -> Vec<(String, usize)> {
    let mut all: Vec<(String, usize)> = Vec::new();
    let mut profiles: Vec<(&Profile, usize)> = Vec::new();
    let ids: Vec<DeviceId> = model.targets();
    for device in ids.iter().filter_map(|id| model.devices.get(id)).filter(|d| offers(d, Control::Effect)) {
        let Some(profile) = device.can.as_deref() else { continue };
        // Several bulbs of one family have the same.
        match profiles.iter_mut().find(|(known, _)| std::ptr::eq(*known, profile)) {
            Some((_, count)) => *count += 1,
            None => profiles.push((profile, 1)),
        }
    }
    for (profile, count) in profiles {
        for effect in effects_of(profile) {
            match all.iter_mut().find(|(known, _)| *known == effect) {
                Some((_, have)) => *have += count,
                None => all.push((effect, count)),
            }
        }
    }
    all
}

/// The effects that the list of them shows.
pub(crate) fn effects_shown(model: &Model) -> Vec<(String, usize)> {
    let mut all = effects(model);
    all.retain(|(name, _)| name.contains(&model.effect_filter));
    all
}
