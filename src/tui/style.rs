//! Colours and text styles.
//!
//! Text uses the terminal's own colours. Accents come from its palette, which fits light and dark
//! backgrounds. Only previews of
//! light use exact colours.

use bulb_protocol::Rgb;
use bulb_protocol::profile::{Light, Mode};
use ratatui::style::{Color, Modifier, Style};

use crate::palette::nearest;
pub(crate) use crate::palette::{kelvin_color, to_u8};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: `NO_COLOR`, `TERM=dumb`, or `--color never`.
    None,
    Sixteen,
    Indexed,
    /// 24-bit colours.
    #[default]
    True,
}

impl Depth {
    /// Detects the colours from `NO_COLOR` (no-color.org), `COLORTERM` and `TERM`.
    pub fn detect(env: impl Fn(&str) -> Option<String>) -> Self {
        let term = env("TERM").unwrap_or_default();
        if env("NO_COLOR").is_some_and(|value| !value.is_empty()) || term == "dumb" {
            return Self::None;
        }
        let colors = env("COLORTERM").unwrap_or_default();
        if colors == "truecolor" || colors == "24bit" || term.ends_with("-direct") || cfg!(windows) {
            Self::True
        } else if term.contains("256color") {
            Self::Indexed
        } else {
            Self::Sixteen
        }
    }

    pub(crate) fn color(self, rgb: Rgb) -> Color {
        match self {
            Self::None => Color::Reset,
            Self::Sixteen => Color::Indexed(nearest(rgb, 0..16)),
            Self::Indexed => Color::Indexed(nearest(rgb, 16..256)),
            Self::True => Color::Rgb(rgb.red, rgb.green, rgb.blue),
        }
    }

    pub(crate) fn light_style(self, rgb: Rgb) -> Style {
        Style::new().fg(self.color(rgb))
    }
}

/// The colours of a theme. `Reset` is the terminal's own colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colors {
    accent: Color,
    success: Color,
    failure: Color,
    attention: Color,
    /// Background of the selected row.
    selection: Color,
    /// Lines of graphs.
    series: [Color; 6],
}

/// The built-in themes. The first one fits every background.
pub(crate) const BUILT_IN: [(&str, Colors); 4] = [
    (
        "terminal",
        Colors {
            accent: Color::Cyan,
            success: Color::Green,
            failure: Color::Red,
            attention: Color::Magenta,
            selection: Color::Reset,
            series: [Color::Cyan, Color::Magenta, Color::Yellow, Color::Green, Color::Blue, Color::Red],
        },
    ),
    (
        "dark",
        Colors {
            accent: Color::Rgb(0x7d, 0xcf, 0xff),
            success: Color::Rgb(0x9e, 0xce, 0x6a),
            failure: Color::Rgb(0xf7, 0x76, 0x8e),
            attention: Color::Rgb(0xbb, 0x9a, 0xf7),
            selection: Color::Rgb(0x29, 0x2e, 0x42),
            series: [
                Color::Rgb(0x7d, 0xcf, 0xff),
                Color::Rgb(0xff, 0x9e, 0x64),
                Color::Rgb(0x9e, 0xce, 0x6a),
                Color::Rgb(0xbb, 0x9a, 0xf7),
                Color::Rgb(0xe0, 0xaf, 0x68),
                Color::Rgb(0xf7, 0x76, 0x8e),
            ],
        },
    ),
    (
        "light",
        Colors {
            accent: Color::Rgb(0x00, 0x5f, 0x87),
            success: Color::Rgb(0x3a, 0x6b, 0x12),
            failure: Color::Rgb(0xb0, 0x1f, 0x35),
            attention: Color::Rgb(0x79, 0x3f, 0xa8),
            selection: Color::Rgb(0xd7, 0xe3, 0xee),
            series: [
                Color::Rgb(0x00, 0x5f, 0x87),
                Color::Rgb(0xb3, 0x5a, 0x00),
                Color::Rgb(0x3a, 0x6b, 0x12),
                Color::Rgb(0x79, 0x3f, 0xa8),
                Color::Rgb(0x7a, 0x62, 0x00),
                Color::Rgb(0xb0, 0x1f, 0x35),
            ],
        },
    ),
    (
        "mono",
        Colors {
            accent: Color::Reset,
            success: Color::Reset,
            failure: Color::Reset,
            attention: Color::Reset,
            selection: Color::Reset,
            series: [Color::Reset; 6],
        },
    ),
];

impl Default for Colors {
    fn default() -> Self {
        let [(_, first), ..] = BUILT_IN;
        first
    }
}

impl Colors {
    pub(crate) const NAMES: [&'static str; 6] =
        ["accent", "success", "failure", "attention", "selection", "graph"];

    /// Sets a colour by its name. Returns false if there is none of that name.
    pub(crate) fn set(&mut self, name: &str, color: Color) -> bool {
        match name {
            "accent" => self.accent = color,
            "success" => self.success = color,
            "failure" => self.failure = color,
            "attention" => self.attention = color,
            "selection" => self.selection = color,
            "graph" => {
                let [first, ..] = &mut self.series;
                *first = color;
            }
            _ => return false,
        }
        true
    }
}

/// Reads a colour of a theme: a name of the terminal's palette, a number of it, or `#ff8800`.
pub(crate) fn parse_color(text: &str) -> Option<Color> {
    let hex = text.strip_prefix('#').is_none_or(|digits| digits.len() == 6);
    text.parse().ok().filter(|_| hex)
}

/// Colours for what this terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Theme {
    pub(crate) depth: Depth,
    pub(crate) colors: Colors,
}

impl Theme {
    /// Style of text in a colour of the theme, with a modifier for terminals without colours.
    fn accented(self, color: Color, otherwise: Modifier) -> Style {
        if self.depth == Depth::None {
            return Style::new().add_modifier(otherwise);
        }
        let style = Style::new().fg(self.shown(color));
        if color == Color::Reset { style.add_modifier(otherwise) } else { style }
    }

    /// The nearest colour that the terminal has.
    fn shown(self, color: Color) -> Color {
        match (self.depth, color) {
            (Depth::None, _) => Color::Reset,
            (_, Color::Rgb(red, green, blue)) => self.depth.color(Rgb::new(red, green, blue)),
            (Depth::Sixteen, Color::Indexed(16..)) => Color::Reset,
            (_, color) => color,
        }
    }

    pub(crate) fn light_style(self, rgb: Rgb) -> Style {
        self.depth.light_style(rgb)
    }

    /// Style of what has the focus.
    pub(crate) fn accent(self) -> Style {
        self.accented(self.colors.accent, Modifier::BOLD)
    }

    pub(crate) fn success(self) -> Style {
        self.accented(self.colors.success, Modifier::empty())
    }

    pub(crate) fn failure(self) -> Style {
        self.accented(self.colors.failure, Modifier::BOLD).add_modifier(Modifier::BOLD)
    }

    /// Style for what needs attention but is not an error.
    pub(crate) fn attention(self) -> Style {
        self.accented(self.colors.attention, Modifier::BOLD)
    }

    /// Style of the selected row. Colours of the row itself stay.
    pub(crate) fn selection(self) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match self.shown(self.colors.selection) {
            Color::Reset => bold,
            color => bold.bg(color),
        }
    }

    /// Style of the line of a graph.
    pub(crate) fn series(self, index: usize) -> Style {
        let series = self.colors.series;
        let color = series.get(index % series.len()).copied().unwrap_or_default();
        Style::new().fg(self.shown(color))
    }
}

pub(crate) fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

pub(crate) fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

pub(crate) fn cursor() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// Colour of a bulb that is off: the dark grey of the original client.
pub(crate) const OFF_COLOR: Rgb = Rgb::new(0x33, 0x33, 0x33);

/// Returns the colour of a bulb's light on the screen. The eye sees half the light as three quarters of the
/// brightness, so channels scale with the square root.
pub(crate) fn displayed_color(light: &Light) -> Rgb {
    if light.power == Some(false) {
        return OFF_COLOR;
    }
    let percent = light.brightness.or(light.white.filter(|_| light.mode == Some(Mode::White)));
    let factor = (f32::from(percent.map_or(100, bulb_protocol::Percent::get)) / 100.0).sqrt();
    let scale = |channel: u8| to_u8(f32::from(channel) * factor);
    let color = base_color(light);
    Rgb::new(scale(color.red), scale(color.green), scale(color.blue))
}

/// Returns the colour of the light without its brightness. White is warmer with fewer kelvin.
pub(crate) fn base_color(light: &Light) -> Rgb {
    match (light.mode, light.kelvin) {
        (Some(Mode::White), Some(kelvin)) => kelvin_color(kelvin),
        (Some(Mode::White), None) => Rgb::WHITE,
        _ => light.color.unwrap_or(Rgb::WHITE),
    }
}

#[cfg(test)]
mod tests {
    use bulb_protocol::Percent;

    use super::*;

    #[test]
    fn the_environment_says_what_a_terminal_shows() {
        let detect = |env: &[(&str, &str)]| {
            Depth::detect(|name| {
                env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(detect(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(detect(&[("TERM", "screen-256color")]), Depth::Indexed);
        assert_eq!(detect(&[("TERM", "xterm")]), Depth::Sixteen);
        assert_eq!(detect(&[("TERM", "dumb"), ("COLORTERM", "truecolor")]), Depth::None);
        assert_eq!(detect(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), Depth::None);
        assert_eq!(detect(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]), Depth::Indexed);
    }

    #[test]
    fn every_depth_shows_the_nearest_that_it_has() {
        let orange = Rgb::new(0xff, 0x88, 0x00);
        assert_eq!(Depth::True.color(orange), Color::Rgb(0xff, 0x88, 0));
        assert_eq!(Depth::Indexed.color(orange), Color::Indexed(208));
        assert_eq!(Depth::Sixteen.color(Rgb::new(250, 3, 3)), Color::Indexed(9));
        assert_eq!(Depth::None.color(orange), Color::Reset);
    }

    #[test]
    fn light_is_darker_with_less_brightness_and_grey_when_off() {
        let color = Some(Rgb::new(200, 100, 0));
        let light =
            Light { power: Some(true), brightness: Some(Percent::clamped(25)), color, ..Light::default() };
        assert_eq!(displayed_color(&light), Rgb::new(100, 50, 0));
        assert_eq!(displayed_color(&Light { power: Some(false), ..light.clone() }), OFF_COLOR);
        assert_eq!(
            displayed_color(&Light { brightness: Some(Percent::MIN), ..light.clone() }),
            Rgb::new(0, 0, 0)
        );
    }
}
