//! Where records go, and what becomes of them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use zeroize::Zeroizing;

use super::*;
use crate::login::session::record::Session;
use crate::login::session::testing::{NOW, key, tokens};

fn store() -> (tempfile::TempDir, Store) {
    let parent = tempfile::tempdir().unwrap();
    let store = Store::in_folder(parent.path().join("s"));
    (parent, store)
}

fn record(key: &SessionKey) -> Record {
    let mut record = Record::new(key.clone());
    record.put(Session::new(tokens("me", "id", NOW), "kubectl", NOW));
    record
}

#[test]
fn k6_a_record_under_another_logins_name_is_not_used() {
    let (parent, store) = store();
    let other = SessionKey { issuer: "https://other".to_owned(), ..key() };
    store.write(&record(&other), None).unwrap();
    let folder = parent.path().join("s");
    fs::rename(folder.join(file_name(&other)), folder.join(file_name(&key()))).unwrap();
    assert!(store.read(&key()).unwrap().is_none());
    assert!(store.all().unwrap().is_empty());
}

#[test]
fn a_damaged_record_counts_as_none_and_hides_no_other() {
    let (parent, store) = store();
    store.write(&record(&key()), None).unwrap();
    fs::write(parent.path().join("s").join("0.json"), "{\"version\":1,").unwrap();
    assert_eq!(store.all().unwrap().len(), 1);
    fs::write(parent.path().join("s").join(file_name(&key())), "half").unwrap();
    assert!(store.read(&key()).unwrap().is_none());
}

#[test]
fn a_later_versions_record_is_an_error() {
    let (parent, store) = store();
    store.write(&record(&key()), None).unwrap();
    fs::write(parent.path().join("s").join(file_name(&key())), "{\"version\":9}").unwrap();
    let error = store.read(&key()).err().unwrap().to_string();
    assert!(error.ends_with(".json: was written by a later version of countersign; update this one"), "{error}");
}

#[test]
fn a_store_that_keeps_nothing_touches_no_disk() {
    let store = Store::nowhere();
    store.write(&record(&key()), store.reserve(&key()).unwrap()).unwrap();
    assert!(store.read(&key()).unwrap().is_none());
}

/// A keyring in memory that can be closed.
#[derive(Debug, Default)]
struct FakeVault {
    secrets: Mutex<BTreeMap<String, Vec<u8>>>,
    is_locked: AtomicBool,
    questions: AtomicUsize,
}

impl FakeVault {
    fn open(&self) -> Result<MutexGuard<'_, BTreeMap<String, Vec<u8>>>, VaultError> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        if self.is_locked.load(Ordering::Relaxed) { Err(VaultError::Locked) } else { Ok(self.secrets.lock().unwrap()) }
    }
}

impl Vault for FakeVault {
    fn is_open(&self) -> bool {
        self.open().is_ok()
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        Ok(self.open()?.get(name).cloned().map(Zeroizing::new))
    }

    fn write(&self, name: &str, _: &str, secret: &[u8]) -> Result<(), VaultError> {
        self.open()?.insert(name.to_owned(), secret.to_owned());
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), VaultError> {
        self.open()?.remove(name);
        Ok(())
    }
}

fn with_vault(storage: Storage) -> (tempfile::TempDir, Arc<FakeVault>, Store) {
    let (parent, vault) = (tempfile::tempdir().unwrap(), Arc::new(FakeVault::default()));
    let store = Store::with_vault(parent.path().join("s"), Arc::clone(&vault) as Arc<dyn Vault>, storage);
    (parent, vault, store)
}

fn file(parent: &tempfile::TempDir) -> String {
    fs::read_to_string(parent.path().join("s").join(file_name(&key()))).unwrap()
}

fn in_place(place: Place) -> Kept {
    Kept { place: Some(place), instead: None }
}

#[test]
fn k1_what_is_in_the_keyring_leaves_only_a_sign_in_the_folder() {
    let (parent, vault, store) = with_vault(Storage::Auto);
    assert_eq!(store.write(&record(&key()), None).unwrap(), in_place(Place::Keyring));
    let sign = file(&parent);
    assert!(sign.contains("subject-me") && !sign.contains("refresh-me") && !sign.contains("access-me"), "{sign}");
    assert_eq!(store.read(&key()).unwrap().unwrap().session("me").unwrap().refresh_token(), Some("refresh-me"));
    store.remove(&key()).unwrap();
    assert!(vault.secrets.lock().unwrap().is_empty() && store.read(&key()).unwrap().is_none());
}

#[test]
fn the_keyring_is_not_asked_for_what_is_in_a_file() {
    let (_parent, vault, store) = with_vault(Storage::Disk);
    assert_eq!(store.write(&record(&key()), None).unwrap(), in_place(Place::Disk));
    let automatic = Store { storage: Storage::Auto, ..store };
    assert!(automatic.read(&key()).unwrap().is_some() && automatic.all().unwrap().len() == 1);
    assert_eq!(automatic.write(&record(&key()), None).unwrap(), in_place(Place::Disk), "it stays where it is");
    assert_eq!(vault.questions.load(Ordering::Relaxed), 0);
}

#[test]
fn a_locked_keyring_is_no_reason_to_write_elsewhere_when_it_was_asked_for() {
    let (parent, vault, store) = with_vault(Storage::Keyring);
    vault.is_locked.store(true, Ordering::Relaxed);
    assert!(matches!(store.write(&record(&key()), None), Err(StoreError::Vault(VaultError::Locked))));
    assert!(!parent.path().join("s").join(file_name(&key())).exists());
}

#[test]
fn a_keyring_that_was_taken_because_it_was_open_may_be_replaced_by_a_file() {
    let (parent, vault, store) = with_vault(Storage::Auto);
    store.write(&record(&key()), None).unwrap();
    vault.is_locked.store(true, Ordering::Relaxed);
    assert!(matches!(store.read(&key()), Err(StoreError::Vault(VaultError::Locked))));
    assert!(!store.all().unwrap()[0].sessions[0].has_tokens(), "the sign is still shown");
    let kept = Kept { place: Some(Place::Disk), instead: Some(VaultError::Locked) };
    assert_eq!(store.write(&record(&key()), None).unwrap(), kept);
    assert!(file(&parent).contains("refresh-me"));
}

#[test]
fn the_folder_is_where_state_belongs() {
    let folder = |variables: &[(&str, &str)]| {
        default_folder(|name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into())).ok()
    };
    assert_eq!(folder(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]), Some("/s/countersign".into()));
    assert_eq!(folder(&[("HOME", "/h"), ("XDG_STATE_HOME", "s")]), Some("/h/.local/state/countersign".into()));
    assert_eq!(folder(&[("HOME", "/h")]), Some("/h/.local/state/countersign".into()));
    assert_eq!(folder(&[("HOME", "")]), None);
}
