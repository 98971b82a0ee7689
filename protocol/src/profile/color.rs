//! Conversions of colours: dimming, hue and saturation, CIE x and y.

use crate::{Percent, Rgb};

/// Dims a channel or a level: `value * percent / 100`, rounded to the nearest.
pub(crate) fn dim(value: u8, percent: Percent) -> u8 {
    let product = u32::from(value) * u32::from(percent.get());
    u8::try_from((product + 50) / 100).unwrap_or(u8::MAX)
}

/// Dims a colour channel by channel.
pub(crate) fn dimmed(color: Rgb, percent: Percent) -> Rgb {
    Rgb::new(dim(color.red, percent), dim(color.green, percent), dim(color.blue, percent))
}

/// Splits a dimmed colour into the colour with its strongest channel at 255, and the brightness. Black has no colour;
/// every other colour has a brightness of at least 1 %.
pub(crate) fn undimmed(color: Rgb) -> (Option<Rgb>, Percent) {
    let most = u32::from(color.red.max(color.green).max(color.blue));
    if most == 0 {
        return (None, Percent::MIN);
    }
    let percent = u8::try_from((most * 100 + 127) / 255).unwrap_or(100).clamp(1, 100);
    let full = |channel: u8| u8::try_from((u32::from(channel) * 255 + most / 2) / most).unwrap_or(u8::MAX);
    (Some(Rgb::new(full(color.red), full(color.green), full(color.blue))), Percent::clamped(percent))
}

/// Converts to a hue of 0 to 359 degrees and a saturation in percent. Grey has hue 0.
pub(crate) fn to_hue_saturation(color: Rgb) -> (u16, u8) {
    let [red, green, blue] = [color.red, color.green, color.blue].map(i32::from);
    let most = red.max(green).max(blue);
    let spread = most - red.min(green).min(blue);
    if spread == 0 {
        return (0, 0);
    }
    let (sector, difference) = if most == red {
        (0, green - blue)
    } else if most == green {
        (120, blue - red)
    } else {
        (240, red - green)
    };
    let degrees = sector + nearest(60 * difference, spread);
    let hue = u16::try_from(degrees.rem_euclid(360)).unwrap_or(0);
    (hue, u8::try_from(nearest(100 * spread, most)).unwrap_or(100))
}

/// Converts a hue in degrees and a saturation in percent to a colour with its strongest channel at 255. `None` if either
/// is out of range; 360 degrees are 0.
pub(crate) fn from_hue_saturation(hue: u32, saturation: u32) -> Option<Rgb> {
    if hue > 360 || saturation > 100 {
        return None;
    }
    let channel = |offset: u32| {
        // The distance from the channel's hue, 0 to 180 degrees: full up to 60, zero from 120.
        let away = (hue + offset) % 360;
        let away = away.min(360 - away).clamp(60, 120);
        let least = 255 * (100 - saturation);
        let share = (120 - away) * (25_500 - least) / 60 + least;
        u8::try_from((share + 50) / 100).unwrap_or(u8::MAX)
    };
    Some(Rgb::new(channel(0), channel(240), channel(120)))
}

fn nearest(number: i32, divisor: i32) -> i32 {
    (2 * number + divisor).div_euclid(2 * divisor)
}

/// Converts to CIE 1931 x and y, scaled to 0 to 65535, with the sRGB primaries and D65 (IEC 61966-2-1). Black is at the
/// white point.
pub(crate) fn to_xy(color: Rgb) -> (u16, u16) {
    let [red, green, blue] = [color.red, color.green, color.blue].map(linear);
    let x = 0.412_456_4 * red + 0.357_576_1 * green + 0.180_437_5 * blue;
    let y = 0.212_672_9 * red + 0.715_152_2 * green + 0.072_175 * blue;
    let z = 0.019_333_9 * red + 0.119_192 * green + 0.950_304_1 * blue;
    let sum = x + y + z;
    if sum <= 0.0 {
        return (20_493, 21_564);
    }
    (share(x / sum), share(y / sum))
}

/// Converts CIE 1931 x and y, scaled to 0 to 65535, to a colour with its strongest channel at 255. Channels outside sRGB
/// are clipped.
pub(crate) fn from_xy(x: u16, y: u16) -> Rgb {
    let (x, y) = (f64::from(x) / 65_535.0, f64::from(y) / 65_535.0);
    if y <= 0.0 {
        return Rgb::new(0, 0, 255);
    }
    let (big_x, big_z) = (x / y, (1.0 - x - y) / y);
    let linear = [
        3.240_454_2 * big_x - 1.537_138_5 - 0.498_531_4 * big_z,
        -0.969_266 * big_x + 1.876_010_8 + 0.041_556 * big_z,
        0.055_643_4 * big_x - 0.204_025_9 + 1.057_225_2 * big_z,
    ];
    let most = linear.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return Rgb::WHITE;
    }
    let [red, green, blue] = linear.map(|channel| gamma(channel / most));
    Rgb::new(red, green, blue)
}

fn linear(channel: u8) -> f64 {
    let share = f64::from(channel) / 255.0;
    if share <= 0.040_45 { share / 12.92 } else { libm::pow((share + 0.055) / 1.055, 2.4) }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range just before"
)]
fn gamma(linear: f64) -> u8 {
    let linear = linear.clamp(0.0, 1.0);
    let share =
        if linear <= 0.003_130_8 { linear * 12.92 } else { 1.055 * libm::pow(linear, 1.0 / 2.4) - 0.055 };
    libm::round(share * 255.0) as u8
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range just before"
)]
fn share(of_one: f64) -> u16 {
    libm::round(of_one.clamp(0.0, 1.0) * 65_535.0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: Rgb, b: Rgb, by: u8) -> bool {
        a.red.abs_diff(b.red) <= by && a.green.abs_diff(b.green) <= by && a.blue.abs_diff(b.blue) <= by
    }

    #[test]
    fn every_form_comes_back() {
        for red in (0..=255).step_by(17) {
            for green in (0..=255).step_by(15) {
                for blue in (0..=255).step_by(51) {
                    let color = Rgb::new(red, green, blue);
                    let (Some(full), percent) = undimmed(color) else { continue };
                    assert!(near(dimmed(full, percent), color, 3), "{color} dimmed");
                    let (hue, saturation) = to_hue_saturation(full);
                    let back = from_hue_saturation(u32::from(hue), u32::from(saturation)).unwrap();
                    assert!(near(back, full, 4), "{full} hue {hue} saturation {saturation}: {back}");
                    let (x, y) = to_xy(full);
                    assert!(near(from_xy(x, y), full, 1), "{full} {x} {y}: {}", from_xy(x, y));
                }
            }
        }
    }

    #[test]
    fn known_points() {
        assert_eq!(to_hue_saturation(Rgb::new(255, 136, 0)), (32, 100));
        assert_eq!(to_hue_saturation(Rgb::new(255, 0, 4)), (359, 100));
        assert_eq!(to_hue_saturation(Rgb::WHITE), (0, 0));
        assert_eq!(from_hue_saturation(240, 100), Some(Rgb::new(0, 0, 255)));
        assert_eq!(from_hue_saturation(361, 100), None);
        assert_eq!(to_xy(Rgb::WHITE), to_xy(Rgb::new(1, 1, 1)));
    }

    /// The primaries are those of the standard: red at 0.64 and 0.33, green at 0.30 and 0.60, blue at 0.15 and 0.06. The
    /// others were computed without this code. Channels up to 10 are on the straight part of the curve.
    #[test]
    fn colours_are_where_the_standard_has_them() {
        for (color, place) in [
            (Rgb::new(255, 0, 0), (41_942, 21_627)),
            (Rgb::new(0, 255, 0), (19_661, 39_321)),
            (Rgb::new(0, 0, 255), (9_830, 3_932)),
            (Rgb::new(255, 136, 0), (34_971, 27_163)),
            (Rgb::new(128, 0, 255), (13_159, 5_766)),
            (Rgb::new(255, 5, 0), (41_880, 21_676)),
            (Rgb::new(10, 255, 5), (19_682, 39_238)),
        ] {
            assert_eq!(to_xy(color), place, "{color}");
            assert!(near(from_xy(place.0, place.1), color, 1), "{color}: {}", from_xy(place.0, place.1));
        }
    }
}
