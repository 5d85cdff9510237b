//! Percentiles and medians.

/// How long writes took, in microseconds, one entry each: exact, and small enough for a run.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    pub(crate) fn push(&mut self, micros: u128) {
        self.0.push(u32::try_from(micros).unwrap_or(u32::MAX));
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that `percent` of all stay under, in microseconds.
    pub(crate) fn percentile(&mut self, percent: usize) -> u32 {
        self.0.sort_unstable();
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or(0)
    }
}

/// The middle one; of an even number the lower.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// The smallest and the largest.
pub(crate) fn span(values: &[f64]) -> (f64, f64) {
    let fold = |start: f64, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
    (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max))
}

/// A count as a figure to calculate with.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts stay far below 2^53"
)]
pub(crate) fn figure(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_of_a_hundred_is_the_last() {
        let mut all = Latencies::default();
        (1..=100).rev().for_each(|micros| all.push(micros));
        assert_eq!((all.percentile(50), all.percentile(99)), (51, 100));
        assert_eq!(Latencies::default().percentile(99), 0);
    }

    #[test]
    fn an_outlier_does_not_move_the_median() {
        assert!((median([1.0, 900.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert_eq!(span(&[3.0, 1.0, 2.0]), (1.0, 3.0));
    }
}
