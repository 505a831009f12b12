//! `-f FILE`, as kubectl takes it: repeatable, `-` is standard input, a folder is all its files.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::super::{Failure, chain};
use crate::wiring::file;
use crate::wiring::openshift::objects::{MAX_BYTES, Objects};

/// The flags that name documents.
#[derive(clap::Args)]
pub(super) struct Documents {
    /// Documents to look at, in YAML or JSON; repeatable, `-` is standard input.
    #[arg(long = "filename", short = 'f', value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Documents {
    /// Whether any are named.
    pub(super) fn is_given(&self) -> bool {
        !self.files.is_empty()
    }

    /// Where they are from, for people.
    pub(super) fn name(&self) -> String {
        self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Reads all of them.
    pub(super) fn read(&self) -> Result<Objects, Failure> {
        let mut objects = Objects::default();
        for file in &self.files {
            if file.as_os_str() == "-" {
                read_from(io::stdin().lock(), "standard input", &mut objects)?;
            } else if file.is_dir() {
                read_folder(file, &mut objects)?;
            } else {
                read_file(file, &mut objects)?;
            }
        }
        Ok(objects)
    }
}

fn read_folder(folder: &Path, objects: &mut Objects) -> Result<(), Failure> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(&error, &folder.display().to_string()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
        })
        .collect();
    files.sort();
    files.iter().try_for_each(|file| read_file(file, objects))
}

fn read_file(path: &Path, objects: &mut Objects) -> Result<(), Failure> {
    let name = path.display().to_string();
    let content = file::read(path, MAX_BYTES).map_err(|error| unreadable(&error, &name))?;
    read_from(content.as_slice(), &name, objects)
}

fn read_from(reader: impl Read, name: &str, objects: &mut Objects) -> Result<(), Failure> {
    let mut text = Zeroizing::new(String::new());
    match reader.take(MAX_BYTES + 1).read_to_string(&mut text) {
        Ok(length) if length as u64 > MAX_BYTES => {
            Err(Failure::WrongUse(format!("{name}: larger than 16 MiB; give the objects that matter alone")))
        }
        Ok(_) => objects.read(&text, name).map_err(|error| Failure::wrong_use(&error)),
        Err(error) => Err(unreadable(&error, name)),
    }
}

fn unreadable(error: &io::Error, name: &str) -> Failure {
    Failure::WrongUse(format!("{name}: cannot be read: {}", chain(error)))
}
