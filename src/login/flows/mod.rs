//! Talking to the provider: each way to get tokens is a file here.
