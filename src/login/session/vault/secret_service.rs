//! The Secret Service of the desktop (GNOME Keyring, KWallet, KeePassXC), over the session bus.
//!
//! Specification: freedesktop.org Secret Service API 0.2. Secrets travel in a `plain` session: the bus is a socket of this user,
//! and whoever could listen on it could ask the keyring as well. Every call has an end; only a dialogue, which needs a person,
//! gets longer, and is never opened where nobody is.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::wire::{DynamicType, Type};
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, OwnedVariant, Variant};
use zeroize::Zeroizing;

use super::{Vault, VaultError};

const SERVICE: &str = "org.freedesktop.secrets";
const ROOT: &str = "/org/freedesktop/secrets";
const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
const COLLECTION: &str = "org.freedesktop.Secret.Collection";
const ITEM: &str = "org.freedesktop.Secret.Item";
const PROMPT: &str = "org.freedesktop.Secret.Prompt";
/// The path that means none.
const NONE: &str = "/";
/// A keyring that is there answers at once; one that is started for us takes a moment.
const ANSWER: Duration = Duration::from_secs(10);
/// A person types a pass phrase.
const DIALOGUE: Duration = Duration::from_secs(120);

type Outcome<T> = Result<T, VaultError>;
/// Session, parameters, secret, content type.
type Secret = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

/// The desktop's keyring; nothing is connected before it is needed.
#[derive(Debug)]
pub struct SecretService {
    /// Tells the sessions of one folder from those of another.
    store: String,
    /// Whether a dialogue may be opened.
    interactive: bool,
}

impl SecretService {
    /// The keyring for the sessions whose signs are in `folder`. With `interactive`, a person may be asked to unlock it.
    #[must_use]
    pub fn new(folder: &Path, interactive: bool) -> Self {
        Self { store: folder.to_string_lossy().into_owned(), interactive }
    }

    fn attributes<'a>(&'a self, name: &'a str) -> BTreeMap<&'a str, &'a str> {
        BTreeMap::from([("xdg:schema", "dev.countersign.Session"), ("store", &*self.store), ("login", name)])
    }
}

impl Vault for SecretService {
    fn is_open(&self) -> bool {
        let probe = async {
            let bus = Bus::connect().await?;
            let has_owner: bool = bus
                .call(
                    "org.freedesktop.DBus",
                    "/org/freedesktop/DBus",
                    "org.freedesktop.DBus",
                    "NameHasOwner",
                    &(SERVICE,),
                )
                .await?;
            if !has_owner {
                return Err(VaultError::Unreachable { what: "no keyring runs".to_owned() });
            }
            bus.is_unlocked(&bus.collection().await?).await
        };
        has_bus() && block_on(probe) == Ok(true)
    }

    fn read(&self, name: &str) -> Outcome<Option<Zeroizing<Vec<u8>>>> {
        block_on(async {
            let bus = Bus::connect().await?;
            let Some(item) = bus.find(&self.attributes(name), self.interactive).await?.into_iter().next() else {
                return Ok(None);
            };
            let session = bus.session().await?;
            let (secret,): (Secret,) = bus.call(SERVICE, item.as_str(), ITEM, "GetSecret", &(session,)).await?;
            Ok(Some(Zeroizing::new(secret.2)))
        })
    }

    fn write(&self, name: &str, label: &str, secret: &[u8]) -> Outcome<()> {
        block_on(async {
            let bus = Bus::connect().await?;
            let collection = bus.collection().await?;
            bus.unlock(std::slice::from_ref(&collection), self.interactive).await?;
            let session = bus.session().await?;
            let properties: BTreeMap<&str, Variant<'_>> = BTreeMap::from([
                ("org.freedesktop.Secret.Item.Label", Variant::from(label)),
                ("org.freedesktop.Secret.Item.Attributes", Variant::from(self.attributes(name))),
            ]);
            let secret = (session, Vec::<u8>::new(), secret, "application/json");
            let (_, prompt): (OwnedObjectPath, OwnedObjectPath) =
                bus.call(SERVICE, collection.as_str(), COLLECTION, "CreateItem", &(properties, secret, true)).await?;
            bus.finish(&prompt, self.interactive).await
        })
    }

    fn remove(&self, name: &str) -> Outcome<()> {
        block_on(async {
            let bus = Bus::connect().await?;
            for item in bus.find(&self.attributes(name), self.interactive).await? {
                let prompt: OwnedObjectPath = bus.call(SERVICE, item.as_str(), ITEM, "Delete", &()).await?;
                bus.finish(&prompt, self.interactive).await?;
            }
            Ok(())
        })
    }
}

/// Whether this run belongs to a desktop session. Without, there is nothing to connect to.
fn has_bus() -> bool {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    set("DBUS_SESSION_BUS_ADDRESS").is_some()
        || set("XDG_RUNTIME_DIR").is_some_and(|dir| Path::new(&dir).join("bus").exists())
}

fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| VaultError::Unreachable { what: error.to_string() })?.block_on(work)
}

/// A connection to the session bus.
struct Bus(Connection);

impl Bus {
    async fn connect() -> Outcome<Self> {
        if !has_bus() {
            return Err(VaultError::Unreachable { what: "there is no session bus".to_owned() });
        }
        let connect = zbus::connection::Builder::session().method_timeout(ANSWER).build();
        match tokio::time::timeout(ANSWER, connect).await {
            Ok(Ok(connection)) => Ok(Self(connection)),
            Ok(Err(error)) => Err(VaultError::Unreachable { what: error.to_string() }),
            Err(_) => Err(VaultError::Unreachable { what: "the session bus does not answer".to_owned() }),
        }
    }

    async fn call<B: Serialize + DynamicType, R: DeserializeOwned + Type>(
        &self,
        service: &str,
        path: &str,
        interface: &str,
        method: &'static str,
        body: &B,
    ) -> Outcome<R> {
        let answer = self.0.call_method(Some(service), path, Some(interface), method, body).await;
        let answer = answer.map_err(|error| failure(method, &error))?;
        answer.body().deserialize().map_err(|error| failure(method, &error))
    }

    /// Secrets are passed in a session; it ends with the connection.
    async fn session(&self) -> Outcome<OwnedObjectPath> {
        let (_, session): (OwnedVariant, OwnedObjectPath) =
            self.call(SERVICE, ROOT, SERVICE_INTERFACE, "OpenSession", &("plain", Variant::from(""))).await?;
        Ok(session)
    }

    /// The keyring that new secrets go into.
    async fn collection(&self) -> Outcome<OwnedObjectPath> {
        let path: OwnedObjectPath = self.call(SERVICE, ROOT, SERVICE_INTERFACE, "ReadAlias", &("default",)).await?;
        if path.as_str() == NONE {
            return Err(VaultError::Unreachable { what: "it has no default collection".to_owned() });
        }
        Ok(path)
    }

    async fn is_unlocked(&self, collection: &OwnedObjectPath) -> Outcome<bool> {
        let interface = "org.freedesktop.DBus.Properties";
        let locked: OwnedVariant =
            self.call(SERVICE, collection.as_str(), interface, "Get", &(COLLECTION, "Locked")).await?;
        Ok(bool::try_from(locked) == Ok(false))
    }

    /// The items with these attributes, unlocked.
    async fn find(&self, attributes: &BTreeMap<&str, &str>, interactive: bool) -> Outcome<Vec<OwnedObjectPath>> {
        let (mut open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            self.call(SERVICE, ROOT, SERVICE_INTERFACE, "SearchItems", &(attributes,)).await?;
        if open.is_empty() && !locked.is_empty() {
            self.unlock(&locked, interactive).await?;
            open = locked;
        }
        Ok(open)
    }

    async fn unlock(&self, objects: &[OwnedObjectPath], interactive: bool) -> Outcome<()> {
        let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) =
            self.call(SERVICE, ROOT, SERVICE_INTERFACE, "Unlock", &(objects,)).await?;
        self.finish(&prompt, interactive).await
    }

    /// Lets a person answer what the keyring asks, if it does.
    async fn finish(&self, prompt: &OwnedObjectPath, interactive: bool) -> Outcome<()> {
        if prompt.as_str() == NONE {
            return Ok(());
        }
        if !interactive {
            return Err(VaultError::Locked);
        }
        let failed = |error: zbus::Error| failure("Prompt", &error);
        let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).interface(PROMPT);
        let rule = rule.member("Completed").path(prompt.as_str()).build().map_err(failed)?;
        let mut answers = MessageStream::for_match_rule(rule, &self.0, None).await.map_err(failed)?;
        let () = self.call(SERVICE, prompt.as_str(), PROMPT, "Prompt", &("",)).await?;
        let answer = tokio::time::timeout(DIALOGUE, answers.next()).await;
        let Ok(Some(Ok(answer))) = answer else { return Err(VaultError::Locked) };
        match answer.body().deserialize::<(bool, OwnedVariant)>() {
            Ok((false, _)) => Ok(()),
            _ => Err(VaultError::Locked),
        }
    }
}

fn failure(doing: &'static str, error: &zbus::Error) -> VaultError {
    match error {
        zbus::Error::MethodError(name, _, _) if name.as_str() == "org.freedesktop.Secret.Error.IsLocked" => {
            VaultError::Locked
        }
        zbus::Error::FDO(error) => match &**error {
            zbus::fdo::Error::ServiceUnknown(_) | zbus::fdo::Error::NameHasNoOwner(_) => {
                VaultError::Unreachable { what: "no keyring runs".to_owned() }
            }
            other => VaultError::Failed { doing, what: other.to_string() },
        },
        other => VaultError::Failed { doing, what: other.to_string() },
    }
}
