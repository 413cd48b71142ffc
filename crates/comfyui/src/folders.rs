//! Where a ComfyUI on this machine keeps its models.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::error::ComfyError;

impl Client {
    /// The folders in which the server looks for models of any kind, each once. It is a call that ComfyUI makes no promises
    /// about: an answer of another form has no folders.
    ///
    /// # Errors
    /// [`ComfyError`] where nothing answers.
    pub async fn model_folders(&self) -> Result<Vec<PathBuf>, ComfyError> {
        let answer = self
            .json(self.request(Method::GET, &["internal", "folder_paths"], &[]))
            .await?;
        let kinds = answer.as_object().into_iter().flat_map(|kinds| kinds.values());
        let paths = kinds.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        let mut folders: Vec<PathBuf> = paths.map(PathBuf::from).filter(|path| path.is_absolute()).collect();
        folders.sort();
        folders.dedup();
        Ok(folders)
    }
}
