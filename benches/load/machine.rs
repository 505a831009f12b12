//! The machine under the measurements: which core runs what, what the kernel says a process has used, and what to call it.

use std::fs;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

/// The core that servers run on.
pub(crate) const SERVER_CORE: usize = 0;
/// The core that questions come from.
pub(crate) const GENERATOR_CORE: usize = 1;

/// Keeps this thread, and what it starts from now on, on one of the first cores.
pub(crate) fn pin(cores: &[usize]) {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    sched_setaffinity(None, &set).expect("the machine has two cores that this process may use");
}

/// The processor time that a process has used in all its threads: user, kernel, and the loopback interface on its behalf.
///
/// From `/proc/PID/task/*/schedstat`, in nanoseconds; the time slices of `/proc/PID/stat` are ten milliseconds.
pub(crate) fn processor_time(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("the process is alive");
    let used = threads.filter_map(|thread| {
        let schedstat = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        schedstat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(used.sum())
}

/// How much memory a process holds, in bytes: resident, pages shared with others included.
pub(crate) fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process is alive");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has a VmRSS");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("VmRSS is in kilobytes");
    kilobytes * 1024
}

/// What this machine is, in one line.
pub(crate) fn description() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{count} x {model}, Linux {}", kernel.trim())
}

/// How many processes want to run now, over the last minute. Above two, others are at work here.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
}

/// Does something on the servers' core, while the generator's core is kept busy as it is by a generator.
pub(crate) fn beside_a_busy_core<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            pin(&[SERVER_CORE]);
            let result = work();
            is_done.store(true, Ordering::Relaxed);
            result
        });
        let (mut key, mut block) = (0_u64, [0_u8; 1024]);
        while !is_done.load(Ordering::Relaxed) {
            // What a generator does most: it fills buffers and goes over them.
            for byte in &mut block {
                key = key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte ^= (key >> 56) as u8;
            }
            black_box(&block);
        }
        worker.join().expect("the work does not panic")
    })
}

/// Does something on the servers' core, while the generator does nothing.
pub(crate) fn on_servers_core<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            pin(&[SERVER_CORE]);
            work()
        });
        worker.join().expect("the work does not panic")
    })
}
