//! Serves the studio: a stand-in for ComfyUI that draws scenes.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use comfyui_stand_in::studio::Studio;

/// A stand-in for a ComfyUI server: it runs no model and draws scenes from the words of the prompt.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Milliseconds that one step of the sampler takes.
    #[arg(long, default_value_t = 40)]
    step_ms: u64,
    /// Probability that a seed follows what the prompt says of an attribute.
    #[arg(long, default_value_t = 1.0)]
    adherence: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let studio = Studio::bind(arguments.listen, Duration::from_millis(arguments.step_ms))
        .await?
        .with_adherence(arguments.adherence);
    let mut out = std::io::stdout();
    writeln!(out, "{}", studio.url())?;
    out.flush()?;
    tokio::select! {
        served = studio.serve() => served,
        stopped = tokio::signal::ctrl_c() => Ok(stopped?),
    }
}
