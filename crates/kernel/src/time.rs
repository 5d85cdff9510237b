//! The one way to write an instant.
//!
//! Swift's decoder takes either no fraction or always one, so an instant is always written with
//! six fractional digits and `Z`. PostgreSQL keeps microseconds: instants are cut to them.

use jiff::{Timestamp, Unit};

/// `2026-09-02T06:03:11.039837Z`.
#[must_use]
pub fn text(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// The instant, cut to the microseconds that PostgreSQL keeps.
#[must_use]
pub fn micros(at: Timestamp) -> Timestamp {
    let rounding =
        jiff::TimestampRound::new().smallest(Unit::Microsecond).mode(jiff::RoundMode::Trunc);
    at.round(rounding).unwrap_or(at)
}

/// For `#[serde(with = "kernel::time::instant")]`.
pub mod instant {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes six fractional digits and `Z`.
    pub fn serialize<S: Serializer>(at: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&super::text(*at))
    }

    /// Reads any RFC 3339 instant.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(from).map(super::micros)
    }
}

/// For `#[serde(with = "kernel::time::instant_opt")]`, with `skip_serializing_if`.
pub mod instant_opt {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the instant, or null.
    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, out: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => out.serialize_str(&super::text(*at)),
            None => out.serialize_none(),
        }
    }

    /// Reads any RFC 3339 instant, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<Timestamp>::deserialize(from)?.map(super::micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_always_has_six_digits() {
        let whole: Timestamp = "2026-09-02T06:03:11Z".parse().unwrap();
        assert_eq!(text(whole), "2026-09-02T06:03:11.000000Z");
        let fine: Timestamp = "2026-09-02T06:03:11.0398371Z".parse().unwrap();
        assert_eq!(text(micros(fine)), "2026-09-02T06:03:11.039837Z");
    }
}
