//! A hub that speaks as huggingface.co does, and the cache that its own programs keep.

mod answers;
mod cache;
mod client;
mod download;
mod error;
mod hash;
mod pieces;

pub use answers::RemoteFile;
pub use cache::{Cache, references};
pub use client::Hub;
pub use download::{Transfer, kept};
pub use error::{Again, HubError};
pub use hash::hash_of;
