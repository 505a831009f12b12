//! `countersign render exec`: a user's kubeconfig entry that runs `get-token`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::super::session::flags::{DEFAULT_ADDRESSES, DEFAULT_HOST, DEFAULT_PATIENCE, LoginFlags, TokenCacheStorage};
use super::super::{Conclusion, Failure, Outcome, chain, terminal};
use crate::login::exec_credential::{ApiVersion, LoginConfig};
use crate::login::stanza::Stanza;
use crate::wiring::file::{self, Access};
use crate::wiring::kubeconfig::read;

/// Prints a user's kubeconfig entry with these flags, or writes it into a kubeconfig.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: LoginFlags,
    /// The entry's name.
    #[arg(long, value_name = "NAME", default_value = "countersign")]
    user: String,
    /// Write it into this kubeconfig; the old one is kept beside it as FILE.backup, or FILE.backup.1 and so on if that is there.
    #[arg(long, value_name = "KUBECONFIG")]
    write: Option<PathBuf>,
    /// Make this context use the entry.
    #[arg(long, value_name = "NAME", requires = "write")]
    context: Option<String>,
    /// The program as kubectl finds it; an absolute path suits plugin policies best.
    #[arg(long, value_name = "PROGRAM", default_value = "countersign")]
    command: String,
    /// The version of the API between kubectl and the plugin.
    #[arg(long, value_enum, default_value_t)]
    api_version: Version,
    /// Whether a person may be asked.
    #[arg(long, value_enum, default_value_t)]
    interactive_mode: InteractiveMode,
    /// Tell the plugin about the cluster, whose extension may then name issuer, client and the rest.
    #[arg(long)]
    provide_cluster_info: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Version {
    #[default]
    V1,
    V1beta1,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum InteractiveMode {
    /// When there is a terminal.
    #[default]
    #[value(name = "IfAvailable")]
    IfAvailable,
    /// Fail without a terminal.
    #[value(name = "Always")]
    Always,
    /// Stored sessions and workloads' own logins only.
    #[value(name = "Never")]
    Never,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let stanza = arguments.stanza()?;
    let Some(path) = &arguments.write else {
        terminal::print(&stanza.to_yaml(&arguments.user))?;
        return Ok(Conclusion::Yes);
    };
    if path.as_os_str() == "-" {
        const WHY: &str = "--write: is the kubeconfig to change, and - is none; without --write the entry is printed";
        return Err(Failure::WrongUse(WHY.to_owned()));
    }
    if write(path, &stanza, &arguments.user, arguments.context.as_deref())? {
        terminal::print(&format!("{}: wrote the user {}\n", path.display(), arguments.user))?;
    } else {
        terminal::print(&format!("{}: the user {} was there already\n", path.display(), arguments.user))?;
    }
    Ok(Conclusion::Yes)
}

impl Arguments {
    fn stanza(&self) -> Result<Stanza, Failure> {
        if self.login.oidc_client_secret.is_some() {
            const WHY: &str = "--oidc-client-secret: not written into a kubeconfig, where it would be an argument that others on \
                               the machine can see; put it into a file and give --oidc-client-secret-file";
            return Err(Failure::WrongUse(WHY.to_owned()));
        }
        if !self.provide_cluster_info {
            // What would not work when kubectl runs it is said now.
            self.login.settings(&LoginConfig::default(), true)?;
        }
        let (version, mode) = match (self.api_version, self.interactive_mode) {
            (Version::V1, mode) => (ApiVersion::V1, mode),
            (Version::V1beta1, mode) => (ApiVersion::V1Beta1, mode),
        };
        Ok(Stanza {
            api_version: version.name().to_owned(),
            command: self.command.clone(),
            args: arguments(&self.login),
            install_hint: "countersign logs you in to this cluster; your administrator says where to get it."
                .to_owned(),
            interactive_mode: name(mode),
            provide_cluster_info: self.provide_cluster_info,
        })
    }
}

/// The arguments of `get-token` that say what these flags say; defaults are left out.
fn arguments(flags: &LoginFlags) -> Vec<String> {
    let mut list = vec!["get-token".to_owned()];
    let mut push = |flag: &str, value: &str| list.push(format!("--{flag}={value}"));
    let path = |path: &PathBuf| absolute(path).display().to_string();
    let text = [
        ("oidc-issuer-url", flags.oidc_issuer_url.clone()),
        ("oidc-client-id", flags.oidc_client_id.clone()),
        ("oidc-client-secret-file", flags.oidc_client_secret_file.as_ref().map(path)),
        ("oidc-client-key-file", flags.oidc_client_key_file.as_ref().map(path)),
        ("oidc-client-key-id", flags.oidc_client_key_id.clone()),
        ("client-assertion-file", flags.client_assertion_file.as_ref().map(path)),
        ("audience", flags.audience.clone()),
        ("account", flags.account.clone()),
        ("grant-type", flags.grant_type.map(name)),
        ("assertion-file", flags.assertion_file.as_ref().map(path)),
        ("token-file", flags.token_file.as_ref().map(path)),
        ("oidc-redirect-url", flags.oidc_redirect_url.clone()),
        ("browser-command", flags.browser_command.clone()),
        ("token-cache-dir", flags.store.token_cache_dir.as_ref().map(path)),
    ];
    for (flag, value) in text {
        if let Some(value) = value {
            push(flag, &value);
        }
    }
    flags.oidc_extra_scope.iter().for_each(|scope| push("oidc-extra-scope", scope));
    flags.certificate_authority.iter().for_each(|file| push("certificate-authority", &path(file)));
    flags.certificate_authority_data.iter().for_each(|data| push("certificate-authority-data", data));
    flags.oidc_auth_request_extra_params.iter().for_each(|pair| push("oidc-auth-request-extra-params", pair));
    if flags.listen_address != DEFAULT_ADDRESSES {
        flags.listen_address.iter().for_each(|address| push("listen-address", address));
    }
    if flags.oidc_redirect_url_hostname != DEFAULT_HOST {
        push("oidc-redirect-url-hostname", &flags.oidc_redirect_url_hostname);
    }
    if flags.authentication_timeout_sec != DEFAULT_PATIENCE {
        push("authentication-timeout-sec", &flags.authentication_timeout_sec.to_string());
    }
    if flags.store.token_cache_storage != TokenCacheStorage::Auto {
        push("token-cache-storage", &name(flags.store.token_cache_storage));
    }
    for (flag, is_on) in
        [("oidc-use-access-token", flags.oidc_use_access_token), ("skip-open-browser", flags.skip_open_browser)]
    {
        if is_on {
            list.push(format!("--{flag}"));
        }
    }
    list
}

/// kubectl runs the plugin in whatever folder it is called in. `~` is the plugin's to expand, and `-` is no file.
fn absolute(path: &Path) -> PathBuf {
    let is_kept = path.starts_with("~") || path == Path::new("-");
    if is_kept { path.to_owned() } else { std::path::absolute(path).unwrap_or_else(|_| path.to_owned()) }
}

/// A value as the command line spells it.
fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Writes the entry into a kubeconfig. Returns whether anything had to be changed.
fn write(path: &Path, stanza: &Stanza, user: &str, context: Option<&str>) -> Result<bool, Failure> {
    let failed = |what: String| Failure::Unknown(format!("{}: {what}", path.display()));
    // Through a link, as editors do: dotfiles are often links.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = match read(path) {
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => Some(text.to_owned()),
            Err(_) => return Err(failed("is not text; give a kubeconfig".to_owned())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(format!("cannot be read: {error}"))),
    };
    let merged = stanza.merge(old.as_deref().unwrap_or_default(), user, context);
    let merged = merged.map_err(|error| Failure::WrongUse(format!("{}: {error}", path.display())))?;
    let Some(new) = merged else { return Ok(false) };
    if let Some(old) = old {
        back_up(path, &old)?;
    }
    file::write(path, new.as_bytes(), Access::Private).map_err(|error| Failure::Unknown(chain(&error)))?;
    Ok(true)
}

/// Keeps what a file has in a new file beside it, unless such a one has it already. Nothing is overwritten: the first
/// backup may be the only one with a person's own comments.
fn back_up(path: &Path, old: &str) -> Result<(), Failure> {
    for number in 0_u32.. {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(if number == 0 { ".backup".to_owned() } else { format!(".backup.{number}") });
        let backup = path.with_file_name(name);
        if fs::symlink_metadata(&backup).is_err() {
            return file::write(&backup, old.as_bytes(), Access::Private)
                .map_err(|error| Failure::Unknown(chain(&error)));
        }
        if fs::read(&backup).is_ok_and(|kept| kept == old.as_bytes()) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
