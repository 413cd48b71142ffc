//! The binary. Everything is in the library.

fn main() -> std::process::ExitCode {
    prompt_calibrator::cli::main()
}
