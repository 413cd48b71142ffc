//! The pictures of a run: fetched from ComfyUI, checked, kept and recorded.

use tokio_util::sync::CancellationToken;

use super::run::RunPlan;
use super::{CancelledDuring, Service, ServiceError};
use comfyui::error::ComfyError;
use comfyui::images::OutputImage;
use comfyui::inject::Pictures;
use comfyui::outputs::{self, Hidden, Media};
use comfyui::record::Finished;
use history::RunImage;
use imaging::PictureError;
use text::{Foreign, shortened};
use types::PromptId;
use types::progress::{Progress, Teller};

/// Most pictures that are fetched of one run.
pub const MAX_PICTURES: usize = 64;

impl Service {
    /// Fetches a run's pictures, at most [`MAX_PICTURES`]; each is on disk and recorded before the run counts as finished. Returns
    /// what has to be said of them, and of those that were left out.
    ///
    /// # Errors
    /// [`ServiceError`]; after a cancellation the run stays as it was, and asking again fetches its pictures.
    pub(super) async fn fetch(
        &self,
        id: PromptId,
        finished: &Finished,
        plan: &RunPlan<'_>,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, ServiceError> {
        let (files, others): (Vec<&OutputImage>, Vec<&OutputImage>) = finished
            .images
            .iter()
            .partition(|image| Media::of_file(&image.filename).is_none());
        if files.is_empty() {
            let hidden = outputs::hidden(plan.graph, plan.info);
            return Err(no_picture(finished, &others, plan.pictures, &hidden));
        }
        let taken = &files[..files.len().min(MAX_PICTURES)];
        let (mut images, mut notes) = (Vec::new(), Vec::new());
        for (ordinal, image) in taken.iter().enumerate() {
            if taken.len() > 1 {
                let told = format!("fetching picture {} of {}", ordinal + 1, taken.len());
                teller.tell(Progress::words(told));
            }
            let kept = tokio::select! {
                kept = self.taken(image) => kept.map_err(|error| unreadable(error, image))?,
                () = cancel.cancelled() => {
                    return Err(ServiceError::Cancelled(CancelledDuring::Fetching));
                }
            };
            notes.extend(kept.note);
            images.push(RunImage {
                ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
                hash: kept.hash,
                filename: image.filename.clone(),
                subfolder: image.subfolder.clone(),
                folder_type: image.kind.as_str().to_owned(),
                width: kept.width,
                height: kept.height,
            });
        }
        self.store.record_images(id, images).await?;
        notes.extend(left_out(files.len(), &others));
        Ok((!notes.is_empty()).then(|| notes.join(" ")))
    }
}

/// Whether asking again would find no picture either.
pub(super) fn has_no_picture(error: &ServiceError) -> bool {
    match error {
        ServiceError::Usage { .. } | ServiceError::NothingShown { .. } | ServiceError::Picture(_) => true,
        ServiceError::Comfy(error) => matches!(**error, ComfyError::ImageGone { .. } | ComfyError::TooLarge { .. }),
        _ => false,
    }
}

/// Why a run that finished gave no picture. A branch that a filter stopped is no fault of the workflow.
fn no_picture(finished: &Finished, others: &[&OutputImage], shown: &Pictures, hidden: &[Hidden]) -> ServiceError {
    if !finished.blocked.is_empty() {
        let blocked: Vec<String> = finished
            .blocked
            .iter()
            .map(|b| {
                format!(
                    "node {:#} ({:#}): {}",
                    Foreign(&b.node_id),
                    Foreign(&b.class),
                    Foreign(&b.message)
                )
            })
            .collect();
        return ServiceError::usage(
            format!(
                "the run finished without a picture: a filter or switch in the workflow stopped it on purpose, before {}",
                blocked.join("; ")
            ),
            "The workflow is sound. Change what the filter or switch goes by (the prompt, its setting), or try another seed.",
        );
    }
    let made = others
        .iter()
        .find_map(|image| Some((image, Media::of_file(&image.filename)?)));
    match made {
        Some((image, media)) => ServiceError::usage(
            format!(
                "the run finished without a picture that can be judged: node {} made {media} ({})",
                image.node_id,
                Foreign(&image.filename)
            ),
            media.remedy(),
        ),
        None => nothing_shown(shown, hidden),
    }
}

/// Why a run showed nothing at all, by its graph.
fn nothing_shown(shown: &Pictures, hidden: &[Hidden]) -> ServiceError {
    if let Some(first) = hidden.first() {
        return ServiceError::NothingShown {
            message: format!(
                "the run finished without a picture: node {} ({:#}) keeps it, since {}",
                first.node,
                Foreign(&shortened(&first.title, 60)),
                first.in_words()
            ),
            hint: format!("{} Or add a SaveImage node behind it.", first.remedy()),
            left: Vec::new(),
        };
    }
    // A filter that says nothing leaves no other trace than that.
    match shown.ranked().first() {
        Some(node) => ServiceError::usage(
            format!(
                "the run finished without a picture: node {} ({:#}) showed none. Something before it let nothing through (a switch, \
                 a filter), or it keeps its pictures where ComfyUI does not list them",
                node.node,
                Foreign(&node.title)
            ),
            "Change what the switch or filter goes by (the prompt, its setting), or save with a SaveImage node.",
        ),
        None => ServiceError::NothingShown {
            message: "the run finished without a picture: the workflow saves or previews no image".to_owned(),
            hint: "Add a SaveImage node behind the sampler's decoded image, export the workflow again, and open a session with it."
                .to_owned(),
            left: Vec::new(),
        },
    }
}

/// A file of a run that is no picture, or none that is read: the advice is about the workflow, not about a path.
fn unreadable(error: ServiceError, image: &OutputImage) -> ServiceError {
    let ServiceError::Picture(reason) = &error else {
        return error;
    };
    let hint = match **reason {
        PictureError::NotAPicture { .. } | PictureError::Unsupported { .. } => {
            Media::Format(String::new()).remedy().to_owned()
        }
        _ => reason.hint(),
    };
    let what = format!(
        "the file {} that node {} made cannot be used: {reason}",
        Foreign(&image.filename),
        image.node_id
    );
    ServiceError::usage(what, hint)
}

/// What has to be said of files that were not fetched.
fn left_out(pictures: usize, others: &[&OutputImage]) -> Option<String> {
    let mut told = Vec::new();
    if pictures > MAX_PICTURES {
        told.push(format!(
            "The run made {pictures} pictures: the first {MAX_PICTURES} were fetched, the others are in ComfyUI's output folder."
        ));
    }
    if let Some((image, media)) = others
        .iter()
        .find_map(|image| Some((image, Media::of_file(&image.filename)?)))
    {
        let more = match others.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        told.push(format!(
            "Not fetched, being no picture that is read: {} ({media}){more}.",
            Foreign(&image.filename)
        ));
    }
    (!told.is_empty()).then(|| told.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use comfyui::graph::Graph;
    use comfyui::images::ImageKind;
    use comfyui::inject::{find, pictures};
    use comfyui::object_info::ObjectInfo;
    use comfyui::record::Blocked;
    use types::Seed;

    fn file(name: &str) -> OutputImage {
        OutputImage {
            node_id: "9".to_owned(),
            filename: name.to_owned(),
            subfolder: String::new(),
            kind: ImageKind::Output,
            cached: false,
        }
    }

    fn finished(blocked: Vec<Blocked>) -> Finished {
        Finished {
            prompt_id: Uuid::nil(),
            images: Vec::new(),
            previews: Vec::new(),
            cached: false,
            graph: Value::Null,
            seconds: None,
            blocked,
        }
    }

    #[test]
    fn a_filter_that_stopped_a_branch_is_no_fault_of_the_workflow() {
        let error = no_picture(
            &finished(vec![Blocked {
                node_id: "7".to_owned(),
                class: "SaveImage".to_owned(),
                message: "not safe".to_owned(),
            }]),
            &[],
            &Pictures::default(),
            &[],
        );
        assert!(error.to_string().contains("on purpose"), "{error}");
        assert!(!error.hint().contains("SaveImage"), "{}", error.hint());
        let nothing = no_picture(&finished(Vec::new()), &[], &Pictures::default(), &[]);
        assert!(nothing.hint().contains("Add a SaveImage"), "{}", nothing.hint());
        // A filter that says nothing: the node that saves is there, and was never reached.
        let graph = json!({
            "8": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8}},
            "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}, "_meta": {"title": "Final"}},
        });
        let graph = Graph::from_json(graph).unwrap();
        let info = ObjectInfo::default();
        let shown = pictures(&graph, &info, &find(&graph, &info));
        let error = no_picture(&finished(Vec::new()), &[], &shown, &[]);
        let told = error.to_string();
        assert!(
            told.contains("node 9 (Final) showed none") && told.contains("let nothing through"),
            "{told}"
        );
        assert!(!error.hint().contains("Add a SaveImage"), "{}", error.hint());
    }

    #[test]
    fn a_node_that_hides_its_picture_is_named_with_the_choice_that_shows_it() {
        let graph = json!({"5": {"class_type": "Pipe Sampler", "inputs": {"pipe": ["4", 0], "image_output": "Hide"}}});
        let hidden = outputs::hidden(&Graph::from_json(graph).unwrap(), &ObjectInfo::default());
        let error = no_picture(&finished(Vec::new()), &[], &Pictures::default(), &hidden);
        assert!(error.to_string().contains("image_output is \"Hide\""), "{error}");
        assert!(
            error.hint().starts_with("Set the knob 5.image_output"),
            "{}",
            error.hint()
        );
        assert!(error.is_of_every_seed() && has_no_picture(&error));
        assert!(
            error
                .with_left(vec![Seed(2)])
                .to_string()
                .ends_with("; seed 2 was not begun")
        );
    }

    #[test]
    fn what_is_no_picture_is_named_with_the_advice_that_helps() {
        let clip = file("clip.mp4");
        let error = no_picture(&finished(Vec::new()), &[&clip], &Pictures::default(), &[]);
        assert!(error.to_string().contains("node 9 made a video"), "{error}");
        assert!(error.hint().contains("Preview Image"), "{}", error.hint());

        let unread = ServiceError::from(PictureError::Unsupported {
            looks_like: "an AVIF file",
        });
        let error = unreadable(unread, &file("a.png"));
        assert!(error.to_string().contains("node 9"), "{error}");
        assert!(error.hint().contains("format to PNG"), "{}", error.hint());
        assert!(has_no_picture(&error));

        let told = left_out(100, &[&clip, &file("b.flac")]).unwrap();
        assert!(
            told.contains("100 pictures: the first 64") && told.contains("clip.mp4"),
            "{told}"
        );
        assert_eq!(left_out(MAX_PICTURES, &[]), None);
    }
}
