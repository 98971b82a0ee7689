//! Colours of light on a screen: the palette of terminals, and white by its temperature.

use bulb_protocol::Rgb;

/// Returns the colour of white light: 2000 K is candle light, 6500 K and more is daylight.
pub(crate) fn kelvin_color(kelvin: u16) -> Rgb {
    let cold = (f32::from(kelvin.clamp(2000, 6500)) - 2000.0) / 4500.0;
    Rgb::new(255, to_u8(137.0 + 118.0 * cold), to_u8(14.0 + 241.0 * cold))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range")]
pub(crate) fn to_u8(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// Returns the index of the nearest colour of xterm's palette in this range.
pub(crate) fn nearest(rgb: Rgb, among: std::ops::Range<u16>) -> u8 {
    let indices = among.filter_map(|index| u8::try_from(index).ok());
    indices.min_by_key(|&index| distance(rgb, xterm(index))).unwrap_or_default()
}

/// Returns the difference between two colours, by the "redmean" approximation.
fn distance(a: Rgb, b: Rgb) -> i32 {
    let delta = |a: u8, b: u8| i32::from(a) - i32::from(b);
    let mean = (i32::from(a.red) + i32::from(b.red)) / 2;
    let (red, green, blue) = (delta(a.red, b.red), delta(a.green, b.green), delta(a.blue, b.blue));
    (((512 + mean) * red * red) >> 8) + 4 * green * green + (((767 - mean) * blue * blue) >> 8)
}

/// Returns a colour of xterm's palette: 16 named colours, a 6×6×6 cube, 24 greys.
fn xterm(index: u8) -> Rgb {
    const NAMED: [Rgb; 16] = [
        Rgb::new(0, 0, 0),
        Rgb::new(205, 0, 0),
        Rgb::new(0, 205, 0),
        Rgb::new(205, 205, 0),
        Rgb::new(0, 0, 238),
        Rgb::new(205, 0, 205),
        Rgb::new(0, 205, 205),
        Rgb::new(229, 229, 229),
        Rgb::new(127, 127, 127),
        Rgb::new(255, 0, 0),
        Rgb::new(0, 255, 0),
        Rgb::new(255, 255, 0),
        Rgb::new(92, 92, 255),
        Rgb::new(255, 0, 255),
        Rgb::new(0, 255, 255),
        Rgb::new(255, 255, 255),
    ];
    if let Some(&named) = NAMED.get(usize::from(index)) {
        return named;
    }
    if let Some(grey) = index.checked_sub(232) {
        let level = 8 + 10 * grey;
        return Rgb::new(level, level, level);
    }
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    let cube = index.saturating_sub(16);
    Rgb::new(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
}
