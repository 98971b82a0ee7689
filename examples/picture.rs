//! Draws the picture of the TUI for README.md: a session on the sim radio, printed as SVG. `cargo xtask
//! picture` saves it as docs/tui.svg.
//!
//! It uses Tokio's paused clock, so the picture is always the same and is ready at once.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::Rgb;
use bulbctl::Error;
use bulbctl::config::Config;
use bulbctl::error::Result;
use bulbctl::radio::sim::{self, SimOptions};
use bulbctl::tui::{Desk, Event, Options, Settings, Setup, view};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use futures::FutureExt;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// Columns and rows of the picture.
const SIZE: (u16, u16) = (138, 39);
/// Size of a cell in pixels.
const CELL: (u16, u16) = (9, 20);
const MARGIN: u16 = 14;
const PAPER: Rgb = Rgb::new(0x1a, 0x1b, 0x26);
const INK: Rgb = Rgb::new(0xc8, 0xcc, 0xdc);

/// Bulbs of different families, and the keys that set their light. `+` switches on.
const NAMES: [(&str, &str); 6] = [
    ("triones", "cgold"),
    ("melk", "cdeepskyblue"),
    ("sp110e", "+cmediumorchid"),
    ("playbulb", "cspringgreen"),
    ("elk", "ccrimson"),
    ("hue color", "ccoral"),
];

fn main() -> std::process::ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let result = runtime
        .map_err(|error| Error::Internal(error.to_string()))
        .and_then(|runtime| runtime.block_on(session()));
    match result {
        Ok(buffer) => {
            anstream::print!("{}", svg(&buffer));
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            anstream::eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Plays half a minute of use.
async fn session() -> Result<Buffer> {
    let dir = tempfile::tempdir().map_err(|error| Error::Internal(error.to_string()))?;
    let options = SimOptions { dir: Some(dir.path().to_owned()), log: None };
    // One bulb of each family.
    let radio = sim::open(Some(Path::new("families")), options).await?;
    let open = move || {
        let radio = radio.clone();
        async move { Ok(radio) }.boxed()
    };
    let setup = Setup::new(Arc::new(open), Arc::default(), Duration::from_secs(10));
    // A theme with its own colours, so that the picture does not depend on those of a terminal.
    let config = Config::parse("[tui]\ntheme = \"dark\"\ncolumns = [\"family\"]\n", "picture")?;
    let settings = Settings::of(&config.tui).map_err(|mistake| config.mistake(mistake))?;
    let options = Options { size: SIZE, settings, ..Options::default() };
    let mut desk = Desk::open(setup, options);
    desk.run_for(Duration::from_secs(30)).await?;
    let find = |name: &str| -> Vec<KeyCode> {
        let name = name.chars().map(KeyCode::Char);
        [KeyCode::Char('/')].into_iter().chain(name).chain([KeyCode::Enter]).collect()
    };
    let type_in = |text: &str| -> Vec<KeyCode> {
        let keys = text.chars().map(KeyCode::Char);
        keys.chain([KeyCode::Enter]).collect()
    };
    let mut steps: Vec<(Vec<KeyCode>, u64)> = Vec::new();
    // Connect bulbs of several families, each with a light of its own.
    for (name, light) in NAMES {
        steps.push((find(name), 200));
        steps.push((vec![KeyCode::Enter], 2500));
        if light.starts_with('+') {
            steps.push((vec![KeyCode::Char(' ')], 1500));
        }
        steps.push((type_in(light.trim_start_matches('+')), 1500));
        steps.push((vec![KeyCode::Esc, KeyCode::Esc], 200));
    }
    // Change the last one again and again.
    let (first, _) = NAMES.last().copied().unwrap_or_default();
    steps.push((find(first), 200));
    steps.push((vec![KeyCode::Char('2'), KeyCode::Down], 100));
    for round in 0..14_u64 {
        let key = if round % 3 == 0 { KeyCode::Right } else { KeyCode::Left };
        steps.push((vec![key; 2], 900 + round * 130 % 700));
    }
    // Mark it and two that still advertise, so that the graphs have several lines.
    let mark = KeyCode::Char('m');
    steps.push((vec![KeyCode::Esc, KeyCode::Char('1'), mark, mark, KeyCode::Home, mark], 300));
    steps.push((find(first), 200));
    steps.push((vec![KeyCode::Esc, KeyCode::Char('2')], 1500));
    for (keys, pause) in steps {
        for key in keys {
            let _ = desk.handle(Event::Key(KeyEvent::new(key, KeyModifiers::NONE)));
            desk.run_for(Duration::from_millis(60)).await?;
        }
        desk.run_for(Duration::from_millis(pause)).await?;
    }
    let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1))
        .map_err(|error| Error::Internal(error.to_string()))?;
    let drawn = terminal
        .draw(|frame| view(&desk.model, frame))
        .map_err(|error| Error::Internal(error.to_string()))?;
    let buffer = drawn.buffer.clone();
    desk.close().await;
    Ok(buffer)
}

/// Returns the screen as SVG. Lines and blocks are drawn as shapes, so that they join in every font.
fn svg(buffer: &Buffer) -> String {
    let (width, height) = (SIZE.0 * CELL.0 + 2 * MARGIN, SIZE.1 * CELL.1 + 2 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"'DejaVu Sans Mono','Menlo','Consolas',monospace\" font-size=\"15\">\n\
         <title>bulbctl tui on the virtual radio</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"10\" fill=\"{PAPER}\"/>\n"
    );
    for row in 0..SIZE.1 {
        let mut column = 0;
        while column < SIZE.0 {
            let Some(cell) = buffer.cell((column, row)) else { break };
            let run = run(buffer, column, row);
            draw(&mut svg, cell, &run, (column, row));
            column += u16::try_from(run.width().max(1)).unwrap_or(1);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Returns the cells from here on with the same style. Drawn and wide cells stand alone.
fn run(buffer: &Buffer, column: u16, row: u16) -> String {
    let Some(first) = buffer.cell((column, row)) else { return String::new() };
    let plain = |cell: &Cell| cell.symbol().width() == 1 && line_of(cell.symbol()).is_none();
    if !plain(first) {
        return first.symbol().to_owned();
    }
    let mut run = String::new();
    for cell in (column..SIZE.0).filter_map(|column| buffer.cell((column, row))) {
        let alike = cell.fg == first.fg && cell.bg == first.bg && cell.modifier == first.modifier;
        if !(alike && plain(cell)) {
            break;
        }
        run.push_str(cell.symbol());
    }
    run
}

fn draw(svg: &mut String, cell: &Cell, run: &str, (column, row): (u16, u16)) {
    let (x, y) = (MARGIN + column * CELL.0, MARGIN + row * CELL.1);
    let width = u16::try_from(run.width()).unwrap_or(1) * CELL.0;
    let reversed = cell.modifier.contains(Modifier::REVERSED);
    let (mut ink, mut paper) = (rgb(cell.fg, INK), rgb(cell.bg, PAPER));
    if reversed {
        (ink, paper) = (paper, ink);
    }
    if cell.modifier.contains(Modifier::DIM) && !reversed {
        ink = mix(ink, PAPER);
    }
    // Writing to a string cannot fail.
    if paper != PAPER {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{}\" fill=\"{paper}\"/>",
            CELL.1
        );
    }
    if run.trim().is_empty() {
        return;
    }
    if let Some(path) = line_of(run) {
        let _ = writeln!(
            svg,
            "<path transform=\"translate({x} {y})\" {}/>",
            path.replace("INK", &ink.to_string())
        );
        return;
    }
    let bold = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let text = run.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x}\" y=\"{}\" fill=\"{ink}\"{bold} textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\">{text}</text>",
        y + 15
    );
}

/// Returns the shape of a line or block character in a cell of 9×20.
fn line_of(symbol: &str) -> Option<String> {
    let stroke = |path: &str, width: f32| {
        Some(format!("d=\"{path}\" stroke=\"INK\" stroke-width=\"{width}\" fill=\"none\""))
    };
    // Braille patterns are the lines of graphs: two columns of four dots.
    if let Some(dots @ 1..=255) = symbol.chars().next().and_then(|c| u32::from(c).checked_sub(0x2800)) {
        const PLACES: [(f32, f32); 8] = [
            (2.2, 2.5),
            (2.2, 7.5),
            (2.2, 12.5),
            (6.7, 2.5),
            (6.7, 7.5),
            (6.7, 12.5),
            (2.2, 17.5),
            (6.7, 17.5),
        ];
        let set = PLACES.iter().enumerate().filter(|(bit, _)| dots >> bit & 1 == 1);
        let path: String = set.map(|(_, (x, y))| format!("M{} {y}h3v3h-3z", x - 1.5)).collect();
        return Some(format!("d=\"{path}\" fill=\"INK\""));
    }
    match symbol {
        "─" => stroke("M0 10h9", 1.3),
        "│" => stroke("M4.5 0v20", 1.3),
        "└" => stroke("M4.5 0v10h4.5", 1.0),
        "╭" => stroke("M9 10q-4.5 0 -4.5 10", 1.3),
        "╮" => stroke("M0 10q4.5 0 4.5 10", 1.3),
        "╰" => stroke("M9 10q-4.5 0 -4.5 -10", 1.3),
        "╯" => stroke("M0 10q4.5 0 4.5 -10", 1.3),
        "━" => stroke("M0 10h9", 2.6),
        "┃" => stroke("M4.5 0v20", 2.2),
        "┏" => stroke("M9 10h-4.5v10", 2.2),
        "┓" => stroke("M0 10h4.5v10", 2.2),
        "┗" => stroke("M9 10h-4.5v-10", 2.2),
        "┛" => stroke("M0 10h4.5v-10", 2.2),
        "╌" => stroke("M0.5 10h3.2m1.6 0h3.2", 1.3),
        "╱" => stroke("M0 20l9 -20", 1.0),
        "█" => Some("d=\"M0 0h9.2v20.2h-9.2z\" fill=\"INK\"".to_owned()),
        "▌" => Some("d=\"M0 0h4.5v20h-4.5z\" fill=\"INK\"".to_owned()),
        _ => None,
    }
}

fn rgb(color: Color, otherwise: Rgb) -> Rgb {
    match color {
        Color::Rgb(red, green, blue) => Rgb::new(red, green, blue),
        Color::Cyan => Rgb::new(0x7d, 0xcf, 0xff),
        Color::Green => Rgb::new(0x9e, 0xce, 0x6a),
        Color::Red => Rgb::new(0xf7, 0x76, 0x8e),
        Color::Magenta => Rgb::new(0xbb, 0x9a, 0xf7),
        _ => otherwise,
    }
}

fn mix(a: Rgb, b: Rgb) -> Rgb {
    let mean = |a: u8, b: u8| a / 2 + b / 2;
    Rgb::new(mean(a.red, b.red), mean(a.green, b.green), mean(a.blue, b.blue))
}
