//! When questions are due.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How close to its time a question is waited for with a timer, whose ticks are a millisecond; the rest is spent looking at
/// the clock.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// How long after the end questions are still asked that were due before it: a server that lags does not get rid of them.
const LAST_CALL: Duration = Duration::from_secs(1);

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
    turns: Option<Turns>,
    end: Instant,
}

/// The turns of one connection: every so many of all.
struct Turns {
    start: Instant,
    rate: NonZeroU32,
    next: u64,
    step: u64,
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
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let turns = match rate {
            Rate::AsFastAsAnswered => None,
            Rate::PerSecond(rate) => Some(Turns { start, rate, next: count(index), step: count(connections) }),
        };
        Self { turns, end }
    }

    /// When nothing is asked any more, whenever it was due.
    pub(super) fn last_call(&self) -> Instant {
        if self.turns.is_some() { self.end + LAST_CALL } else { self.end }
    }

    /// Whether turns say how many questions were due, asked or not.
    pub(super) const fn has_turns(&self) -> bool {
        self.turns.is_some()
    }

    /// Whether the end was so long ago that a connection which opens only now was no good.
    pub(super) fn is_long_over(&self, now: Instant) -> bool {
        now >= self.end + LAST_CALL
    }

    /// What to do at a time; a turn that is taken is over.
    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        if now >= self.last_call() {
            return Turn::End;
        }
        let Some(turns) = &mut self.turns else { return Turn::Ask(now) };
        match turns.due() {
            due if due >= self.end => Turn::End,
            due if due > now => Turn::Wait(due),
            due => {
                turns.next += turns.step;
                Turn::Ask(due)
            }
        }
    }
}

impl Turns {
    /// When the next one is due.
    fn due(&self) -> Instant {
        // Rounded up, or a second would have room for one more than the rate.
        let nanos = (u128::from(self.next) * 1_000_000_000).div_ceil(u128::from(self.rate.get()));
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
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
        // What was due before the end is asked after it, for a while.
        assert_eq!(first.turn(at(60)), Turn::Ask(at(20)));
        assert_eq!(first.turn(at(1059)), Turn::Ask(at(40)));
        assert_eq!(first.turn(at(1059)), Turn::End);
        let mut late = Pace::new(rate, 0, 2, start, at(60));
        assert_eq!(late.turn(at(1060)), Turn::End);
    }

    #[test]
    fn a_second_has_as_many_turns_as_the_rate_says() {
        let start = Instant::now();
        for (rate, connections) in [(300, 3), (7, 2), (8_000, 10), (1, 4)] {
            let end = start + Duration::from_secs(1);
            let rate = Rate::PerSecond(NonZeroU32::new(rate).unwrap());
            let mut turns = 0;
            for index in 0..connections {
                let mut pace = Pace::new(rate, index, connections, start, end);
                turns += std::iter::from_fn(|| matches!(pace.turn(end), Turn::Ask(_)).then_some(())).count();
            }
            assert_eq!(Rate::PerSecond(NonZeroU32::new(turns.try_into().unwrap()).unwrap()), rate);
        }
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
