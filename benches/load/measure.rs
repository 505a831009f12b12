//! One measurement: a shape of load on one server, for a moment.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::load::{Observer, PATIENCE, Plan, Protocol, Rate, Report};
use serde::Serialize;

use crate::cases::Bodies;
use crate::machine;

/// How questions are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) protocol: Protocol,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
    pub(crate) rate: Option<u32>,
    pub(crate) questions_per_connection: Option<u32>,
}

impl Shape {
    /// HTTP/1.1 over so many connections, as fast as it is answered.
    pub(crate) const fn h1(connections: usize) -> Self {
        Self { protocol: Protocol::Http1, connections, streams: 1, rate: None, questions_per_connection: None }
    }

    /// HTTP/2 over so many connections with so many questions in flight on each, as fast as it is answered.
    pub(crate) const fn h2(connections: usize, streams: usize) -> Self {
        Self { protocol: Protocol::Http2, connections, streams, rate: None, questions_per_connection: None }
    }

    /// The same at a fixed rate.
    pub(crate) const fn at(self, rate: u32) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// The same with a new connection for every question.
    pub(crate) const fn reconnecting(self) -> Self {
        Self { questions_per_connection: Some(1), ..self }
    }

    /// Such as `h2 1x100`.
    pub(crate) fn name(self) -> String {
        let base = match self.protocol {
            Protocol::Http1 => format!("h1 {}", self.connections),
            Protocol::Http2 => format!("h2 {}x{}", self.connections, self.streams),
        };
        match (self.rate, self.questions_per_connection) {
            (Some(rate), _) => format!("{base} at {rate}/s"),
            (None, Some(_)) => format!("{base}, new connections"),
            (None, None) => base,
        }
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Microseconds of the server's processor time for each answer.
    pub(crate) cpu: f64,
    /// Latencies in microseconds: half, 99 of 100, and 999 of 1,000 are below.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// The part of the generator's core that it used itself. Near one, the rate is the generator's limit.
    pub(crate) generator: f64,
}

/// Questions in a shape, and what should come of them.
pub(crate) struct Load<'a> {
    pub(crate) shape: Shape,
    pub(crate) bodies: &'a Bodies,
    pub(crate) expected: fn(&Report) -> bool,
}

impl Load<'_> {
    /// The plan that asks for `duration` after a `warm_up`.
    pub(crate) fn plan(&self, warm_up: Duration, duration: Duration) -> Plan {
        let number = |number| NonZeroUsize::new(number).expect("shapes have no zeros");
        let Shape { protocol, connections, streams, rate, questions_per_connection } = self.shape;
        Plan {
            bodies: Arc::clone(self.bodies),
            connections: number(connections),
            streams: number(streams),
            protocol,
            rate: rate.and_then(NonZeroU32::new).map_or(Rate::AsFastAsAnswered, Rate::PerSecond),
            warm_up,
            duration,
            most_questions: None,
            patience: PATIENCE,
            questions_per_connection: questions_per_connection.and_then(NonZeroU32::new),
        }
    }
}

/// Reads the processor time of server and generator when counting begins and ends.
pub(crate) struct Meter {
    server: u32,
    readings: Mutex<Vec<(Duration, Duration)>>,
}

impl Meter {
    /// For a server's process.
    pub(crate) fn new(server: u32) -> Self {
        Self { server, readings: Mutex::default() }
    }

    fn read(&self) {
        let reading = (machine::processor_time(self.server), machine::processor_time(std::process::id()));
        self.readings.lock().expect("nobody panics with it").push(reading);
    }

    /// What the readings and the report come to.
    ///
    /// # Panics
    /// When the answers are not the expected ones, since then something else was measured.
    pub(crate) fn sample(&self, load: &Load<'_>, report: &Report) -> Sample {
        let (name, answers, errors) = (load.shape.name(), &report.answers, &report.connection_errors);
        assert!((load.expected)(report), "{name}: unexpected answers: {answers:?} {} {errors:?}", report.unasked);
        let readings = self.readings.lock().expect("nobody panics with it");
        let [(server_before, own_before), (server_after, own_after)] = readings.as_slice() else {
            panic!("the meter was read {} times", readings.len())
        };
        let micros = |span: Duration| span.as_secs_f64() * 1e6;
        let quantile = |share| micros(report.quantile(share).expect("no question was left without an answer"));
        Sample {
            rate: report.rate(),
            cpu: micros(*server_after - *server_before) / (report.rate() * report.counted.as_secs_f64()),
            p50: quantile(0.5),
            p99: quantile(0.99),
            p999: quantile(0.999),
            generator: (*own_after - *own_before).as_secs_f64() / report.counted.as_secs_f64(),
        }
    }
}

impl Observer for Meter {
    fn began(&self) {
        self.read();
    }

    fn ended(&self) {
        self.read();
    }
}
