//! Pictures in knobs: a file here, or the reference, becomes a file in ComfyUI's input folder.

use serde_json::{Map, Value};

use super::files::{Room, blocking};
use super::inject::Located;
use super::{Service, ServiceError};
use comfyui::knobs::{self, InjectError, PictureKnob, REFERENCE};
use text::near::nearest;
use types::ImageHash;

/// The session's reference, as far as it is known when a knob asks for it.
pub(super) enum Reference<'a> {
    /// In the image store.
    Kept(&'a ImageHash),
    /// The file that comes with this call.
    Given(&'a str),
    /// None.
    Missing,
}

impl Service {
    /// The knobs with every picture that is not on the server yet uploaded, and named as the server names it.
    ///
    /// # Errors
    /// [`ServiceError`] when a picture is neither here nor there, cannot be used, or cannot be uploaded; no session or
    /// iteration was recorded then.
    pub(super) async fn uploaded(
        &self,
        located: &Located,
        given: &Map<String, Value>,
        reference: Reference<'_>,
    ) -> Result<Map<String, Value>, ServiceError> {
        let mut named = given.clone();
        for picture in knobs::pictures(&located.graph, &located.roles, &located.info, given)? {
            if let Some(name) = self.name_on_server(&picture, &reference).await? {
                named.insert(picture.knob, name.into());
            }
        }
        Ok(named)
    }

    /// The name of an uploaded picture; `None` where the knob names what the server has already.
    async fn name_on_server(
        &self,
        picture: &PictureKnob,
        reference: &Reference<'_>,
    ) -> Result<Option<String>, ServiceError> {
        let ((bytes, _room), called) = if picture.value == REFERENCE {
            (self.reference_bytes(reference, &picture.place).await?, "reference")
        } else if picture.options.contains(&picture.value) {
            return Ok(None);
        } else if leads_out(&picture.value) || self.is_readable_file(&picture.value).await? {
            // Decoded, so that what is no picture is told here and not by a node. What lies outside the folders that may
            // be read is refused, rather than left to a server that reads any file.
            let (loaded, room) = self.picture_in_room(&picture.value).await?;
            ((loaded.bytes, room), picture.value.as_str())
        } else if picture.value.contains(['/', '[']) {
            // Below a folder of the server, or in its output: only the server knows.
            return Ok(None);
        } else {
            return self.checked_anew(picture).await.map(|()| None);
        };
        let called = called.to_owned();
        let (name, bytes) = blocking(move || Ok((upload_name(&bytes, &called), bytes))).await?;
        Ok(Some(self.client.upload_image(&name, bytes).await?))
    }

    async fn reference_bytes(&self, reference: &Reference<'_>, place: &str) -> Result<(Vec<u8>, Room), ServiceError> {
        match reference {
            Reference::Kept(hash) => self.stored_bytes(hash).await,
            Reference::Given(path) => {
                let (loaded, room) = self.picture_in_room(path).await?;
                Ok((loaded.bytes, room))
            }
            Reference::Missing => Err(ServiceError::usage(
                format!("{place} is to be {REFERENCE}, and the session has no reference picture; nothing was recorded"),
                "Give `reference` too, or the path of a picture as the knob's value.",
            )),
        }
    }

    /// A name that the server did not have may have been added since its definitions were read.
    async fn checked_anew(&self, picture: &PictureKnob) -> Result<(), ServiceError> {
        self.client.forget_definition(&picture.class);
        let fresh = self.client.object_info_for(&[&picture.class]).await?;
        let listed = fresh
            .values()
            .flatten()
            .any(|definition| mentions(definition, &picture.value));
        if listed {
            return Ok(());
        }
        let near = nearest(&picture.value, picture.options.iter().map(String::as_str), 3);
        let problem = if near.is_empty() {
            "no such picture is on the server, nor a file here that may be read".to_owned()
        } else {
            format!(
                "no such picture is on the server (closest: {}), nor a file here that may be read",
                near.join(", ")
            )
        };
        Err(InjectError::BadValue {
            place: picture.place.clone(),
            value: picture.value.clone(),
            problem,
        }
        .into())
    }
}

/// Whether a name may lead out of the server's own folders: absolute, from home, upwards, or with a drive or a scheme.
fn leads_out(name: &str) -> bool {
    name.starts_with(['/', '\\', '~'])
        || name.contains(':')
        || name.split(['/', '\\']).any(|part| part == "..")
        || name.contains('\\')
}

/// Whether a string stands anywhere in a definition.
fn mentions(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own == text,
        Value::Array(items) => items.iter().any(|item| mentions(item, text)),
        Value::Object(entries) => entries.values().any(|item| mentions(item, text)),
        _ => false,
    }
}

/// Characters of a file's own name that an upload keeps.
const KEPT: usize = 40;

/// A name that tells the content, so that the same picture is uploaded to the same file, and what the user calls it.
fn upload_name(bytes: &[u8], called: &str) -> String {
    let ending = match image::guess_format(bytes) {
        Ok(format) => format.extensions_str().first().copied().unwrap_or("png"),
        Err(_) => "png",
    };
    let file = called.rsplit(['/', '\\']).next().unwrap_or(called);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    // Plain letters only: the name goes through a form, a file system and a URL.
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let stem: String = stem.chars().take(KEPT).map(plain).collect();
    let hash = ImageHash::of(bytes);
    format!("prompt-calibrator-{}-{stem}.{ending}", &hash.to_string()[..16])
}

#[cfg(test)]
mod tests {
    use super::upload_name;

    #[test]
    fn an_upload_keeps_the_name_that_its_user_gave() {
        let named = |called: &str| upload_name(b"\x89PNG\r\n\x1a\n", called);
        let (before, after) = ("prompt-calibrator-", ".png");
        for (called, kept) in [
            ("/home/me/Pictures/red coat.v2.jpeg", "-red_coat_v2"),
            ("reference", "-reference"),
            ("C:\\pictures\\F\u{fc}chse.png", "-F_chse"),
            ("a/../b", "-b"),
        ] {
            let name = named(called);
            assert!(
                name.starts_with(before) && name.ends_with(&format!("{kept}{after}")),
                "{name}"
            );
        }
        assert!(named(&"x".repeat(500)).len() < 100);
        assert_eq!(named("a.png"), named("folder/a.gif"), "the content decides the rest");
    }
}
