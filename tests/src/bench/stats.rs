//! Median, worst and percentiles of repetitions.

/// Samples of one quantity, sorted.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

impl Samples {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The middle one, or the mean of the two in the middle; 0 if there is none.
    #[must_use]
    pub fn median(&self) -> f64 {
        let (low, high) = (self.len().saturating_sub(1) / 2, self.len() / 2);
        match (self.0.get(low), self.0.get(high)) {
            (Some(low), Some(high)) => f64::midpoint(*low, *high),
            _ => 0.0,
        }
    }

    /// The largest; 0 if there is none.
    #[must_use]
    pub fn worst(&self) -> f64 {
        self.0.last().copied().unwrap_or_default()
    }

    /// The smallest sample that at least `percent` of 100 do not exceed (nearest rank); 0 if there
    /// is none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.len() * percent).div_ceil(100);
        self.0
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: impl IntoIterator<Item = u32>) -> Samples {
        values.into_iter().map(f64::from).collect()
    }

    #[test]
    fn median_and_percentiles_of_known_samples() {
        let odd = samples([3, 1, 2]);
        assert_eq!((odd.median(), odd.worst()), (2.0, 3.0));
        assert_eq!(samples([4, 1, 2, 3]).median(), 2.5);
        let hundred = samples((1..=200).rev());
        assert_eq!(hundred.percentile(99), 198.0);
        assert_eq!(hundred.percentile(100), 200.0);
        assert_eq!(samples([7]).percentile(99), 7.0);
    }

    #[test]
    fn no_sample_is_not_a_panic() {
        let none = samples([]);
        assert_eq!(
            (none.median(), none.worst(), none.percentile(99)),
            (0.0, 0.0, 0.0)
        );
    }
}
