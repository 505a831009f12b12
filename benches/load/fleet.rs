//! The servers of a run by the part that they play, and loads on them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use countersign::clock::{Clock, SystemClock};
use countersign::load::{Answer, Plan, Prepared};
use tokio::runtime::Runtime;

use crate::cases::{Bodies, SPREAD, WIDE, is_yes};
use crate::cluster::Cluster;
use crate::goals::{GARDENER, KUBERNETES, TABLE};
use crate::machine::{self, GENERATOR_CORE, SERVER_CORE};
use crate::material::{AUDIENCE, Kind, Material, bodies};
use crate::measure::{Load, Meter, Sample, Shape};
use crate::results::{Results, Spread};
use crate::servers::Server;
use crate::verification::{Signatures, Tokens};

/// Before anything counts in a measurement.
const WARM_UP: Duration = Duration::from_millis(250);
/// How long a server may take to have the issuer's keys.
const READY_TIME: Duration = Duration::from_secs(30);
/// How often a start is timed.
const STARTS: usize = 9;
/// How often a signature and a token are compared.
const SLICES: usize = 15;
/// More tokens than a processor's cache can hold.
const MOST: usize = 1_000_000;

/// The part that a side plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// The product as it is.
    Cached,
    /// Gardener's authenticator, which has no cache.
    Gardener,
    Kubernetes,
    /// The same without its cache.
    KubernetesUncached,
    Limit,
    /// No server: the signatures of a kind.
    Signature(Kind),
    Table,
    /// The product on two cores, one of which it shares with the generator.
    TwoCores,
    /// The product, told to remember nothing.
    Uncached,
}

/// Servers that are ready.
pub(crate) struct Fleet {
    /// What gardener's authenticator reads from, standing still. It is the first to go, since it writes to the folder.
    cluster: Option<Cluster>,
    pub(crate) material: Material,
    runtime: Runtime,
    servers: BTreeMap<Role, Server>,
}

impl Fleet {
    /// Starts every server that there is, and waits until each gives the answer that is expected of it.
    pub(crate) fn start() -> Self {
        let material = Material::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut servers = BTreeMap::from([
            (Role::Cached, Server::countersign(&material, "cached.yaml", &[SERVER_CORE])),
            (Role::Limit, Server::limit(&material)),
            (Role::TwoCores, Server::countersign(&material, "cached.yaml", &[SERVER_CORE, GENERATOR_CORE])),
            (Role::Uncached, Server::countersign(&material, "uncached.yaml", &[SERVER_CORE])),
        ]);
        for (role, name, server) in [
            (Role::Kubernetes, KUBERNETES, Server::kubernetes(&material, true)),
            (Role::KubernetesUncached, KUBERNETES, Server::kubernetes(&material, false)),
            (Role::Table, TABLE, Server::static_tokens(&material)),
        ] {
            match server {
                Some(server) => drop(servers.insert(role, server)),
                None => eprintln!("SKIPPED: {name} ({role:?}) is not there; benches/peers/setup.sh builds it"),
            }
        }
        let gardener = Cluster::start(&material).and_then(|cluster| Some((cluster, Server::gardener(&material)?)));
        if gardener.is_none() {
            let needed = "benches/peers/setup.sh builds it, and tests/real/setup.sh the Kubernetes API that it needs";
            eprintln!("SKIPPED: {GARDENER} is not there; {needed}");
        }
        let cluster = gardener.map(|(cluster, server)| {
            servers.insert(Role::Gardener, server);
            cluster
        });
        let fleet = Self { cluster, material, runtime, servers };
        let token = bodies(&fleet.material.tokens(Kind::Rs256, 0..1));
        for server in fleet.servers.values() {
            fleet.until_ready(server, &token);
        }
        if let Some(cluster) = &fleet.cluster {
            cluster.stop();
        }
        fleet
    }

    /// The server that plays a part, if there is one.
    pub(crate) fn server(&self, role: Role) -> Option<&Server> {
        self.servers.get(&role)
    }

    /// Puts a load on a server.
    pub(crate) fn measure(&self, server: &Server, load: &Load<'_>, duration: Duration) -> Sample {
        let meter = Meter::new(server.process());
        let report = self.runtime.block_on(async { self.prepare(server, load, duration).run(&meter).await });
        meter.sample(load, &report)
    }

    /// Puts two loads on a server at once.
    pub(crate) fn measure_both(&self, server: &Server, loads: [&Load<'_>; 2], duration: Duration) -> [Sample; 2] {
        let meters = loads.map(|_| Meter::new(server.process()));
        let [one, other] = &meters;
        let [first, second] = loads;
        let (first_report, second_report) = self.runtime.block_on(async {
            let (first, second) = (self.prepare(server, first, duration), self.prepare(server, second, duration));
            tokio::join!(first.run(one), second.run(other))
        });
        [one.sample(first, &first_report), other.sample(second, &second_report)]
    }

    fn prepare(&self, server: &Server, load: &Load<'_>, duration: Duration) -> Prepared {
        load.plan(WARM_UP, duration).prepare(server.target(&self.material, load.shape.protocol))
    }

    /// Asks about a token until the answer is yes: keys are fetched when a server starts, or with its first token.
    fn until_ready(&self, server: &Server, token: &Bodies) {
        let load = Load { shape: Shape::h2(1, 1), bodies: token, expected: is_yes };
        let plan = || Plan { most_questions: Some(1), ..load.plan(Duration::ZERO, READY_TIME) };
        let began = Instant::now();
        loop {
            let target = server.target(&self.material, load.shape.protocol);
            let report = self.runtime.block_on(async { plan().prepare(target).run(&()).await });
            // Attempts before it listened are errors, and do not matter.
            if report.count(Answer::Accepted) > 0 {
                return;
            }
            assert!(
                began.elapsed() < READY_TIME,
                "{}: {:?} {:?}",
                server.url(),
                report.answers,
                report.connection_errors
            );
        }
    }

    /// Measures what takes no rounds: sizes and starts.
    pub(crate) fn figures(&self, quick: bool, duration: Duration, results: &mut Results) {
        let token = bodies(&self.material.tokens(Kind::Rs256, 0..1));
        self.verification(results);
        self.memory(&token, results);
        self.starts(&token, results);
        binary_size(results);
        if !quick {
            self.million(duration, results);
        }
    }

    /// From a token's text to its claims, beside the signature alone, with no server around.
    fn verification(&self, results: &mut Results) {
        const SLICE: Duration = Duration::from_millis(100);
        for kind in Kind::ALL {
            let tokens = self.material.tokens(kind, 0..50);
            let signatures = Signatures::of(kind, self.material.key(kind), &tokens);
            let key = self.material.key(kind);
            let tokens = Tokens::of(key, tokens, self.material.issuer(), AUDIENCE, SystemClock.now());
            let ratio = || machine::on_servers_core(|| signatures.verify_for(SLICE) / tokens.judge_for(SLICE));
            let ratios = (0..SLICES).map(|_| ratio()).collect();
            let spread = Spread::of(ratios).expect("there are several");
            results.figure(&format!("token to claims / signature, {}", kind.name()), "", spread);
        }
    }

    /// A server that has answered one review, and one after many connections at work.
    fn memory(&self, token: &Bodies, results: &mut Results) {
        let megabytes = |server: &Server| Spread::one(mega(machine::resident(server.process())));
        let server = Server::countersign(&self.material, "cached.yaml", &[SERVER_CORE]);
        self.until_ready(&server, token);
        results.figure("memory when idle", "MB", megabytes(&server));
        for shape in [Shape::h1(64), SPREAD, WIDE] {
            let load = Load { shape, bodies: token, expected: is_yes };
            self.measure(&server, &load, Duration::from_secs(1));
        }
        results.figure("memory under load", "MB", megabytes(&server));
        if let Some(server) = self.server(Role::Kubernetes) {
            results.figure("memory under load, Kubernetes", "MB", megabytes(server));
        }
    }

    /// From the start of a process to its first good review over a connection of its own.
    fn starts(&self, token: &Bodies, results: &mut Results) {
        let time = |start: &dyn Fn() -> Option<Server>| -> Option<f64> {
            let began = Instant::now();
            let server = start()?;
            self.until_ready(&server, token);
            Some(began.elapsed().as_secs_f64() * 1e3)
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            ours.extend(time(&|| Some(Server::countersign(&self.material, "cached.yaml", &[SERVER_CORE]))));
            theirs.extend(time(&|| Server::kubernetes(&self.material, true)));
        }
        let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
        for (name, unit, values) in [
            ("start, countersign", "ms", ours),
            ("start, Kubernetes", "ms", theirs),
            ("start, countersign / Kubernetes", "", ratios),
        ] {
            if let Some(spread) = Spread::of(values) {
                results.figure(name, unit, spread);
            }
        }
    }

    /// A million tokens, each asked about once, then all of them over and over, beside a single one.
    fn million(&self, duration: Duration, results: &mut Results) {
        eprintln!("1,000,000 tokens; this takes a few minutes");
        let many = bodies(&self.material.tokens(Kind::Es256, 0..MOST));
        let one: Bodies = many.iter().take(1).cloned().collect();
        let server = Server::countersign(&self.material, "cached.yaml", &[SERVER_CORE]);
        self.until_ready(&server, &one);
        let before = machine::resident(server.process());
        let load = |bodies| Load { shape: WIDE, bodies, expected: is_yes };
        let fill =
            Plan { most_questions: Some(many.len() as u64), ..load(&many).plan(Duration::ZERO, 60 * READY_TIME) };
        let target = server.target(&self.material, WIDE.protocol);
        let report = self.runtime.block_on(async { fill.prepare(target).run(&()).await });
        assert!(is_yes(&report), "{:?}", report.answers);
        let grown = machine::resident(server.process()).saturating_sub(before);
        results.figure("memory for each entry", "B", Spread::one(grown as f64 / many.len() as f64));
        for _ in 0..STARTS {
            results.add("hit of 1, h2 1x100", crate::goals::OURS, self.measure(&server, &load(&one), duration));
            results.add("hit of 1000000, h2 1x100", crate::goals::OURS, self.measure(&server, &load(&many), duration));
        }
    }
}

/// The program's file, without what only debuggers need.
fn binary_size(results: &mut Results) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let stripped = folder.path().join("stripped");
    let binary = Path::new(env!("CARGO_BIN_EXE_countersign"));
    match Command::new("strip").arg("-o").arg(&stripped).arg(binary).status() {
        Ok(status) if status.success() => {
            let bytes = std::fs::metadata(&stripped).expect("strip wrote it").len();
            results.figure("binary, stripped", "MB", Spread::one(mega(bytes)));
        }
        _ => eprintln!("SKIPPED: the size of the binary; there is no `strip`"),
    }
}

/// Bytes in millions.
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
