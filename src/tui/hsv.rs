//! Hue and saturation of colours that are stored as red, green and blue.

use bulb_protocol::Rgb;
use csscolorparser::Color;

use super::style::to_u8;

/// Hue (0 to 359 degrees) and saturation (0 to 100 percent) of a colour. Grey has no hue and black has
/// neither, so the values that led to a colour are kept with it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct HueSaturation {
    pub(crate) hue: u16,
    pub(crate) saturation: u8,
    source: Option<Rgb>,
}

impl HueSaturation {
    /// Returns hue and saturation of a colour. Keeps the present values if they led to this colour, and the
    /// hue if the colour is grey.
    pub(crate) fn for_color(self, color: Rgb) -> Self {
        if self.source == Some(color) {
            return self;
        }
        let [hue, saturation, value, _] = css(color).to_hsva();
        let hue = if saturation > 0.0 && value > 0.0 { whole(hue) % 360 } else { self.hue };
        Self { hue, saturation: to_u8(saturation * 100.0), source: Some(color) }
    }

    /// Sets hue and saturation and returns the colour, as bright as `like`. Black becomes full brightness, as
    /// it would show no hue.
    pub(crate) fn apply(&mut self, hue: u16, saturation: u8, like: Rgb) -> Rgb {
        let value = like.red.max(like.green).max(like.blue);
        let color = rgb(hue, saturation, if value == 0 { 255 } else { value });
        *self = Self { hue, saturation, source: Some(color) };
        color
    }
}

/// Converts hue, saturation (percent) and value (0 to 255) to a colour.
pub(crate) fn rgb(hue: u16, saturation: u8, value: u8) -> Rgb {
    let color = Color::from_hsva(
        f32::from(hue % 360),
        f32::from(saturation.min(100)) / 100.0,
        f32::from(value) / 255.0,
        1.0,
    );
    let [red, green, blue, _] = color.to_rgba8();
    Rgb::new(red, green, blue)
}

fn css(color: Rgb) -> Color {
    Color::from_rgba8(color.red, color.green, color.blue, 255)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a hue is in 0..=360")]
fn whole(hue: f32) -> u16 {
    hue.round().clamp(0.0, 360.0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hue_can_be_walked_through_a_degree_at_a_time() {
        let mut tint = HueSaturation::default();
        let mut color = Rgb::new(3, 0, 0);
        for hue in (0..360).chain(0..10) {
            tint = tint.for_color(color);
            color = tint.apply(hue, 100, color);
            tint = tint.for_color(color);
            assert_eq!((tint.hue, tint.saturation), (hue, 100));
        }
    }

    #[test]
    fn a_grey_keeps_the_hue_that_it_came_from() {
        let tint = HueSaturation::default().for_color(Rgb::new(0, 0, 255));
        assert_eq!((tint.hue, tint.saturation), (240, 100));
        let grey = tint.for_color(Rgb::new(9, 9, 9));
        assert_eq!((grey.hue, grey.saturation), (240, 0));
        assert_eq!(HueSaturation::default().apply(120, 100, Rgb::new(0, 0, 0)), Rgb::new(0, 255, 0));
    }
}
