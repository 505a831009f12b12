//! A Kubernetes webhook token authenticator: a bearer token in, a verdict out.
//!
//! kube-apiserver posts a TokenReview for every bearer token that it does not know; countersign verifies the token against
//! external identity providers and answers who it is. A wrong yes is a cluster takeover, an outage locks everyone out, and
//! every millisecond is on every request's path, so the whole way from the socket to the answer is one straight line:
//!
//! 1. `main` reads flags; [`commands`] has one thin file for each command.
//! 2. [`app`] is the only wiring: a configuration ([`config`]) becomes issuers, a chain, listeners; [`app::reload`] follows
//!    the files and puts a changed configuration in force in one step.
//! 3. [`server`] accepts connections, within [`limits`], over TLS ([`server::tls`]).
//! 4. [`http`] finds the route, lets in known callers only ([`callers`]), reads the body.
//! 5. [`review`] reads the TokenReview ([`review::wire`]) and asks.
//! 6. [`authn`] decides: observed ([`authn::observed`], with [`telemetry`] behind it) → remembered ([`authn::cache`]) → routed
//!    by issuer ([`authn::router`]) → verified and mapped ([`authn::issuer`]).
//! 7. [`providers`] verify; each kind is a folder. [`providers::oidc`] judges signed tokens ([`jose`]) with keys that it
//!    keeps fresh through [`outbound`].
//! 8. [`mapping`] turns verified claims into a user, by claims' names or by expressions ([`cel`]).
//! 9. The answer goes back the same way; [`review::response`] alone decides what the caller may learn.
//!
//! Left may use right, never back: app → server → http → {callers, review} → authn → {providers, mapping} → {jose, token,
//! clock, limits, outbound}. What all of them speak of is in [`authn`] too: reasons, claims, identities, deadlines,
//! standings. Providers know no HTTP server, no review and no metric; facts that they find leave as [`events`]. Time is an
//! argument everywhere, read only in [`clock`]. "No" and "cannot tell" are different types all the way, because API servers
//! remember one and not the other. `tests/house.rs` holds the code to this.
//!
//! Beside the line: [`login`] is the kubectl credential plugin, [`wiring`] what operators write and check, [`load`] what
//! puts a webhook to the test, [`dev`] the newcomer's run, whose issuer is also the one that tests break on purpose.
//!
//! A new kind of provider is a folder in [`providers`], an arm in its list, a sample in `config/examples` and a file in
//! `tests/it`.

pub mod app;
pub mod authn;
pub mod callers;
pub mod cel;
pub mod clock;
pub mod commands;
pub mod config;
pub mod dev;
pub mod events;
pub mod findings;
pub mod hardening;
pub mod http;
pub mod jose;
pub mod limits;
pub mod load;
pub mod login;
pub mod mapping;
pub mod metrics;
pub mod outbound;
pub mod providers;
pub mod review;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod token;
pub mod trace;
pub mod wiring;
