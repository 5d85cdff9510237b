//! How a venue's floor works: turn times, what becomes of a table that was left, opening hours and
//! pacing. Pure.

use edge::answer::Versioned;
use edge::body::Errors;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::TableStatus;

/// The hour at which a day of service begins: what happens after midnight belongs to the evening.
const DAY_BEGINS: i8 = 4;
/// How many rows each list of the settings has at most.
const ROWS_MAX: usize = 100;
const MINUTES_MAX: i32 = 12 * 60;

kernel::names! {
    /// What a table becomes when its party leaves.
    ClearedTo {
        /// Somebody has to make it first.
        Dirty = "dirty",
        /// The next party can sit down.
        Available = "available",
    }
}

/// How long parties up to a size stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TurnTime {
    /// Parties up to so many.
    #[schema(minimum = 1, maximum = 100)]
    pub up_to: i32,
    /// Stay so long, in minutes.
    #[schema(minimum = 5, maximum = 720)]
    pub minutes: i32,
}

/// When tables can be reserved on one weekday.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpeningHours {
    /// 1 is Monday, 7 is Sunday.
    #[schema(minimum = 1, maximum = 7)]
    pub weekday: i8,
    /// From when on, in the floor's time zone.
    #[schema(example = "18:00")]
    pub opens: String,
    /// The last moment at which a party may begin; before `opens` it is that of the next day.
    #[schema(example = "22:30")]
    pub last_seating: String,
}

/// A date that is not like its weekday.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoursException {
    /// The date.
    #[schema(example = "2026-12-24")]
    pub date: String,
    /// From when on; closed all day without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "12:00")]
    pub opens: Option<String>,
    /// The last moment at which a party may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "15:00")]
    pub last_seating: Option<String>,
}

/// How the floor works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FloorRules {
    /// The IANA time zone of the opening hours.
    #[schema(example = "Europe/Lisbon")]
    pub time_zone: String,
    /// What a table becomes when its party leaves.
    pub cleared_to: ClearedTo,
    /// How long parties stay, by size; larger ones stay as long as the largest size named.
    pub turn_times: Vec<TurnTime>,
    /// How many guests may begin within 15 minutes; no limit without it. Staff may exceed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    pub covers_per_quarter: Option<i32>,
    /// When tables can be reserved; always, as long as it is empty.
    pub hours: Vec<OpeningHours>,
    /// Dates that are not like their weekday.
    pub exceptions: Vec<HoursException>,
    /// No reservation begins before this: the kitchen needs a rest.
    #[serde(default, with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub paused_until: Option<Timestamp>,
    /// How long a reservation is held until it is booked, in seconds.
    #[schema(minimum = 30, maximum = 900)]
    pub hold_secs: i32,
}

/// How the floor works, with its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FloorSettings {
    /// The rules.
    pub rules: FloorRules,
    /// Rises with every change; 0 as long as nobody has changed anything.
    pub version: i64,
}

impl Versioned for FloorSettings {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

impl Default for FloorSettings {
    fn default() -> Self {
        let turn = |up_to, minutes| TurnTime { up_to, minutes };
        let rules = FloorRules {
            time_zone: "UTC".to_owned(),
            cleared_to: ClearedTo::Dirty,
            turn_times: vec![turn(2, 75), turn(4, 90), turn(6, 120), turn(100, 150)],
            covers_per_quarter: None,
            hours: Vec::new(),
            exceptions: Vec::new(),
            paused_until: None,
            hold_secs: 300,
        };
        Self { rules, version: 0 }
    }
}

impl FloorRules {
    /// What a table becomes when its party leaves.
    pub(crate) fn cleared(&self) -> TableStatus {
        match self.cleared_to {
            ClearedTo::Dirty => TableStatus::Dirty,
            ClearedTo::Available => TableStatus::Available,
        }
    }

    /// How long a party of that size is expected to stay.
    pub(crate) fn turn(&self, party_size: i32) -> SignedDuration {
        let fits = self.turn_times.iter().filter(|turn| turn.up_to >= party_size);
        let turn = fits.min_by_key(|turn| turn.up_to);
        let turn = turn.or_else(|| self.turn_times.iter().max_by_key(|turn| turn.up_to));
        SignedDuration::from_mins(turn.map_or(90, |turn| turn.minutes.into()))
    }

    fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// When the day of service began that `now` is in.
    pub(crate) fn day_began(&self, now: Timestamp) -> Timestamp {
        let local = now.to_zoned(self.zone());
        let hours = SignedDuration::from_hours(DAY_BEGINS.into());
        let date = local.checked_sub(hours).map_or(local.date(), |shifted| shifted.date());
        self.instant(date, Time::constant(DAY_BEGINS, 0, 0, 0)).unwrap_or(now)
    }

    fn instant(&self, date: Date, time: Time) -> Option<Timestamp> {
        date.to_datetime(time).to_zoned(self.zone()).ok().map(|zoned| zoned.timestamp())
    }

    /// Whether a party may begin at `at`: open, and not paused.
    pub(crate) fn is_open(&self, at: Timestamp) -> bool {
        let paused = self.paused_until.is_some_and(|until| at < until);
        let today = at.to_zoned(self.zone()).date();
        let open = self.hours.is_empty() && self.exceptions.is_empty();
        let days = [Some(today), today.yesterday().ok()];
        !paused && (open || days.into_iter().flatten().any(|day| self.is_open_on(day, at)))
    }

    /// Whether `at` lies in the hours that begin on `day`.
    fn is_open_on(&self, day: Date, at: Timestamp) -> bool {
        let within = |opens: &str, last: &str| self.within(day, opens, last, at).unwrap_or(false);
        let special = |e: &&HoursException| e.date.parse::<Date>().is_ok_and(|date| date == day);
        if let Some(special) = self.exceptions.iter().find(special) {
            return match (&special.opens, &special.last_seating) {
                (Some(opens), Some(last)) => within(opens, last),
                _ => false,
            };
        }
        if self.hours.is_empty() {
            return at.to_zoned(self.zone()).date() == day;
        }
        let weekday = day.weekday().to_monday_one_offset();
        let of_day = |hours: &&OpeningHours| hours.weekday == weekday;
        self.hours.iter().filter(of_day).any(|hours| within(&hours.opens, &hours.last_seating))
    }

    fn within(&self, day: Date, opens: &str, last: &str, at: Timestamp) -> Option<bool> {
        let (opens, last) = (time(opens)?, time(last)?);
        let last_day = if last < opens { day.tomorrow().ok()? } else { day };
        Some((self.instant(day, opens)?..=self.instant(last_day, last)?).contains(&at))
    }

    pub(crate) fn check(&self, errors: &mut Errors) {
        let zone = TimeZone::get(&self.time_zone).is_ok();
        errors.require(zone, "/timeZone", "time_zone", "Give a time zone like Europe/Lisbon.");
        let few = self.turn_times.len().max(self.hours.len()).max(self.exceptions.len());
        errors.require(few <= ROWS_MAX, "/hours", "length", "At most 100 rows each.");
        for (n, turn) in self.turn_times.iter().enumerate() {
            let good = (1..=100).contains(&turn.up_to) && (5..=MINUTES_MAX).contains(&turn.minutes);
            let detail = "Parties of 1 to 100 stay 5 to 720 minutes.";
            errors.require(good, format!("/turnTimes/{n}"), "range", detail);
        }
        for (n, hours) in self.hours.iter().enumerate() {
            let good = (1..=7).contains(&hours.weekday)
                && time(&hours.opens).is_some()
                && time(&hours.last_seating).is_some();
            let detail = "Weekday 1 to 7, times like 18:00.";
            errors.require(good, format!("/hours/{n}"), "range", detail);
        }
        for (n, day) in self.exceptions.iter().enumerate() {
            let times = [&day.opens, &day.last_seating];
            let good = day.date.parse::<Date>().is_ok()
                && day.opens.is_some() == day.last_seating.is_some()
                && times.into_iter().flatten().all(|text| time(text).is_some());
            let detail = "A date like 2026-12-24, and both times or none.";
            errors.require(good, format!("/exceptions/{n}"), "range", detail);
        }
        let covers = self.covers_per_quarter.is_none_or(|covers| covers >= 1);
        errors.require(covers, "/coversPerQuarter", "range", "At least 1, or leave it away.");
        let hold = (30..=900).contains(&self.hold_secs);
        errors.require(hold, "/holdSecs", "range", "A hold lasts 30 to 900 seconds.");
    }
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::at;

    fn evenings() -> FloorRules {
        let day = |weekday| OpeningHours {
            weekday,
            opens: "18:00".into(),
            last_seating: if weekday == 5 { "01:00".into() } else { "22:00".into() },
        };
        FloorRules { hours: (1..=6).map(day).collect(), ..FloorSettings::default().rules }
    }

    #[test]
    fn hours_may_go_past_midnight_and_exceptions_come_first() {
        let mut rules = evenings();
        // 2026-01-02 is a Friday.
        assert!(rules.is_open(at("2026-01-02T18:00:00Z")));
        assert!(!rules.is_open(at("2026-01-02T17:59:00Z")));
        assert!(rules.is_open(at("2026-01-03T00:30:00Z")), "Friday's hours end at one");
        assert!(!rules.is_open(at("2026-01-04T19:00:00Z")), "closed on Sundays");
        rules.exceptions =
            vec![HoursException { date: "2026-01-02".into(), opens: None, last_seating: None }];
        assert!(!rules.is_open(at("2026-01-02T19:00:00Z")));
        rules.exceptions.clear();
        rules.paused_until = Some(at("2026-01-02T19:30:00Z"));
        assert!(!rules.is_open(at("2026-01-02T19:00:00Z")));
    }

    #[test]
    fn larger_parties_stay_longer_and_the_largest_named_size_counts_for_all_above() {
        let mut rules = evenings();
        assert_eq!(rules.turn(2), SignedDuration::from_mins(75));
        assert_eq!(rules.turn(3), SignedDuration::from_mins(90));
        rules.turn_times.truncate(2);
        assert_eq!(rules.turn(12), SignedDuration::from_mins(90));
    }

    #[test]
    fn a_day_of_service_begins_at_four_in_the_morning() {
        let rules = evenings();
        let began = at("2026-01-02T04:00:00Z");
        assert_eq!(rules.day_began(at("2026-01-03T02:00:00Z")), began);
        assert_eq!(rules.day_began(at("2026-01-02T04:00:00Z")), began);
    }
}
