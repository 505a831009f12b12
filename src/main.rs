//! The program: everything is in the library.

use std::process::ExitCode;

/// The system's allocator leaves a hole of a token's size beside each remembered answer; this one keeps sizes apart.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    countersign::commands::run(std::env::args_os())
}
