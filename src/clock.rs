//! Time as a value: everything that decides takes `now` as an argument, and only this file reads a clock.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Whole seconds since 1970-01-01T00:00:00Z, leap seconds not counted (RFC 7519 section 2, `NumericDate`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The last second of the year 9999: later dates are refused wherever one is read.
    pub const MAX: Self = Self(253_402_300_799);

    /// A point in time from seconds since the epoch; beyond [`Self::MAX`] it is that.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        if seconds > Self::MAX.0 { Self::MAX } else { Self(seconds) }
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// This moment plus a span, stopping at [`Self::MAX`].
    #[must_use]
    pub const fn saturating_add(self, span: Duration) -> Self {
        Self::from_seconds(self.0.saturating_add(span.as_secs()))
    }

    /// This moment minus a span, stopping at the epoch.
    #[must_use]
    pub const fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.as_secs()))
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the time comes from. Tests bring their own, so that a day passes in no time.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock: compared with `exp`, `nbf` and `iat`. It may jump either way.
    fn now(&self) -> UnixTime;

    /// A clock that never goes back: ages, cool-downs and cache lifetimes.
    fn monotonic(&self) -> Instant;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs()))
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that moves only when it is told to. For tests and `explain --at`.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    wall: std::sync::atomic::AtomicU64,
    elapsed: std::sync::atomic::AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: UnixTime) -> Self {
        Self { start: Instant::now(), wall: now.seconds().into(), elapsed: 0.into() }
    }

    /// Lets a span pass on both clocks.
    pub fn advance(&self, span: Duration) {
        use std::sync::atomic::Ordering::SeqCst;
        self.wall.fetch_add(span.as_secs(), SeqCst);
        self.elapsed.fetch_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX), SeqCst);
    }

    /// Sets the wall clock alone, as a time service or a resumed machine does.
    pub fn step_to(&self, now: UnixTime) {
        self.wall.store(now.seconds(), std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.wall.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn monotonic(&self) -> Instant {
        self.start + Duration::from_millis(self.elapsed.load(std::sync::atomic::Ordering::SeqCst))
    }
}
