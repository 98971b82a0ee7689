//! A table on the terminal that is drawn again in place.

use console::Term;

use super::printer::Printer;
use super::records::DeviceRecord;
use super::text::device_line;

/// The live table of a scan. What stands there when it is dropped stays.
#[derive(Debug)]
pub struct Live {
    term: Term,
    size: (u16, u16),
    drawn: usize,
}

impl Live {
    /// A table on stdout, if that is a terminal and text was asked for.
    #[must_use]
    pub fn new(printer: &Printer) -> Option<Self> {
        let term = Term::stdout();
        printer.live().then(|| Self { size: term.size(), term, drawn: 0 })
    }

    /// Draws the table anew: the devices, and a line below them that says what goes on. Rows that do not fit the
    /// terminal are counted instead of shown, as a row that has scrolled away cannot be drawn again.
    pub fn draw(&mut self, printer: &Printer, devices: &[DeviceRecord], below: &str) {
        let size = self.term.size();
        if size != self.size {
            // The terminal has wrapped the rows anew: which of its lines are ours cannot be told any more.
            let _ = self.term.clear_screen();
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
        let _ = self.term.clear_last_lines(self.drawn);
        self.drawn = lines.len();
        for line in lines {
            let line = console::truncate_str(&line, usize::from(width), "…");
            if printer.line(&line).is_err() {
                return;
            }
        }
    }
}
