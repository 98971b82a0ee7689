//! Positions on the screen, computed from the model. Drawing and the mouse use the same ones.

use ratatui::layout::Rect;

use super::control::Control;
use super::device::Device;
use super::model::{Model, Pane};
use super::view::{banner_lines, list_width, notice};

/// Smallest usable terminal: columns and rows.
pub(crate) const MIN_SIZE: (u16, u16) = (50, 15);
/// From this width, list and bulb are side by side.
const TWO_PANES_WIDTH: u16 = 72;
/// From this width, there is a third pane beside them.
const THREE_PANES_WIDTH: u16 = 128;
/// From this height, another pane is below list and bulb.
const STACKED_HEIGHT: u16 = 30;
/// Widths of the bulb pane, and the smallest one of the third pane.
const DETAIL: (u16, u16) = (41, 60);
const THIRD: u16 = 40;

/// The parts of the screen. Hidden parts are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Areas {
    pub(crate) header: Rect,
    pub(crate) banner: Option<Rect>,
    /// Names of the panes, if they do not all fit.
    pub(crate) tabs: Option<Rect>,
    pub(crate) list: Option<Rect>,
    pub(crate) detail: Option<Rect>,
    /// The lower pane that is chosen.
    pub(crate) lower: Option<Rect>,
    /// True if the border of the lower pane has the names of all of them.
    pub(crate) strip: bool,
    /// Graphs beside the bulb.
    pub(crate) graphs: Option<Rect>,
    pub(crate) message: Rect,
    pub(crate) hints: Rect,
}

impl Areas {
    /// Rows of the list without its border.
    pub(crate) fn list_rows(&self) -> u16 {
        self.list.map_or(0, |area| inner(area).height)
    }

    /// Rows of the lower pane without its border.
    pub(crate) fn lower_rows(&self) -> u16 {
        self.lower.map_or(0, |area| inner(area).height)
    }
}

pub(crate) fn inner(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(1),
        y: area.y.saturating_add(1),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

pub(crate) fn too_small((width, height): (u16, u16)) -> bool {
    width < MIN_SIZE.0 || height < MIN_SIZE.1
}

pub(crate) fn areas(model: &Model) -> Areas {
    let (width, height) = model.size;
    if too_small(model.size) {
        return Areas::default();
    }
    let all_fit = !model.zoomed
        && (width >= THREE_PANES_WIDTH || (width >= TWO_PANES_WIDTH && height >= STACKED_HEIGHT));
    let mut rest = Rect::new(0, 0, width, height);
    let header = top(&mut rest, 1);
    let banner = model.banner.as_ref().map(|error| {
        let rows = 1 + banner_lines(error, width).1.len();
        top(&mut rest, u16::try_from(rows).unwrap_or(1))
    });
    let tabs = (!all_fit).then(|| top(&mut rest, 1));
    let hints = bottom(&mut rest, 1);
    let message = bottom(&mut rest, 1);
    let mut areas = Areas { header, banner, tabs, message, hints, ..Areas::default() };
    panes(model, rest, &mut areas);
    areas
}

// Not with ratatui's solver: drawing and the mouse compute this on every event.

pub(super) fn top(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let area = Rect { height: rows, ..*rest };
    (rest.y, rest.height) = (rest.y + rows, rest.height - rows);
    area
}

pub(super) fn bottom(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    rest.height -= rows;
    Rect { y: rest.bottom(), height: rows, ..*rest }
}

fn left(rest: &mut Rect, columns: u16) -> Rect {
    let columns = columns.min(rest.width);
    let area = Rect { width: columns, ..*rest };
    (rest.x, rest.width) = (rest.x + columns, rest.width - columns);
    area
}

fn panes(model: &Model, mut body: Rect, areas: &mut Areas) {
    let pane = model.pane;
    if model.zoomed || areas.header.width < TWO_PANES_WIDTH {
        match pane {
            Pane::List => areas.list = Some(body),
            Pane::Detail => areas.detail = Some(body),
            _ => areas.lower = Some(body),
        }
        return;
    }
    if areas.tabs.is_some() {
        // Where there is little room, a lower pane takes the place of list and bulb.
        if pane.is_lower() {
            areas.lower = Some(body);
        } else {
            let detail = if body.width < 100 { DETAIL.0 } else { 46 };
            areas.list = Some(left(&mut body, areas.header.width.saturating_sub(detail)));
            areas.detail = Some(body);
        }
        return;
    }
    if body.height >= STACKED_HEIGHT - 3 {
        // Three fifths for list and bulb, which need no more than 28 rows.
        let upper = (body.height * 3 / 5).clamp(20, 28);
        let lower = body.height.saturating_sub(upper).max(7);
        areas.lower = Some(bottom(&mut body, lower));
        areas.strip = true;
    }
    let third = body.width >= THREE_PANES_WIDTH;
    let room = if third { THIRD } else { 0 };
    let detail = if body.width < 100 { DETAIL.0 } else { 46 };
    let list = list_width(model).min(body.width.saturating_sub(detail + room)).max(36);
    areas.list = Some(left(&mut body, list));
    if third && areas.lower.is_none() {
        // A low and wide screen: the lower pane is the third one.
        areas.detail = Some(left(&mut body, detail));
        areas.lower = Some(body);
        areas.strip = true;
    } else if third && model.lower != Pane::Graphs {
        let detail = body.width.saturating_sub(THIRD).min(detail.max(body.width / 2)).min(DETAIL.1);
        areas.detail = Some(left(&mut body, detail));
        areas.graphs = Some(body);
    } else {
        areas.detail = Some(body);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DetailRow {
    /// Address and link.
    Header,
    Blank,
    Preview(u16),
    Control(Control),
    /// Line of the reason why there are no controls.
    Notice(u16),
    Profile,
    Evidence,
    Battery,
    Signal,
    Link,
    DeviceInfo,
    Serial,
}

/// Returns the rows of the bulb pane that fit, with the selected control among them.
pub(crate) fn detail_rows(model: &Model, device: &Device, area: Rect) -> Vec<DetailRow> {
    use DetailRow as R;
    let height = area.height;
    let controls = &model.controls;
    let notice = if controls.is_empty() { notice(device, area.width).len() } else { 0 };
    let facts = [R::Battery, R::Signal, R::Link, R::DeviceInfo, R::Profile, R::Evidence, R::Serial];
    let height = usize::from(height);
    let least = 1 + 3 + controls.len() + notice;
    let all = least + facts.len();
    // The preview, which shows the provenance, goes before the facts.
    let (preview, blanks) = match height.checked_sub(all) {
        Some(room) => (3, room.min(3)),
        None => (if height >= least { 3 } else { 1 }, 0),
    };
    let blank = |from: usize| (blanks >= from).then_some(R::Blank);
    let mut rows = vec![R::Header];
    rows.extend(blank(3));
    rows.extend((0..preview).map(R::Preview));
    rows.extend(blank(2));
    rows.extend(controls.iter().copied().map(R::Control));
    rows.extend((0..u16::try_from(notice).unwrap_or_default()).map(R::Notice));
    rows.extend(blank(1));
    rows.extend(facts);
    let focus = rows.iter().position(|row| *row == R::Control(model.control)).unwrap_or_default();
    let over = rows.len().saturating_sub(height);
    // The last control scrolls to the end of the pane.
    let last = controls.last() == Some(&model.control);
    let first = if last { over } else { (focus + 1).saturating_sub(height).min(over) };
    rows.into_iter().skip(first).take(height).collect()
}

/// Widths in a control's row: name, slider, value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    pub(crate) name: u16,
    pub(crate) track: u16,
    pub(crate) value: u16,
}

/// Returns the widths for a row. The cursor stands before the name, a space after the value.
pub(crate) fn columns(width: u16) -> Columns {
    let (name, value) = (12, 6);
    Columns { name, track: width.saturating_sub(2 + name + value + 1), value }
}

/// Column of the slider in its row.
pub(crate) const TRACK_START: u16 = 2 + 12;
/// Width of a colour swatch with the space after it.
pub(crate) const SWATCH_WIDTH: u16 = 2;
