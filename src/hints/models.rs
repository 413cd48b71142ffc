use super::{Sample, io, samples};
use hub::error::{Kept, ModelsError};
use hub::hub::HubError;

fn s() -> String {
    "x".to_owned()
}

pub fn samples() -> Vec<Sample> {
    let mut all = hub();
    all.extend(models());
    all
}

fn hub() -> Vec<Sample> {
    let sign_in = |had_token| HubError::SignIn {
        repo: s(),
        had_token,
        tokens: s(),
    };
    let forbidden = |had_token| HubError::Forbidden {
        repo: s(),
        said: s(),
        page: s(),
        had_token,
    };
    let status = |status| HubError::Status { what: s(), status };
    let no_file = |near| HubError::NoFile {
        repo: s(),
        file: s(),
        near,
    };
    samples![
        HubError::Setup(s()),
        HubError::Unreachable { host: s(), detail: s() },
        HubError::Broken(s()),
        sign_in(true),
        sign_in(false),
        forbidden(true),
        forbidden(false),
        HubError::NoRepository { repo: s(), host: s() },
        HubError::NoRevision {
            repo: s(),
            revision: s()
        },
        no_file(vec![]),
        no_file(vec![s()]),
        HubError::TooMany { wait: None },
        status(400),
        status(500),
        HubError::Redirect { to: s(), why: "x" },
        HubError::BadAnswer { what: s(), detail: s() },
        HubError::SizeDiffers {
            announced: 1,
            sent: s()
        },
        HubError::NotGguf { begins: s() },
    ]
}

fn models() -> Vec<Sample> {
    let kept = |bytes| Kept { bytes, total: 9 };
    let stopped = |bytes, why| ModelsError::Stopped {
        file: s(),
        kept: kept(bytes),
        why: Box::new(why),
    };
    let projectors = |there| ModelsError::Projector { repo: s(), there };
    samples![
        ModelsError::Catalog(s()),
        ModelsError::UnknownName {
            name: s(),
            near: vec![s()]
        },
        ModelsError::UnknownQuantisation {
            name: s(),
            wanted: s(),
            there: vec![s()]
        },
        ModelsError::BadName(s()),
        ModelsError::NoModel(s()),
        projectors(vec![]),
        projectors(vec![s()]),
        ModelsError::Hub(HubError::Setup(s())),
        stopped(0, HubError::Setup(s())),
        stopped(1, HubError::Setup(s())),
        stopped(1, HubError::Broken(s())),
        ModelsError::WrongHash {
            file: s(),
            wanted: s(),
            got: s()
        },
        ModelsError::NoRoom {
            folder: s().into(),
            needed: 2,
            free: 1
        },
        ModelsError::Full {
            file: s(),
            path: s().into(),
            kept: kept(1),
            why: io()
        },
        ModelsError::Io {
            what: "read",
            path: s().into(),
            source: io()
        },
        ModelsError::Io {
            what: "read",
            path: s().into(),
            source: std::io::ErrorKind::NotFound.into()
        },
        ModelsError::Record {
            path: s().into(),
            detail: s()
        },
        ModelsError::NotInstalled {
            name: s(),
            installed: vec![]
        },
        ModelsError::NotInstalled {
            name: s(),
            installed: vec![s()]
        },
        ModelsError::Gone {
            name: s(),
            path: s().into()
        },
        ModelsError::InUse(s()),
        ModelsError::Unconfirmed(s()),
    ]
}
