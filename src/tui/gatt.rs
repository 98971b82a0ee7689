//! The GATT table of the selected bulb, as rows.

use crate::radio::CharacteristicId;
use crate::radio::gatt::{Characteristic, Service};

use super::model::Model;

#[derive(Clone, Copy, Debug)]
pub(crate) enum GattRow<'a> {
    Service(&'a Service),
    Characteristic(CharacteristicId, &'a Characteristic),
}

pub(crate) fn rows(model: &Model) -> Vec<GattRow<'_>> {
    let Some(table) = model.selected_device().and_then(|device| device.table.as_deref()) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    let mut last: Option<&Service> = None;
    for (id, service, characteristic) in table.all() {
        if last.is_none_or(|last| !std::ptr::eq(last, service)) {
            rows.push(GattRow::Service(service));
            last = Some(service);
        }
        rows.push(GattRow::Characteristic(id, characteristic));
    }
    rows
}

/// Returns the characteristic in the selected row, or the first one after it.
pub(crate) fn selected(model: &Model) -> Option<(CharacteristicId, &Characteristic)> {
    rows(model).into_iter().skip(model.gatt_row).find_map(|row| match row {
        GattRow::Characteristic(id, characteristic) => Some((id, characteristic)),
        GattRow::Service(_) => None,
    })
}
