//! Keeping tokens inside the process: no core dumps, no debugger, no payloads in panic messages.

use std::panic::PanicHookInfo;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Makes the process keep its memory to itself. What the system does not let it do is reported, not fatal: a service that
/// does not start protects nobody.
pub fn apply() {
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, no_core) {
        tracing::warn!(%error, "core dumps could not be turned off");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process could not be closed to debuggers");
    }
}

/// Reports panics by their place alone: a message may hold part of a token.
pub fn report_panics_by_place() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic; the request that it happened in is lost, no other");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j1_a_process_that_was_hardened_leaves_no_core() {
        apply();
        assert_eq!(rustix::process::getrlimit(Resource::Core).current, Some(0));
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
