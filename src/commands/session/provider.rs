//! The provider for real: a small runtime around the [`flows`], made only when one is needed.

use std::cell::{RefCell, RefMut};

use tokio::runtime::Runtime;

use super::super::{Failure, small_runtime, terminal};
use super::say;
use crate::clock::SystemClock;
use crate::login::browser;
use crate::login::flows::{self, FlowError, Prompt};
use crate::login::interruption::Interruption;
use crate::login::outcome::{Ending, ProviderError};
use crate::login::session::Provider;
use crate::login::settings::Settings;
use crate::login::tokens::Tokens;

/// The flows, and the terminal that they speak through.
pub(super) struct Flows {
    terminal: Terminal,
    engine: RefCell<Option<Engine>>,
}

/// What runs a refresh and the login after it, with the signals that must wait for what came of them.
struct Engine {
    runtime: Runtime,
    interruption: Interruption,
}

impl Flows {
    pub(super) fn new(settings: &Settings, cluster: Option<String>, verbose: bool) -> Self {
        let (skip_browser, program) = (settings.skip_browser, settings.browser.clone());
        Self { terminal: Terminal { skip_browser, program, cluster, verbose }, engine: RefCell::default() }
    }

    /// Made when one is needed first. From then on, signals do not end the process by themselves.
    fn engine(&self) -> Result<RefMut<'_, Engine>, ProviderError> {
        let mut engine = self.engine.borrow_mut();
        if engine.is_none() {
            let runtime = runtime()?;
            let taken = {
                let _within = runtime.enter();
                Interruption::take_over()
            };
            let interruption = taken.map_err(|error| trouble(format!("signals cannot be heard: {error}")))?;
            *engine = Some(Engine { runtime, interruption });
        }
        RefMut::filter_map(engine, Option::as_mut).map_err(|_| trouble("the runtime is gone".to_owned()))
    }
}

impl Provider for Flows {
    fn log_in(&self, settings: &Settings) -> Result<Tokens, ProviderError> {
        let mut engine = self.engine()?;
        let Engine { runtime, interruption } = &mut *engine;
        let login = async {
            tokio::select! {
                biased;
                () = interruption.wait() => Err(FlowError::Interrupted),
                result = flows::log_in(settings, &self.terminal, &SystemClock) => result,
            }
        };
        runtime.block_on(login).map_err(|error| provider_error(&error))
    }

    fn refresh(&self, settings: &Settings, refresh_token: &str) -> Result<Tokens, ProviderError> {
        let mut engine = self.engine()?;
        let Engine { runtime, interruption } = &mut *engine;
        runtime
            .block_on(flows::refresh_unless(settings, refresh_token, &SystemClock, interruption.wait()))
            .map_err(|error| provider_error(&error))
    }

    fn revoke(&self, settings: &Settings, tokens: &Tokens) -> Result<Ending, ProviderError> {
        let (ending, in_browser) = runtime()?
            .block_on(async {
                let ending = flows::revoke(settings, tokens).await?;
                Ok((ending, flows::end_session(settings).await?))
            })
            .map_err(|error: FlowError| provider_error(&error))?;
        if let Some(url) = in_browser {
            self.terminal.say(&format!("To log out in the browser too: {url}"));
            self.terminal.open(url.as_str());
        }
        Ok(ending)
    }

    fn is_interrupted(&self) -> bool {
        self.engine
            .borrow_mut()
            .as_mut()
            .is_some_and(|Engine { runtime, interruption }| runtime.block_on(interruption.has_come()))
    }
}

fn runtime() -> Result<Runtime, ProviderError> {
    small_runtime().map_err(|failure: Failure| trouble(failure.message().to_owned()))
}

fn trouble(message: String) -> ProviderError {
    ProviderError { message, refused: false, successor: None }
}

fn provider_error(error: &FlowError) -> ProviderError {
    ProviderError { message: error.to_string(), refused: error.is_refusal(), successor: error.successor().cloned() }
}

/// Standard error, and a browser.
struct Terminal {
    skip_browser: bool,
    program: Option<String>,
    cluster: Option<String>,
    verbose: bool,
}

impl Prompt for Terminal {
    fn say(&self, line: &str) {
        // A flow's lines may be pictures (QR codes), so they are shown as they are.
        terminal::complain(line);
    }

    fn open(&self, url: &str) {
        if self.skip_browser {
            return;
        }
        match browser::open(url, self.program.as_deref()) {
            Err(error) => say(&format!("{}; open the address above yourself", crate::outbound::chain(&error))),
            Ok(()) if self.verbose => say("started the browser"),
            Ok(()) => {}
        }
    }

    fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }
}
