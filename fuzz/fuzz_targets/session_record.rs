#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| countersign::login::fuzzing::session_record(bytes));
