//! What a server says of the classes of a graph: their definitions, and what runs in place of those that it lacks.

use std::sync::{Arc, PoisonError};

use reqwest::Method;
use serde_json::json;

use super::client::Client;
use super::error::ComfyError;
use super::graph::Graph;
use super::object_info::{Lookup, ObjectInfo};
use super::replacements::Replacements;

/// What a server says of the classes of some graphs.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// The definitions, also of the classes that run in place of others.
    pub info: ObjectInfo,
    /// What runs in place of classes that are missing.
    pub replacements: Arc<Replacements>,
}

impl Client {
    /// Asks for all classes of some graphs, and for what runs in place of those that the server lacks.
    ///
    /// # Errors
    /// Any transport error.
    pub async fn describe(&self, graphs: &[&Graph]) -> Result<Description, ComfyError> {
        let nodes = graphs.iter().flat_map(|graph| graph.nodes());
        let mut classes: Vec<&str> = nodes
            .map(|node| node.class())
            .filter(|class| !class.is_empty())
            .collect();
        classes.sort_unstable();
        classes.dedup();
        let mut description = Description::default();
        self.learn(&mut description.info, &classes).await?;
        classes.retain(|class| description.info.lookup(class) == Lookup::Missing);
        if classes.is_empty() {
            return Ok(description);
        }
        description.replacements = self.replacements(&classes).await?;
        let mut others: Vec<&str> = classes
            .iter()
            .filter_map(|class| description.replacements.of(class))
            .filter(|class| description.info.lookup(class) == Lookup::NotAsked)
            .collect();
        others.sort_unstable();
        others.dedup();
        self.learn(&mut description.info, &others).await?;
        Ok(description)
    }

    async fn learn(&self, info: &mut ObjectInfo, classes: &[&str]) -> Result<(), ComfyError> {
        for (class, definition) in self.object_info_for(classes).await? {
            // The answer has the shape {class: definition}; an unknown class is an empty answer.
            let answer = match definition {
                Some(definition) => json!({ class.clone(): *definition }),
                None => json!({}),
            };
            info.learn(&class, &answer);
        }
        Ok(())
    }

    /// What the server runs in place of these classes, which it does not have. Asked once, and again where one is not
    /// known to be replaced: it may have been restarted with other nodes.
    async fn replacements(&self, missing: &[&str]) -> Result<Arc<Replacements>, ComfyError> {
        let kept = self
            .kept_replacements()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if missing.iter().all(|class| kept.of(class).is_some()) {
            return Ok(kept);
        }
        let answer = match self.json(self.request(Method::GET, &["node_replacements"], &[])).await {
            Ok(answer) => answer,
            // The address is right, since it answered just now: older releases do not have this route, and then replace nothing.
            Err(error @ (ComfyError::Http { .. } | ComfyError::BadAnswer { .. })) => {
                tracing::debug!(%error, "ComfyUI does not say what it runs in place of missing classes");
                return Ok(Arc::default());
            }
            Err(error) => return Err(error),
        };
        let told = Arc::new(Replacements::from_json(&answer));
        *self.kept_replacements().lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&told);
        Ok(told)
    }
}
