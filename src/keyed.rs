//! Pairs into a map.

use std::collections::BTreeMap;

/// Puts pairs into a map, one after the other. `collect` sorts them first, and brings the code for that once more with every kind of
/// iterator: a few kilobytes each, for maps of a handful.
pub(crate) fn keyed<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(pairs);
    map
}
