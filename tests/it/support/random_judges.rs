//! The random judges in `gguf/`: one of each architecture, so that a test on all of them names none.

/// A judge's files, in `gguf/`.
#[derive(Clone, Copy, Debug)]
pub struct RandomJudge {
    /// `general.architecture`.
    pub architecture: &'static str,
    /// The language model.
    pub model: &'static str,
    /// Its projector.
    pub mmproj: &'static str,
}

/// Dense, a mixture, two that keep states in most layers, and one that looks back a few tokens only in most layers.
pub const RANDOM_JUDGES: [RandomJudge; 5] = [
    RandomJudge {
        architecture: "qwen3vl",
        model: "random-qwen3vl.gguf",
        mmproj: "random-mmproj.gguf",
    },
    RandomJudge {
        architecture: "qwen3vlmoe",
        model: "random-qwen3vlmoe.gguf",
        mmproj: "random-mmproj.gguf",
    },
    RandomJudge {
        architecture: "qwen35",
        model: "random-qwen35.gguf",
        mmproj: "random-qwen35-mmproj.gguf",
    },
    RandomJudge {
        architecture: "qwen35moe",
        model: "random-qwen35moe.gguf",
        mmproj: "random-qwen35-mmproj.gguf",
    },
    RandomJudge {
        architecture: "gemma3",
        model: "random-gemma3.gguf",
        mmproj: "random-gemma3-mmproj.gguf",
    },
];
