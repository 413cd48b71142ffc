use std::path::PathBuf;

use super::{Sample, io, samples};
use crate::cli::init::InitError;
use crate::clients::{Client, ClientError, Unmergeable};
use crate::config::{ConfigError, RootError, Source};
use crate::telemetry::TelemetryError;

fn s() -> String {
    "x".to_owned()
}

fn path() -> PathBuf {
    "x".into()
}

pub fn samples() -> Vec<Sample> {
    let mut all = settings();
    all.extend(clients());
    all
}

fn settings() -> Vec<Sample> {
    let roots = || vec![path()];
    samples![
        ConfigError::Unread {
            path: path(),
            source: io()
        },
        ConfigError::TokenFile {
            path: path(),
            source: io()
        },
        ConfigError::Unwritten {
            path: path(),
            source: io()
        },
        ConfigError::File {
            path: path(),
            detail: s()
        },
        ConfigError::Value {
            setting: "model",
            value: s(),
            source_of: Source::Default,
            wanted: s()
        },
        ConfigError::Secret {
            variable: "HF_TOKEN",
            wanted: "a token"
        },
        ConfigError::SignIn("x"),
        ConfigError::NoFolder {
            what: "data folder",
            flag: "--data-dir"
        },
        RootError::Address {
            scheme: "data".into(),
            roots: roots()
        },
        RootError::Address {
            scheme: "http".into(),
            roots: roots()
        },
        RootError::NotAPath {
            bytes: 9,
            start: s(),
            roots: roots()
        },
        RootError::Uri { uri: s() },
        RootError::NoHome { path: path() },
        RootError::Outside {
            path: path(),
            roots: roots()
        },
        RootError::Unreachable {
            path: path(),
            source: io()
        },
        RootError::NotAFile { path: path() },
        TelemetryError::File {
            path: path(),
            source: io()
        },
        TelemetryError::Twice,
        InitError::Set {
            file: path(),
            key: "model",
            old: s()
        },
        InitError::NoProject(path()),
    ]
}

fn clients() -> Vec<Sample> {
    let client = Client::ALL[0];
    samples![
        ClientError::NoProgram,
        ClientError::NotText(path()),
        ClientError::Nowhere(client),
        ClientError::Unread {
            path: path(),
            source: io()
        },
        ClientError::Wrong {
            client,
            path: path(),
            problem: Unmergeable::NoPlace(s())
        },
        ClientError::Different(path()),
        ClientError::Meanwhile(path()),
        ClientError::Unwritten {
            path: path(),
            source: io()
        },
    ]
}
