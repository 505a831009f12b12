//! Logging in by hand with what a kubeconfig says, as kubectl would have the plugin do it: `--context`, or no flags at all.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use super::super::Failure;
use super::flags::LoginFlags;
use crate::login::Settings;
use crate::login::context::Context;
use crate::login::exec_credential::LoginConfig;

/// Where to read how to log in, instead of flags.
#[derive(Clone, clap::Args)]
pub(crate) struct ContextFlags {
    /// Log in as this context of the kubeconfig does; flags win. Without flags, the current one.
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The kubeconfig [default: $KUBECONFIG or ~/.kube/config].
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// What a login by hand is about.
pub(super) struct ByHand {
    /// The flags that count.
    pub(super) flags: LoginFlags,
    /// What they mean.
    pub(super) settings: Settings,
    /// The cluster, if it is for one.
    pub(super) cluster: Option<String>,
}

impl ByHand {
    /// Whoever types this is there, even if the terminal does not look like it.
    fn of(flags: LoginFlags, config: &LoginConfig, cluster: Option<String>) -> Result<Self, Failure> {
        let settings = flags.settings(config, true)?;
        Ok(Self { flags, settings, cluster })
    }
}

/// The arguments of a kubeconfig's exec entry.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct Stanza {
    #[command(flatten)]
    login: LoginFlags,
    /// What only get-token has.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    force_refresh: Option<bool>,
}

impl ContextFlags {
    /// Which login a context means, and where its sessions are, if one was asked for.
    pub(super) fn login(&self) -> Result<Option<ByHand>, Failure> {
        if self.context.is_none() && self.kubeconfig.is_none() {
            return Ok(None);
        }
        let none = Stanza::try_parse_from([""; 0]).map_err(|error| Failure::WrongUse(error.to_string()))?;
        self.settings(&none.login).map(Some)
    }

    /// A login by hand: from the flags alone, or with what the kubeconfig says beneath them.
    pub(super) fn settings(&self, flags: &LoginFlags) -> Result<ByHand, Failure> {
        let is_asked_for = self.context.is_some() || self.kubeconfig.is_some();
        if !is_asked_for && (flags.oidc_issuer_url.is_some() || flags.token_file.is_some()) {
            return ByHand::of(flags.clone(), &LoginConfig::default(), None);
        }
        let files = match &self.kubeconfig {
            Some(file) => vec![file.clone()],
            None => default_files(|name| env::var_os(name)),
        };
        let mut texts = Vec::new();
        for file in &files {
            match fs::read_to_string(file) {
                Ok(text) => texts.push(text),
                // As kubectl does: of several files, some need not be there.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.kubeconfig.is_none() => {}
                Err(error) => return Err(Failure::WrongUse(format!("{}: cannot be read: {error}", file.display()))),
            }
        }
        if texts.is_empty() && !is_asked_for {
            // There is nothing to say about a kubeconfig to somebody who has none.
            return ByHand::of(flags.clone(), &LoginConfig::default(), None);
        }
        let named = || files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        let context = Context::read(&texts, self.context.as_deref())
            .map_err(|error| Failure::WrongUse(format!("{}: {error}", named())))?;
        let stanza = Stanza::try_parse_from(&context.arguments).map_err(|_| {
            let what = "its user's exec entry has arguments that get-token does not take; correct them";
            Failure::WrongUse(format!("{}: context {:?}: {what}", named(), context.name))
        })?;
        let _ = stanza.force_refresh;
        let flags = flags.clone().over(stanza.login);
        ByHand::of(flags, &context.login, context.server)
    }
}

/// Where kubectl looks.
pub(in crate::commands) fn default_files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let listed: Vec<PathBuf> = variable("KUBECONFIG")
        .map(|list| env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    if listed.is_empty() {
        return variable("HOME").map(|home| Path::new(&home).join(".kube").join("config")).into_iter().collect();
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeconfigs_are_where_kubectl_looks() {
        let files = |set: &[(&str, &str)]| {
            default_files(|name| set.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into()))
        };
        assert_eq!(files(&[("HOME", "/h"), ("KUBECONFIG", "/a::/b")]), [Path::new("/a"), Path::new("/b")]);
        assert_eq!(files(&[("HOME", "/h"), ("KUBECONFIG", "")]), [Path::new("/h/.kube/config")]);
    }
}
