//! What the judge process can be asked beside questions about pictures: what it finds on the machine, and what it holds.
//!
//! A new query is an entry of the table below, and nothing else.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(feature = "cpp")]
use crate::cpp::{Loader, buffers};
use crate::machine::{Backends, Buffer};
use judge::engine::GpuMemory;

/// A query, its answer, and whether a process is started for it. Without one the answer is the default.
pub trait Query {
    /// What comes back.
    type Answer: Default + Serialize + DeserializeOwned;
    /// Its name in a frame.
    const NAME: Name;
    /// Whether a process is started where there is none with a model.
    const STARTS: bool;
}

macro_rules! queries {
    ($($(#[$doc:meta])* $query:ident -> $answer:ty, starts: $starts:literal, $child:expr;)+) => {
        /// A query's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Name {
            $($(#[$doc])* $query,)+
        }

        $($(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $query;

        impl Query for $query {
            type Answer = $answer;
            const NAME: Name = Name::$query;
            const STARTS: bool = $starts;
        })+

        /// Whether this can be the answer.
        pub(super) fn fits(name: Name, answer: &Value) -> bool {
            match name {
                $(Name::$query => <$answer>::deserialize(answer).is_ok(),)+
            }
        }

        /// Answers within the judge process.
        #[cfg(feature = "cpp")]
        pub(crate) fn answer(name: Name, loader: &mut Loader) -> serde_json::Result<Value> {
            match name {
                $(Name::$query => {
                    let answer: fn(&mut Loader) -> $answer = $child;
                    serde_json::to_value(answer(loader))
                })+
            }
        }
    };
}

queries! {
    /// The GPUs of this machine and their free memory now, as the driver says; none in a build for the processor. Loads
    /// nothing: the process that is started is the one that loads later.
    Gpus -> Vec<GpuMemory>, starts: true, Loader::gpus;
    /// The parts of llama.cpp that the judge runs on: compiled in, or files beside the program. Loads nothing.
    FoundBackends -> Backends, starts: true, Loader::found;
    /// The buffers that the loaded model takes, as llama.cpp reports them; none where nothing is loaded.
    Buffers -> Vec<Buffer>, starts: false, |_| buffers();
}
