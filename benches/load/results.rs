//! What a run has measured, and how one side compares with another.

use serde::Serialize;

use crate::measure::Sample;

/// The samples of one side of a case, one for each round.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) side: String,
    pub(crate) samples: Vec<Sample>,
}

/// A number that was measured once, or the median of several with the extremes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    pub(crate) rows: Vec<Row>,
    /// What is measured apart from rounds of load: sizes, times.
    pub(crate) figures: Vec<Figure>,
}

/// One measured thing.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) value: Spread,
}

/// What of a sample is looked at.
pub(crate) type Aspect = fn(&Sample) -> f64;

impl Spread {
    /// Of all values; none, if there are none.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let median = match values.len() {
            0 => return None,
            odd if odd % 2 == 1 => values[odd / 2],
            even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
        };
        Some(Self { least: values[0], median, most: values[values.len() - 1] })
    }

    /// Of a single value.
    pub(crate) const fn one(value: f64) -> Self {
        Self { least: value, median: value, most: value }
    }
}

impl Results {
    /// Adds a round's sample.
    pub(crate) fn add(&mut self, case: &str, side: &str, sample: Sample) {
        match self.rows.iter_mut().find(|row| row.case == case && row.side == side) {
            Some(row) => row.samples.push(sample),
            None => self.rows.push(Row { case: case.to_owned(), side: side.to_owned(), samples: vec![sample] }),
        }
    }

    /// Adds a figure.
    pub(crate) fn figure(&mut self, name: &str, unit: &'static str, value: Spread) {
        self.figures.push(Figure { name: name.to_owned(), unit, value });
    }

    /// One side of a case.
    pub(crate) fn row(&self, case: &str, side: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.case == case && row.side == side)
    }

    /// A figure that was measured.
    pub(crate) fn value(&self, name: &str) -> Option<Spread> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }

    /// One aspect of one side.
    pub(crate) fn spread(&self, case: &str, side: &str, aspect: Aspect) -> Option<Spread> {
        Spread::of(self.row(case, side)?.samples.iter().map(aspect).collect())
    }

    /// One side over another, round by round: each ratio is of two measurements that were taken one after the other.
    pub(crate) fn ratio(
        &self,
        (case, side): (&str, &str),
        (other_case, other): (&str, &str),
        aspect: Aspect,
    ) -> Option<Spread> {
        let (above, below) = (self.row(case, side)?, self.row(other_case, other)?);
        Spread::of(above.samples.iter().zip(&below.samples).map(|(a, b)| aspect(a) / aspect(b)).collect())
    }
}
