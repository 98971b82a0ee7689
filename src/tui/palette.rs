//! The rows of the palette.

use super::keys::{Action, Binding, KeyContext};
use super::model::Model;

/// Returns the actions whose name, help or keys contain what was typed.
pub(crate) fn entries(model: &Model) -> Vec<&Binding> {
    let filter = model.palette_filter.as_str();
    let words: Vec<&str> = filter.split_whitespace().collect();
    let rows = model.settings.keys.rows().iter().filter(|row| is_offered(row));
    rows.filter(|row| {
        let text = format!("{} {}", row.action, row.help).to_lowercase();
        words.iter().all(|word| text.contains(word))
    })
    .collect()
}

/// Returns true for what does something by itself: not for moves, and not in windows.
fn is_offered(row: &Binding) -> bool {
    use Action as A;
    let moves = matches!(
        row.action,
        A::Up
            | A::Down
            | A::PageUp
            | A::PageDown
            | A::First
            | A::Last
            | A::Palette
            | A::Activate
            | A::Decrease
            | A::Increase
            | A::DecreaseMuch
            | A::IncreaseMuch
            | A::Minimum
            | A::Maximum
    );
    !moves && !matches!(row.context, KeyContext::Emulate | KeyContext::Popup | KeyContext::Prompt)
}
