//! A table that is redrawn in place.

use console::Term;

use super::printer::Printer;
use super::records::DeviceRecord;
use super::text::device_line;

/// The live table of a scan. It stays on the screen when dropped.
#[derive(Debug)]
pub struct Live {
    term: Term,
    size: (u16, u16),
    drawn: usize,
}

impl Live {
    /// `None` unless stdout is a terminal and the output is text.
    pub fn new(printer: &Printer) -> Option<Self> {
        let term = Term::stdout();
        printer.live().then(|| Self { size: term.size(), term, drawn: 0 })
    }

    /// Redraws the devices with a status line below. Devices that do not fit the terminal are only counted, because rows that have
    /// scrolled away cannot be redrawn.
    pub fn draw(&mut self, printer: &Printer, devices: &[DeviceRecord], below: &str) {
        let size = self.term.size();
        if size != self.size {
            // The terminal has rewrapped the rows, so we no longer know which lines are ours.
            let term = self.term.clone();
            let _ = printer.write(move || term.clear_screen());
            (self.size, self.drawn) = (size, 0);
        }
        let (height, width) = size;
        let room = usize::from(height).saturating_sub(2).max(1);
        let mut lines: Vec<String> =
            devices.iter().take(room).map(|device| device_line(device, printer.layout())).collect();
        if let Some(more @ 1..) = devices.len().checked_sub(room) {
            lines.pop();
            lines.push(format!("… and {} more", more + 1));
        }
        if !below.is_empty() {
            lines.push(below.to_owned());
        }
        let (term, drawn) = (self.term.clone(), self.drawn);
        let _ = printer.write(move || term.clear_last_lines(drawn));
        self.drawn = lines.len();
        for line in lines {
            let line = console::truncate_str(&line, usize::from(width), "…");
            if printer.line(&line).is_err() {
                return;
            }
        }
    }
}
