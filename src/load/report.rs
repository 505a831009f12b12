//! What a load found out, and whether that is good enough.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::str::FromStr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::pace::Rate;
use super::wire::Answer;
use crate::config::duration;
use crate::outbound;

/// The longest latency that is told apart, far beyond anybody's patience.
const LONGEST: Duration = Duration::from_secs(120);
/// Latencies are kept to three significant digits.
const DIGITS: u8 = 3;

/// What a run has found out. Latencies count from when a question was due.
#[derive(Clone, Debug)]
pub struct Report {
    /// For how long was counted.
    pub counted: Duration,
    /// How many of each answer there were to the questions that were due in that time.
    pub answers: BTreeMap<Answer, u64>,
    /// How many answers came in that time, whenever they were asked for.
    pub answered: u64,
    /// Whether anything was answered at all, in that time or outside of it.
    pub heard: bool,
    /// How many questions were due and were never asked: there was no connection, or no room on it. Without a rate, one for
    /// each attempt at a connection that failed.
    pub unasked: u64,
    /// How many questions are due and have no answer yet; none when the run is over.
    pub waiting: u64,
    /// How often connections could not be opened or broke, by what was said.
    pub connection_errors: BTreeMap<String, u64>,
    latencies: Histogram<u64>,
}

impl Report {
    /// Answers per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let seconds = self.counted.as_secs_f64();
        if seconds > 0.0 { count(self.answered) / seconds } else { 0.0 }
    }

    /// How many questions there were.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.answers.values().sum::<u64>() + self.unasked
    }

    /// How many of these answers there were.
    #[must_use]
    pub fn count(&self, answer: Answer) -> u64 {
        self.answers.get(&answer).copied().unwrap_or_default()
    }

    /// How many questions got no yes and no no.
    #[must_use]
    pub fn errors(&self) -> u64 {
        let is_error = |answer: &Answer| !matches!(answer, Answer::Accepted | Answer::Refused);
        self.answers.iter().filter(|(answer, _)| is_error(answer)).map(|(_, count)| count).sum::<u64>() + self.unasked
    }

    /// How many questions got no answer, whatever it could have been: lost, given up, never asked. They took longer than any
    /// answer.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.count(Answer::Lost) + self.count(Answer::TimedOut) + self.unasked
    }

    /// The latency that this share of the questions did not exceed; 0.99 is the 99th percentile. Nothing, when so many were
    /// not answered that there is none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let answered = self.latencies.len();
        let share = match self.unanswered() {
            0 => share,
            unanswered => {
                let rank = (share * count(answered + unanswered)).ceil().max(1.0);
                // Half a rank keeps clear of what is rounded.
                (rank - 0.5) / count(answered.max(1))
            }
        };
        (answered > 0 && share <= 1.0).then(|| Duration::from_nanos(self.latencies.value_at_quantile(share)))
    }

    /// The longest latency; nothing, when a question was not answered.
    #[must_use]
    pub fn longest(&self) -> Option<Duration> {
        self.quantile(1.0)
    }

    /// How many answers took how long, those that came: upper bounds in powers of two, from the first that has any to the last.
    #[must_use]
    pub fn histogram(&self) -> Vec<(Duration, u64)> {
        let first = Duration::from_micros(1).as_nanos().try_into().unwrap_or(1);
        let bars = self.latencies.iter_log(first, 2.0);
        let bars: Vec<(Duration, u64)> = bars
            .map(|bar| (Duration::from_nanos(bar.value_iterated_to() + 1), bar.count_since_last_iteration()))
            .collect();
        bars.into_iter().skip_while(|(_, count)| *count == 0).collect()
    }

    /// Which of the objectives are not met.
    #[must_use]
    pub fn judge(&self, objectives: &[Objective]) -> Vec<Shortfall> {
        let shown = |measured: Duration| format!("{measured:.1?}");
        let without = || {
            format!("longer than any bound: {} of {} questions were not answered", self.unanswered(), self.questions())
        };
        let measure = |objective: &Objective| match *objective {
            Objective::Errors { percent } => {
                let share = 100.0 * count(self.errors()) / count(self.questions().max(1));
                (share > percent || self.questions() == 0).then(|| format!("{share:.3}%"))
            }
            Objective::Latency { share, longest, .. } => {
                let measured = self.quantile(share);
                measured.is_none_or(|measured| measured > longest).then(|| measured.map_or_else(without, shown))
            }
        };
        let fall_short =
            |objective: &Objective| Some(Shortfall { objective: objective.clone(), measured: measure(objective)? });
        objectives.iter().filter_map(fall_short).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of so many is not told apart from the next")]
fn count(number: u64) -> f64 {
    number as f64
}

/// What is good enough: `p99=10ms`, `max=1s`, `errors=0.1%`.
#[derive(Clone, Debug, PartialEq)]
pub enum Objective {
    /// No more than these questions get neither yes nor no.
    Errors {
        /// Of a hundred.
        percent: f64,
    },
    /// This share of the questions is answered in no longer a time.
    Latency {
        /// As it was written: `p99`.
        name: String,
        /// Between 0 and 1.
        share: f64,
        /// The bound.
        longest: Duration,
    },
}

/// A text that states no objective.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no objective; write p99=10ms, p99.9=50ms, max=1s or errors=0.1%")]
pub struct ObjectiveError(String);

/// An objective that is not met.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortfall {
    /// The objective.
    pub objective: Objective,
    /// What it is instead.
    pub measured: String,
}

impl FromStr for Objective {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let read = || {
            let (name, bound) = text.split_once('=')?;
            if name == "errors" {
                let percent: f64 = bound.strip_suffix('%')?.parse().ok()?;
                return (0.0..=100.0).contains(&percent).then_some(Self::Errors { percent });
            }
            let percent: f64 = if name == "max" { 100.0 } else { name.strip_prefix('p')?.parse().ok()? };
            let longest = duration::parse(bound).ok()?;
            (percent > 0.0 && percent <= 100.0).then(|| Self::Latency {
                name: name.to_owned(),
                share: percent / 100.0,
                longest,
            })
        };
        read().ok_or_else(|| ObjectiveError(text.to_owned()))
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors { percent } => write!(f, "errors={percent}%"),
            Self::Latency { name, longest, .. } => write!(f, "{name}={}", duration::format(*longest)),
        }
    }
}

/// What is counted while a run goes on.
pub(super) struct Tally {
    answers: BTreeMap<Answer, u64>,
    answered: u64,
    heard: bool,
    unasked: u64,
    connection_errors: BTreeMap<String, u64>,
    latencies: Histogram<u64>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// All that was due was asked and answered, or never will be.
    Over,
    /// What is due may still be asked and answered.
    Running,
}

impl Default for Tally {
    fn default() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        let latencies = Histogram::new_with_bounds(1_000, longest, DIGITS).expect("the bounds are constants");
        Self {
            answers: BTreeMap::new(),
            answered: 0,
            heard: false,
            unasked: 0,
            connection_errors: BTreeMap::new(),
            latencies,
        }
    }
}

impl Tally {
    /// Counts what became of a question that was due at one time, at another, in a window of time that counts.
    pub(super) fn answered(&mut self, answer: Answer, due: Instant, now: Instant, window: Range<Instant>) {
        let is_answer = !matches!(answer, Answer::Lost | Answer::TimedOut);
        self.heard |= is_answer;
        if is_answer && window.contains(&now) {
            self.answered += 1;
        }
        if !window.contains(&due) {
            return;
        }
        *self.answers.entry(answer).or_default() += 1;
        if is_answer {
            let latency = now.saturating_duration_since(due).as_nanos();
            self.latencies.saturating_record(u64::try_from(latency).unwrap_or(u64::MAX));
        }
    }

    /// Counts a connection that could not be opened or broke.
    pub(super) fn connection_failed(&mut self, error: &io::Error) {
        *self.connection_errors.entry(outbound::chain(error)).or_default() += 1;
    }

    /// Counts a question that could not be asked between two times. At a rate the turns say how many those are, so this is
    /// for a run without one.
    pub(super) fn not_asked(&mut self, due: Instant, now: Instant, window: Range<Instant>) {
        self.unasked += u64::from(due < window.end && now >= window.start);
    }

    /// What was found out in the time that counts.
    pub(super) fn report(&self, counted: Duration, rate: Rate, stage: Stage) -> Report {
        let asked: u64 = self.answers.values().sum();
        let due = match rate {
            Rate::AsFastAsAnswered => 0,
            Rate::PerSecond(rate) => {
                u64::try_from(counted.as_nanos() * u128::from(rate.get()) / 1_000_000_000).unwrap_or(u64::MAX)
            }
        };
        let missing = due.saturating_sub(asked);
        // In flight, or waiting for room: no error before the end.
        let (waiting, missed) = if stage == Stage::Running { (missing, 0) } else { (0, missing) };
        Report {
            counted,
            answers: self.answers.clone(),
            answered: self.answered,
            heard: self.heard,
            unasked: self.unasked + missed,
            waiting,
            connection_errors: self.connection_errors.clone(),
            latencies: self.latencies.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn an_objective_reads_back_as_it_was_written() {
        for text in ["p99=10ms", "p99.9=50ms", "max=1s", "errors=0.1%", "errors=0%", "p50=250us"] {
            assert_eq!(text.parse::<Objective>().map(|objective| objective.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "p99", "p0=1ms", "p101=1ms", "px=1ms", "p99=10", "errors=1", "errors=101%", "speed=1"] {
            assert_eq!(text.parse::<Objective>(), Err(ObjectiveError(text.to_owned())));
        }
    }

    #[test]
    fn what_was_due_in_the_window_counts_and_what_was_never_asked_is_missed() {
        let began = Instant::now();
        let at = |millis: u64| began + Duration::from_millis(millis);
        let mut tally = Tally::default();
        let window = at(100)..at(200);
        tally.answered(Answer::Accepted, at(50), at(110), window.clone());
        tally.answered(Answer::Accepted, at(100), at(110), window.clone());
        tally.answered(Answer::Undecided, at(150), at(170), window.clone());
        tally.answered(Answer::TimedOut, at(199), at(300), window);
        let rate = Rate::PerSecond(NonZeroU32::new(50).unwrap());
        let report = tally.report(Duration::from_millis(100), rate, Stage::Over);
        assert_eq!(
            report.answers,
            BTreeMap::from([(Answer::Accepted, 1), (Answer::TimedOut, 1), (Answer::Undecided, 1)])
        );
        assert_eq!((report.answered, report.unasked, report.errors(), report.questions()), (3, 2, 4, 5));
        assert_eq!(report.waiting, 0);
        // While it runs, they may still be asked.
        let report = tally.report(Duration::from_millis(100), rate, Stage::Running);
        assert_eq!((report.unasked, report.waiting, report.errors(), report.questions()), (0, 2, 2, 3));
    }

    #[test]
    fn what_was_not_answered_took_longer_than_any_answer() {
        let began = Instant::now();
        let window = began..began + Duration::from_secs(1);
        let mut tally = Tally::default();
        for millis in 1..=95 {
            tally.answered(Answer::Accepted, began, began + Duration::from_millis(millis), window.clone());
        }
        tally.answered(Answer::Lost, began, began, window.clone());
        tally.answered(Answer::TimedOut, began, began, window);
        let rate = Rate::PerSecond(NonZeroU32::new(100).unwrap());
        let report = tally.report(Duration::from_secs(1), rate, Stage::Over);
        let quantiles =
            [0.001, 0.5, 0.95, 0.951, 0.99, 1.0].map(|share| report.quantile(share).map(|time| time.as_millis()));
        assert_eq!(quantiles, [Some(1), Some(50), Some(95), None, None, None]);
        assert_eq!((report.unanswered(), report.longest()), (5, None));
        let objectives: [Objective; 2] = ["p95=96ms", "p99=1h"].map(|text| text.parse().unwrap());
        let shortfall = Shortfall {
            objective: objectives[1].clone(),
            measured: "longer than any bound: 5 of 100 questions were not answered".to_owned(),
        };
        assert_eq!(report.judge(&objectives), [shortfall]);
    }

    #[test]
    fn an_attempt_counts_when_a_part_of_it_was_in_the_window() {
        let began = Instant::now();
        let at = |millis: u64| began + Duration::from_millis(millis);
        let mut tally = Tally::default();
        for (due, now) in [(0, 99), (0, 100), (0, 300), (150, 160), (199, 300), (200, 210)] {
            tally.not_asked(at(due), at(now), at(100)..at(200));
        }
        let report = tally.report(Duration::from_millis(100), Rate::AsFastAsAnswered, Stage::Over);
        assert_eq!((report.unasked, report.errors(), report.questions()), (4, 4, 4));
    }

    #[test]
    fn an_objective_that_is_not_met_says_by_how_much() {
        let began = Instant::now();
        let mut tally = Tally::default();
        for (answer, millis) in [(Answer::Accepted, 5), (Answer::Accepted, 20), (Answer::Undecided, 1)] {
            let now = began + Duration::from_millis(millis);
            tally.answered(answer, began, now, began..began + Duration::from_secs(1));
        }
        let report = tally.report(Duration::from_secs(1), Rate::AsFastAsAnswered, Stage::Over);
        let objectives = ["p50=10ms", "max=10ms", "errors=40%", "errors=30%"].map(|text| text.parse().unwrap());
        let shortfalls: Vec<_> =
            report.judge(&objectives).iter().map(|short| format!("{}: {}", short.objective, short.measured)).collect();
        assert_eq!(shortfalls, ["max=10ms: 20.0ms", "errors=30%: 33.333%"]);
    }

    #[test]
    fn without_an_answer_no_objective_is_met() {
        let report = Tally::default().report(Duration::from_secs(1), Rate::AsFastAsAnswered, Stage::Over);
        let objectives = ["p99=1s", "errors=100%"].map(|text| text.parse().unwrap());
        assert_eq!(report.judge(&objectives).len(), 2);
    }
}
