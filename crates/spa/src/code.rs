//! The code of an order: short, of one venue and one of its days. It is for eyes and ears; it opens
//! nothing.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Letters that nobody mistakes for a digit.
const LETTERS: &[u8; 24] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Numbers behind a letter: 001 to 999.
const NUMBERS: usize = 999;

/// The code of the `n`th order of a day, from 1: `A-001` to `A-999`, `B-001` …, and after the last
/// letter two of them. No two of a day are the same.
pub(crate) fn code(n: i32) -> String {
    let n = usize::try_from(n).unwrap_or(1).saturating_sub(1);
    let (mut block, number) = (n / NUMBERS, n % NUMBERS + 1);
    let mut letters = Vec::new();
    loop {
        letters.push(LETTERS.get(block % LETTERS.len()).copied().map_or('Z', char::from));
        match (block / LETTERS.len()).checked_sub(1) {
            Some(rest) => block = rest,
            None => break,
        }
    }
    let letters: String = letters.into_iter().rev().collect();
    format!("{letters}-{number:03}")
}

/// The day of the venue that `now` is in.
pub(crate) fn day(now: Timestamp, time_zone: &str) -> Date {
    now.to_zoned(TimeZone::get(time_zone).unwrap_or(TimeZone::UTC)).date()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_short_and_never_repeat() {
        assert_eq!((code(1), code(42)), ("A-001".into(), "A-042".into()));
        assert_eq!((code(999), code(1000)), ("A-999".into(), "B-001".into()));
        assert_eq!((code(24 * 999), code(24 * 999 + 1)), ("Z-999".into(), "AA-001".into()));
        let all: HashSet<String> = (1..=100_000).map(code).collect();
        assert_eq!(all.len(), 100_000);
        assert!(all.iter().all(|code| (5..=8).contains(&code.len())));
    }

    #[test]
    fn a_day_is_the_venues_own() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // Lisbon is one hour ahead of UTC in summer, none in winter.
        let day = |text, zone| day(at(text), zone).to_string();
        assert_eq!(day("2027-07-01T22:59:59Z", "Europe/Lisbon"), "2027-07-01");
        assert_eq!(day("2027-07-01T23:00:00Z", "Europe/Lisbon"), "2027-07-02");
        assert_eq!(day("2027-01-01T23:30:00Z", "Europe/Lisbon"), "2027-01-01");
        assert_eq!(day("2027-01-01T23:30:00Z", "Asia/Bangkok"), "2027-01-02");
    }
}
