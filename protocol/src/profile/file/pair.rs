//! Two numbers: the ends of a range.

use core::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The first and the last number of a range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair(u32, u32);

impl Pair {
    pub(crate) const fn numbers(self) -> (u32, u32) {
        (self.0, self.1)
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TwoNumbers;
        impl<'de> Visitor<'de> for TwoNumbers {
            type Value = Pair;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("two numbers, such as [0, 255]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pair, A::Error> {
                let first = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let last = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
                let mut length = 2;
                while seq.next_element::<de::IgnoredAny>()?.is_some() {
                    length += 1;
                }
                if length == 2 {
                    Ok(Pair(first, last))
                } else {
                    Err(de::Error::invalid_length(length, &self))
                }
            }
        }
        deserializer.deserialize_seq(TwoNumbers)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Pair {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> alloc::borrow::Cow<'static, str> {
        "Pair".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<(u32, u32)>()
    }
}
