//! What people write: TOML read into types, with the places of the values in it.
//!
//! The `toml` crate parses; what turns its tree into types is here, because of what the crate's own way of doing so costs. It
//! offers every type all seven kinds of value, and each struct as an array too, which made the program half a megabyte
//! larger (`cargo xtask bench size`). This one offers what a type asks for, and nothing more.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;
use core::marker::PhantomData;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, Visitor,
};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Reads a text.
///
/// # Errors
/// [`Mistake`] if it is no TOML, or does not say what the type needs.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    let root = DeTable::parse(text)
        .map_err(|error| Mistake::new(error.message(), error.span().map(|span| span.start)))?;
    let at = root.span().start;
    let root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
    T::deserialize(Node(&root)).map_err(|mistake: Mistake| mistake.or_at(at))
}

/// The line that a byte of a text is in, from 1.
#[must_use]
pub fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug)]
pub struct Mistake(Box<Wrong>);

#[derive(Clone, Debug)]
struct Wrong {
    at: Option<usize>,
    message: String,
}

impl Mistake {
    fn new(message: impl fmt::Display, at: Option<usize>) -> Self {
        Self(Box::new(Wrong { at, message: message.to_string() }))
    }

    /// With the place where it is noticed, if it is not known closer.
    fn or_at(mut self, at: usize) -> Self {
        self.0.at.get_or_insert(at);
        self
    }

    /// What is wrong, and what would be right. The first line says the one, a list of the other may follow.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The byte of the text at which it begins, from 0.
    #[must_use]
    pub fn at(&self) -> usize {
        self.0.at.unwrap_or_default()
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl core::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message, None)
    }
}

/// A value and where it stands in the text.
#[derive(Clone, Copy, Debug)]
pub struct At<T> {
    /// The byte of the text at which it begins, from 0.
    pub at: usize,
    /// The value.
    pub value: T,
}

/// How a value with its place is asked for: as a pair, of the place and the value.
const AT: &str = "bulb_protocol::file::At";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pair<T> {
            type Value = At<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of a file")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<At<T>, A::Error> {
                let none = || de::Error::invalid_length(0, &"a place and a value");
                let at = pair.next_element()?.ok_or_else(none)?;
                Ok(At { at, value: pair.next_element()?.ok_or_else(none)? })
            }
        }

        deserializer.deserialize_tuple_struct(AT, 2, Pair(PhantomData))
    }
}

/// A value of the tree.
#[derive(Clone, Copy)]
struct Node<'a>(&'a Spanned<DeValue<'a>>);

impl Node<'_> {
    fn start(self) -> usize {
        self.0.span().start
    }

    /// That it is something else than what was asked for.
    #[cold]
    fn unlike(self, wanted: &dyn de::Expected) -> Mistake {
        let text;
        let found = match self.0.get_ref() {
            DeValue::String(text) => Unexpected::Str(text),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Unexpected::Signed(number),
                Err(_) => return Mistake::custom("integer number overflowed"),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Unexpected::Float(number),
                Err(_) => Unexpected::Other(number.as_str()),
            },
            DeValue::Boolean(yes) => Unexpected::Bool(*yes),
            DeValue::Datetime(date) => {
                text = date.to_string();
                Unexpected::Other(&text)
            }
            DeValue::Array(_) => Unexpected::Seq,
            DeValue::Table(_) => Unexpected::Map,
        };
        Mistake::invalid_type(found, wanted)
    }

    fn integer(self) -> Option<Result<i64, Mistake>> {
        let DeValue::Integer(number) = self.0.get_ref() else { return None };
        let number = i64::from_str_radix(number.as_str(), number.radix());
        Some(number.map_err(|_| Mistake::custom("integer number overflowed")))
    }
}

/// For the kinds of numbers: what takes one takes them all, and says itself what is out of its range.
macro_rules! integers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            match self.integer() {
                Some(number) => visitor.visit_i64(number?),
                None => Err(self.unlike(&visitor)),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Mistake;

    /// For types that take several kinds of value.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(_) => self.deserialize_i64(visitor),
            DeValue::Float(_) => self.deserialize_f64(visitor),
            DeValue::Boolean(yes) => visitor.visit_bool(*yes),
            DeValue::Datetime(_) => Err(self.unlike(&visitor)),
            DeValue::Array(_) => self.deserialize_seq(visitor),
            DeValue::Table(_) => self.deserialize_map(visitor),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(self.unlike(&visitor)),
            },
            _ => self.deserialize_i64(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::Boolean(yes) => visitor.visit_bool(*yes),
            _ => Err(self.unlike(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::String(text) => visitor.visit_str(text),
            _ => Err(self.unlike(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::Array(values) => visitor.visit_seq(Values(values.iter())),
            _ => Err(self.unlike(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        if name == AT {
            return visitor.visit_seq(Placed { node: self, told: false });
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::Table(table) => visitor.visit_map(Entries { rest: table.iter(), value: None }),
            _ => Err(self.unlike(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_map(visitor)
    }

    /// Of names only: no file has an enum with more in it.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self.0.get_ref() {
            DeValue::String(name) => visitor.visit_enum(key(name)),
            _ => Err(self.unlike(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct identifier
    }
}

fn key(name: &str) -> StrDeserializer<'_, Mistake> {
    name.into_deserializer()
}

/// The values of an array.
struct Values<'a>(core::slice::Iter<'a, Spanned<DeValue<'a>>>);

impl<'de> SeqAccess<'de> for Values<'_> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        let Some(node) = self.0.next().map(Node) else { return Ok(None) };
        seed.deserialize(node).map(Some).map_err(|mistake| mistake.or_at(node.start()))
    }
}

/// A place, then the value that stands there.
struct Placed<'a> {
    node: Node<'a>,
    told: bool,
}

impl<'de> SeqAccess<'de> for Placed<'_> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        if core::mem::replace(&mut self.told, true) {
            return seed.deserialize(self.node).map(Some);
        }
        seed.deserialize(self.node.start().into_deserializer()).map(Some)
    }
}

/// The entries of a table.
struct Entries<'a> {
    rest: toml::map::Iter<'a, Spanned<DeString<'a>>, Spanned<DeValue<'a>>>,
    value: Option<Node<'a>>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Mistake;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(Node(value));
        let found = seed.deserialize(key(name.get_ref()));
        found.map(Some).map_err(|mistake| mistake.or_at(name.span().start))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mistake> {
        let node = self.value.take().ok_or_else(|| Mistake::custom("a value is asked for before its key"))?;
        seed.deserialize(node).map_err(|mistake| mistake.or_at(node.start()))
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::vec::Vec;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Lamp {
        name: At<String>,
        level: Option<At<u8>>,
        on: Option<bool>,
        factor: Option<f64>,
        range: Option<(u32, u32)>,
        kind: Option<Kind>,
        #[serde(default)]
        part: Vec<At<Part>>,
        #[serde(default)]
        names: BTreeMap<String, i64>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        DeskLamp,
        Bulb,
    }

    #[derive(Debug, Deserialize)]
    struct Part {
        id: At<u16>,
    }

    #[test]
    fn values_come_with_their_places() {
        let text = "name = 'A'\nlevel = 0x7f\non = true\nfactor = 2\nrange = [1, 2]\nkind = 'desk-lamp'\n\
                    [[part]]\nid = 7\n[[part]]\nid = 8\n[names]\nx = -1\n";
        let lamp: Lamp = parse(text).unwrap();
        assert_eq!((lamp.name.at, lamp.name.value.as_str()), (7, "A"));
        assert_eq!(lamp.level.map(|level| (line(text, level.at), level.value)), Some((2, 127)));
        assert_eq!((lamp.on, lamp.factor, lamp.range), (Some(true), Some(2.0), Some((1, 2))));
        assert_eq!(lamp.kind, Some(Kind::DeskLamp));
        let parts: Vec<_> = lamp.part.iter().map(|part| (line(text, part.at), part.value.id.value)).collect();
        assert_eq!(parts, [(7, 7), (9, 8)]);
        assert_eq!(lamp.names.get("x"), Some(&-1));
    }

    #[test]
    fn a_mistake_is_told_where_it_is() {
        let cases = [
            ("name = 3", 1, "invalid type: integer `3`, expected a string"),
            ("name = 'A'\nlevel = 'x'", 2, "invalid type: string \"x\", expected u8"),
            ("name = 'A'\nlevel = 256", 2, "invalid value: integer `256`, expected u8"),
            ("name = 'A'\nlevel = 99999999999999999999", 2, "integer number overflowed"),
            ("name = 'A'\nlevel = 1.5", 2, "invalid type: floating point `1.5`, expected u8"),
            ("name = 'A'\nfactor = true", 2, "invalid type: boolean `true`, expected f64"),
            ("name = 'A'\non = 1979-05-27", 2, "invalid type: 1979-05-27, expected a boolean"),
            ("name = 'A'\n\nrange = [1]", 3, "invalid length 1, expected a tuple of size 2"),
            ("name = 'A'\nkind = 'sun'", 2, "unknown variant `sun`, expected `desk-lamp` or `bulb`"),
            ("name = 'A'\nkind = {bulb = 1}", 2, "invalid type: map, expected enum Kind"),
            ("name = 'A'\n[[part]]\nid = 1\n[[part]]\n", 4, "missing field `id`"),
            ("name = 'A'\npart = [[1]]", 2, "invalid type: sequence, expected struct Part"),
            ("name = 'A'\nnames = 'x'", 2, "invalid type: string \"x\", expected a map"),
            ("on = true", 1, "missing field `name`"),
            ("name = 'A'\n\nsize = 1", 3, "unknown field `size`"),
            ("name = 'A'\nname = 'B'", 2, "duplicate key"),
            ("name = ", 1, "string values must be quoted"),
        ];
        for (text, at, says) in cases {
            let mistake = parse::<Lamp>(text).unwrap_err();
            let told = format!("line {}: {}", line(text, mistake.at()), mistake.message());
            assert!(told.starts_with(&format!("line {at}: {says}")), "{text:?} is told as {told:?}");
        }
    }
}
