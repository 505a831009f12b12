//! A desktop's keyring: a session bus and GNOME Keyring on it, unlocked as a login to the desktop would have done.

use std::path::PathBuf;
use std::process::Command;

use super::component;
use super::process::Process;
use super::rig::Rig;
use super::user::User;
use super::wait::{SOON, eventually};

/// A session bus that starts nothing by itself: the keyring on it is the one that the test has unlocked.
const CONFIGURATION: &str = r#"<busconfig>
<type>session</type><listen>ADDRESS</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
"#;

/// A running keyring that one user's programs can ask.
pub(crate) struct Keyring {
    address: String,
    runtime: PathBuf,
    _daemon: Process,
    _bus: Process,
}

impl Keyring {
    pub(crate) async fn start(rig: &Rig) -> Self {
        let runtime = rig.folder().join("runtime");
        std::fs::create_dir_all(&runtime).unwrap();
        let address = format!("unix:path={}", runtime.join("bus").display());
        let mut bus = Command::new(component("DBUS_DAEMON"));
        let configuration = rig.folder().join("bus.conf");
        std::fs::write(&configuration, CONFIGURATION.replace("ADDRESS", &address)).unwrap();
        bus.arg("--nofork").arg("--config-file").arg(&configuration);
        let bus = Process::start("dbus", rig.folder(), &bus);
        let mut daemon = Command::new("sh");
        daemon.args(["-c", "printf pass-phrase | exec \"$0\" --foreground --components=secrets --unlock"]);
        daemon.arg(component("GNOME_KEYRING_DAEMON"));
        daemon.env("DBUS_SESSION_BUS_ADDRESS", &address).env("XDG_RUNTIME_DIR", &runtime).env("HOME", &runtime);
        daemon.env("XDG_DATA_HOME", runtime.join("data"));
        let exists = runtime.join("bus");
        eventually("the bus is there", SOON, async || exists.exists().then_some(()).ok_or_else(String::new)).await;
        let daemon = Process::start("keyring", rig.folder(), &daemon);
        let keyring = Self { address, runtime, _daemon: daemon, _bus: bus };
        eventually("the keyring is open", SOON, async || {
            let answer = keyring.send(&["org.freedesktop.Secret.Service.ReadAlias", "string:default"]);
            if answer.contains("/org/freedesktop/secrets/collection/") { Ok(()) } else { Err(answer) }
        })
        .await;
        keyring
    }

    /// Somebody at this desktop.
    pub(crate) fn user(&self, rig: &Rig, name: &str) -> User {
        let user = User::new(rig, name).with("DBUS_SESSION_BUS_ADDRESS", &self.address);
        user.with("XDG_RUNTIME_DIR", &self.runtime.display().to_string())
    }

    /// Closes it, as leaving the desk does.
    pub(crate) fn lock(&self) {
        let path = "array:objpath:/org/freedesktop/secrets/collection/login";
        let answer = self.send(&["org.freedesktop.Secret.Service.Lock", path]);
        assert!(answer.contains("collection/login"), "{answer}");
    }

    /// What the keyring keeps, as it names it to people.
    pub(crate) fn items(&self) -> usize {
        let answer = self.send(&[
            "org.freedesktop.Secret.Service.SearchItems",
            "dict:string:string:xdg:schema,dev.countersign.Session",
        ]);
        answer.matches("object path \"").count()
    }

    fn send(&self, call: &[&str]) -> String {
        let mut command = Command::new("dbus-send");
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        command
            .args(["--session", "--dest=org.freedesktop.secrets", "--print-reply", "/org/freedesktop/secrets"])
            .args(call);
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}
