//! What every test starts from: a folder, certificates and the processes that it asks for.
//!
//! [`Rig`] is one test's world. [`OidcProvider`] and [`Glewlwyd`] issue tokens, [`Countersign`] is the program under test,
//! [`ApiServer`] is the cluster that asks it, [`Load`] keeps something going while a test disturbs something else.

mod api_server;
mod browser;
mod components;
mod countersign;
mod delegate;
mod files;
mod glewlwyd;
mod http;
mod keyring;
pub(crate) mod kubeconfig;
mod kubectl;
mod load;
mod oidc_provider;
mod oidc_tokens;
mod person;
mod pki;
mod process;
mod prometheus;
mod reviewer;
mod rig;
mod service;
mod stanza;
mod user;
mod wait;

pub(crate) use api_server::{ApiServer, Reviews};
pub(crate) use browser::Browser;
pub(crate) use components::component;
pub(crate) use countersign::{Countersign, Issuer, Settings, webhook};
pub(crate) use delegate::delegate;
pub(crate) use glewlwyd::Glewlwyd;
pub(crate) use keyring::Keyring;
pub(crate) use kubectl::Kubectl;
pub(crate) use load::Load;
pub(crate) use oidc_provider::{OidcProvider, OldKey};
pub(crate) use oidc_tokens::{RESOURCE, Tokens};
pub(crate) use person::Person;
pub(crate) use pki::Authority;
pub(crate) use prometheus::Prometheus;
pub(crate) use reviewer::{API_AUDIENCE, Reviewer, Verdict};
pub(crate) use rig::{Rig, free_port};
pub(crate) use service::Service;
pub(crate) use stanza::{Stanza, write};
pub(crate) use user::{Run, User, finish};
pub(crate) use wait::{SOON, eventually};
