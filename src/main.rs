fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    prompt_calibrator::judge::worker::child::run()
}
