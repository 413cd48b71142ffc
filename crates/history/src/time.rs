//! Moments in time, as they are stored and shown.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Serialize, Serializer};

/// A moment: milliseconds since 1970-01-01 UTC. Shown and serialised as `2026-03-01T12:34:56.789Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// This moment by the machine's clock.
    pub fn now() -> Self {
        // A clock before 1970 or after the year 292 million is not worth an error.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// The moment that many milliseconds after 1970-01-01 UTC.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whether this moment was longer ago than `age`, seen from `now`. One that lies ahead was noted before the clock was set back:
    /// how long ago nobody knows, and it counts as long.
    #[must_use]
    pub fn is_older_than(self, age: Duration, now: Self) -> bool {
        match u128::try_from(now.0.saturating_sub(self.0)) {
            Ok(millis) => millis > age.as_millis(),
            Err(_) => true,
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only a damaged row is beyond the calendar's years (-9999 to 9999): the nearest moment within them is shown.
        let (first, last) = (
            jiff::Timestamp::MIN.as_millisecond(),
            jiff::Timestamp::MAX.as_millisecond(),
        );
        let shown = jiff::Timestamp::from_millisecond(self.0.clamp(first, last)).unwrap_or_default();
        write!(f, "{shown:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_ahead_was_noted_before_the_clock_was_set_back() {
        let (noted, minute) = (Timestamp::from_millis(100_000), Duration::from_secs(60));
        for (now, old) in [
            (100_000, false),
            (160_000, false),
            (160_001, true),
            (99_999, true),
            (i64::MIN, true),
        ] {
            let now = Timestamp::from_millis(now);
            assert_eq!(noted.is_older_than(minute, now), old, "{now}");
        }
    }

    #[test]
    fn shows_the_calendar() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_102_444_799_000, "2099-12-31T23:59:59.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (i64::MAX, "9999-12-30T22:00:00.999Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        }
    }
}
