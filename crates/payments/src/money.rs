//! The arithmetic of a till: exact, in minor units. Pure.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kernel::money::{Currency, Money};

/// All of something, in hundredths of a percent.
pub const WHOLE_BASIS_POINTS: u32 = 10_000;

/// What goes back of `tendered` cash for `amount` and `tip`; nothing where it is too little.
#[must_use]
pub fn change(amount: i64, tip: i64, tendered: i64) -> Option<i64> {
    let change = tendered.checked_sub(amount.checked_add(tip)?)?;
    (change >= 0).then_some(change)
}

/// A share of `amount`, rounded to the nearest unit, a half up.
#[must_use]
pub fn share(amount: i64, basis_points: u32) -> Option<i64> {
    let whole = i128::from(WHOLE_BASIS_POINTS);
    let exact = i128::from(amount) * i128::from(basis_points);
    i64::try_from((exact * 2 + whole).div_euclid(whole * 2)).ok()
}

/// `amount` in `ways` shares that differ by one unit at most and add up to it; the larger first.
#[must_use]
pub fn split(amount: i64, ways: u16) -> Vec<i64> {
    let count = i64::from(ways.max(1));
    let (each, odd) = (amount.div_euclid(count), amount.rem_euclid(count));
    (0..count).map(|n| each + i64::from(n < odd)).collect()
}

/// The venue's business day at `at`: until `starts_hour` in the morning it is still the day before.
#[must_use]
pub fn business_day(at: Timestamp, zone: &str, starts_hour: i8) -> Date {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let local = at.to_zoned(zone);
    let today = local.date();
    if local.hour() < starts_hour { today.yesterday().unwrap_or(today) } else { today }
}

/// Digits behind the point: none for those currencies that have none, three for a few.
#[must_use]
pub fn digits(currency: Currency) -> u32 {
    match currency.as_str() {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// `150.80`.
#[must_use]
pub fn plain(amount: i64, currency: Currency) -> String {
    let digits = digits(currency);
    let unit = 10_u64.pow(digits);
    let (sign, size) = (if amount < 0 { "-" } else { "" }, amount.unsigned_abs());
    if digits == 0 {
        return format!("{sign}{size}");
    }
    let width = usize::try_from(digits).unwrap_or(2);
    format!("{sign}{}.{:0width$}", size / unit, size % unit)
}

/// `150.80 EUR`.
#[must_use]
pub fn text(money: Money) -> String {
    format!("{} {}", plain(money.amount, money.currency), money.currency.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn euro() -> Currency {
        "EUR".parse().unwrap()
    }

    #[test]
    fn amounts_are_written_with_the_digits_of_their_currency() {
        assert_eq!(plain(15_080, euro()), "150.80");
        assert_eq!(plain(-5, euro()), "-0.05");
        assert_eq!(plain(1_500, "JPY".parse().unwrap()), "1500");
        assert_eq!(plain(1_500, "KWD".parse().unwrap()), "1.500");
    }

    #[test]
    fn the_business_day_is_that_of_the_venue() {
        let at = "2026-11-20T23:30:00Z".parse().unwrap();
        let day = |zone, hour| business_day(at, zone, hour).to_string();
        assert_eq!(day("Europe/Lisbon", 0), "2026-11-20");
        assert_eq!(day("Europe/Berlin", 0), "2026-11-21");
        assert_eq!(day("Europe/Berlin", 4), "2026-11-20");
        assert_eq!(day("America/New_York", 0), "2026-11-20");
        assert_eq!(day("nowhere", 0), "2026-11-20");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]

        /// 100,000 payments: what the customer hands over is what stays and what goes back.
        #[test]
        fn change_is_tendered_less_due(
            amount in 1_i64..10_000_000, tip in 0_i64..1_000_000, tendered in 0_i64..20_000_000,
        ) {
            match change(amount, tip, tendered) {
                Some(back) => {
                    prop_assert!(back >= 0);
                    prop_assert_eq!(amount + tip + back, tendered);
                }
                None => prop_assert!(tendered < amount + tip),
            }
        }

        #[test]
        fn shares_add_up_and_differ_by_one_at_most(amount in 0_i64..10_000_000_000, ways in 1_u16..=edge::limits::BILL_WAYS_MAX) {
            let shares = split(amount, ways);
            prop_assert_eq!(shares.len(), usize::from(ways));
            prop_assert_eq!(shares.iter().sum::<i64>(), amount);
            let (most, least) = (shares.iter().max().unwrap(), shares.iter().min().unwrap());
            prop_assert!(most - least <= 1);
            prop_assert!(shares.is_sorted_by(|a, b| a >= b));
        }

        #[test]
        fn a_share_is_rounded_to_the_nearest_and_never_leaves_its_whole(
            amount in 0_i64..10_000_000_000, points in 0_u32..=WHOLE_BASIS_POINTS,
        ) {
            let part = share(amount, points).unwrap();
            prop_assert!((0..=amount).contains(&part));
            let exact = i128::from(amount) * i128::from(points);
            let off = i128::from(part) * i128::from(WHOLE_BASIS_POINTS) - exact;
            prop_assert!(off * 2 <= i128::from(WHOLE_BASIS_POINTS));
            prop_assert!(off * 2 > -i128::from(WHOLE_BASIS_POINTS));
            // Both halves of a bill that is cut in two: never a cent lost, one at most found.
            let rest = share(amount, WHOLE_BASIS_POINTS - points).unwrap();
            prop_assert!((0..=1).contains(&(part + rest - amount)));
        }

        #[test]
        fn no_amount_breaks_the_arithmetic(amount: i64, tip: i64, tendered: i64, points: u32) {
            let _ = (change(amount, tip, tendered), share(amount, points), plain(amount, euro()));
        }
    }
}
