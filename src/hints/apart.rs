//! Error types that reach no edge themselves, and why.

/// By their full paths.
pub const TYPES: &[(&str, &str)] = &[
    (
        "prompt_calibrator::clients::error::Unmergeable",
        "ClientError::Wrong tells it, and what to do",
    ),
    (
        "prompt_calibrator_comfyui::tls::BadCertificate",
        "ComfyError::Certificate tells it, and what to do",
    ),
    (
        "prompt_calibrator_eval::folder::error::Problem",
        "FolderError tells it, and what to do",
    ),
    (
        "prompt_calibrator_judge::engine::failure::EngineFailure",
        "EngineError tells it, and what to do",
    ),
    (
        "prompt_calibrator_judge::calibration::BadMap",
        "serde tells it, of a damaged history",
    ),
    (
        "prompt_calibrator_llama::memory::gguf::GgufError",
        "what to do depends on the setting: doctor says it",
    ),
    (
        "prompt_calibrator_llama::memory::shape::ShapeError",
        "what to do depends on the setting: doctor says it",
    ),
    (
        "prompt_calibrator_judge::rubric::error::RubricProblem",
        "RubricError tells it, and what to do",
    ),
    (
        "prompt_calibrator_types::names::IdError",
        "RubricError tells it, and what to do",
    ),
    (
        "prompt_calibrator::mcp::resources::address::Unknown",
        "the resources list what there is",
    ),
    (
        "prompt_calibrator::mcp::transport::guard::BadOrigin",
        "HttpError::Origin tells it, and what to do",
    ),
    (
        "prompt_calibrator::mcp::transport::guard::Refusal",
        "the body of an HTTP status: its one sentence says what to do",
    ),
    (
        "prompt_calibrator::mcp::transport::sessions::SessionsError",
        "the body of an HTTP status: its one sentence says what to do",
    ),
    (
        "prompt_calibrator_types::unreadable::Unreadable",
        "ServiceError::Unreadable tells it, or the sentence that counts such records",
    ),
];
