//! A person with a browser: the program starts it as its `--browser-command`, and the test walks through the login.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use url::Url;

use super::oidc_provider::OidcProvider;
use super::rig::Rig;
use super::stanza::Stanza;
use super::user::{Run, User, finish};
use super::wait::{SOON, eventually};

/// Where the program's browser writes the address that it was to open.
pub(crate) struct Person {
    command: PathBuf,
    address: PathBuf,
}

impl Person {
    pub(crate) fn at(rig: &Rig) -> Self {
        let (command, address) = (rig.folder().join("browser"), rig.folder().join("opened"));
        // At one stroke, so that nobody reads half of it.
        let text = format!("#!/bin/sh\nprintf %s \"$1\" >'{0}.new' && mv '{0}.new' '{0}'\n", address.display());
        std::fs::write(&command, text).unwrap();
        std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { command, address }
    }

    /// The flag that makes this the browser.
    pub(crate) fn flag(&self) -> String {
        format!("--browser-command={}", self.command.display())
    }

    /// The address that was opened, once it was.
    pub(crate) async fn opened(&self) -> Url {
        let address = eventually("the browser was opened", SOON, async || {
            std::fs::read_to_string(&self.address).map_err(|error| error.to_string())
        })
        .await;
        std::fs::remove_file(&self.address).unwrap();
        Url::parse(&address).unwrap()
    }

    /// Runs `login` and logs in as this account.
    pub(crate) async fn logs_in(&self, user: &User, provider: &OidcProvider, stanza: &Stanza, account: &str) -> Run {
        let flag = self.flag();
        let mut command = user.command(&stanza.line("login", &[&flag]));
        command.stdin(Stdio::null());
        tokio::join!(finish(command), self.walks(provider, account)).0
    }

    /// Walks through the login that was opened, as this account, and returns the page at the end.
    pub(crate) async fn walks(&self, provider: &OidcProvider, account: &str) -> String {
        let mut url = self.opened().await;
        if !url.query_pairs().any(|(name, _)| name == "login_hint") {
            url.query_pairs_mut().append_pair("login_hint", account);
        }
        let (_, redirect) = url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap();
        let redirect = redirect.into_owned();
        let end = provider.tokens.walk(url, &redirect).await;
        provider.tokens.page(end).await
    }
}
