//! When questions are due.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How close to its time a question is waited for with a timer, whose ticks are a millisecond; the rest is spent looking at
/// the clock.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// How many questions are asked in a second, over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As many as are answered: every connection always has all its questions in flight.
    AsFastAsAnswered,
    /// So many, whether or not they are answered.
    PerSecond(NonZeroU32),
}

/// One connection's share of the questions.
pub(super) struct Pace {
    /// When the next one is due, and the time between two; none, if one is always due.
    fixed: Option<(Instant, Duration)>,
    end: Instant,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Ask; it was due at this time.
    Ask(Instant),
    /// Nothing more is asked.
    End,
    /// Ask at this time.
    Wait(Instant),
}

impl Pace {
    /// The share of connection `index` of `connections`: they take turns, beginning at `start`.
    pub(super) fn new(rate: Rate, index: usize, connections: usize, start: Instant, end: Instant) -> Self {
        let fixed = match rate {
            Rate::AsFastAsAnswered => None,
            Rate::PerSecond(rate) => {
                let one = Duration::from_secs(1) / rate.get();
                let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
                Some((start + one * count(index), one * count(connections)))
            }
        };
        Self { fixed, end }
    }

    /// What to do at a time; a turn that is taken is over.
    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        match &mut self.fixed {
            _ if now >= self.end => Turn::End,
            None => Turn::Ask(now),
            Some((due, _)) if *due >= self.end => Turn::End,
            Some((due, _)) if *due > now => Turn::Wait(*due),
            Some((due, step)) => {
                let turn = Turn::Ask(*due);
                *due += *step;
                turn
            }
        }
    }
}

/// Waits until a time, to a few microseconds.
pub(super) async fn until(time: Instant) {
    if let Some(early) = time.checked_sub(TIMER_SLACK)
        && early > Instant::now()
    {
        tokio::time::sleep_until(early.into()).await;
    }
    while Instant::now() < time {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_take_turns_at_the_rate_of_all() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let rate = Rate::PerSecond(NonZeroU32::new(100).unwrap());
        let mut paces = [0, 1].map(|index| Pace::new(rate, index, 2, start, at(60)));
        let [first, second] = &mut paces;
        assert_eq!(first.turn(at(0)), Turn::Ask(at(0)));
        assert_eq!(first.turn(at(0)), Turn::Wait(at(20)));
        assert_eq!(second.turn(at(0)), Turn::Wait(at(10)));
        // Late turns keep the time at which they were due.
        assert_eq!(second.turn(at(50)), Turn::Ask(at(10)));
        assert_eq!(second.turn(at(50)), Turn::Ask(at(30)));
        assert_eq!(second.turn(at(50)), Turn::Ask(at(50)));
        assert_eq!(second.turn(at(50)), Turn::End);
        assert_eq!(first.turn(at(60)), Turn::End);
    }

    #[test]
    fn without_a_rate_it_is_always_time_until_the_end() {
        let start = Instant::now();
        let end = start + Duration::from_secs(1);
        let mut pace = Pace::new(Rate::AsFastAsAnswered, 0, 1, start, end);
        assert_eq!(pace.turn(start), Turn::Ask(start));
        assert_eq!(pace.turn(end), Turn::End);
    }
}
