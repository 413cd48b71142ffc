//! A small living server for the offline demo: a queue with one worker, progress, history, and pictures: scenes drawn
//! from the words of the prompt. It runs no model, and `/system_stats` says so.

mod graph;
mod http;
mod paint;
mod worker;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;

use crate::gpu::Gpu;

/// A server that has a port and does not serve yet.
#[derive(Debug)]
pub struct Studio {
    listener: TcpListener,
    address: SocketAddr,
    step_time: Duration,
    gpu: Option<(Arc<Gpu>, Duration)>,
    posted: Arc<Mutex<Vec<String>>>,
    adherence: f64,
    result: Option<Vec<u8>>,
}

impl Studio {
    /// Takes a port; `step_time` is how long one step of the sampler takes.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(address: SocketAddr, step_time: Duration) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listening on {address}"))?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            step_time,
            gpu: None,
            posted: Arc::default(),
            adherence: 1.0,
            result: None,
        })
    }

    /// The ids of all graphs that are accepted, in order, repeats included; goes on growing.
    pub fn posted(&self) -> Arc<Mutex<Vec<String>>> {
        Arc::clone(&self.posted)
    }

    /// Pretends to render on this GPU, and to give its memory back so long after it is asked.
    #[must_use]
    pub fn with_gpu(mut self, gpu: Arc<Gpu>, gives_back_after: Duration) -> Self {
        self.gpu = Some((gpu, gives_back_after));
        self
    }

    /// Follows what a prompt says only with this probability, 0 to 1, as image models do; saying it again helps. Which
    /// attributes are not followed depends on the seed.
    #[must_use]
    pub fn with_adherence(mut self, adherence: f64) -> Self {
        self.adherence = adherence;
        self
    }

    /// Saves this file in place of every picture, as a save node of another format does.
    #[must_use]
    pub fn with_result(mut self, file: Vec<u8>) -> Self {
        self.result = Some(file);
        self
    }

    /// The address to give to a client.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until the future is dropped.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self) -> Result<()> {
        let studio = worker::Studio::new(self.step_time, self.gpu, self.posted, self.adherence, self.result);
        let app = http::routes(Arc::clone(&studio));
        tokio::select! {
            served = async { axum::serve(self.listener, app).await } => served.context("serving"),
            () = studio.work() => Ok(()),
        }
    }
}
