//! A picture that ComfyUI made: fetched, looked at, made smaller where it is larger than pictures are kept, and kept.

use std::io::{self, BufReader, Read, Seek};

use tempfile::SpooledTempFile;

use super::files::{blocking, room};
use super::{Service, ServiceError};
use comfyui::error::ComfyError;
use comfyui::images::{Form, OutputImage};
use imaging::{Limits, PictureError, decode, reduced};
use types::ImageHash;

/// How often a picture is asked for whose answer is cut short.
const FETCHES: u32 = 3;

/// The largest file that is fetched, in bytes.
const MOST_FETCHED: u64 = 1 << 30;

/// Bytes of it that lie in memory while the others are on their way.
const MOST_IN_MEMORY: usize = 2 << 20;

/// A picture that is kept.
pub(super) struct Taken {
    /// What it is kept under.
    pub hash: ImageHash,
    /// Width of the picture that is kept.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// What has to be said of it.
    pub note: Option<String>,
}

impl Service {
    /// Fetches a picture of a run and keeps it; where its file is too large to be read, a JPEG that ComfyUI makes of it.
    ///
    /// # Errors
    /// [`ServiceError`]; nothing was kept then.
    pub(super) async fn taken(&self, image: &OutputImage) -> Result<Taken, ServiceError> {
        let error = match self.taken_as(image, Form::File).await {
            Err(error) if takes_less_as_jpeg(&error) => error,
            taken => return taken,
        };
        match self.taken_as(image, Form::Jpeg).await {
            Ok(taken) => Ok(Taken {
                note: Some(format!(
                    "The file {:?} was not taken as it is ({error}): ComfyUI made a JPEG of the same size of it, which was taken \
                     and is judged. The file itself is in ComfyUI's output folder.",
                    image.filename
                )),
                ..taken
            }),
            Err(other) => {
                tracing::debug!(error = %other, "nor can it be had as a JPEG");
                Err(error)
            }
        }
    }

    /// Fetches a picture in this form and keeps it.
    async fn taken_as(&self, image: &OutputImage, form: Form) -> Result<Taken, ServiceError> {
        let (file, size) = self.fetched(image, form).await?;
        let _room = room(size.min(Limits::default().max_bytes)).await;
        let name = image.filename.clone();
        let Looked {
            bytes,
            size: (width, height),
            note,
        } = blocking(move || look(file, size, &name)).await?;
        // Decoded before it is kept, so that what is recorded is a picture.
        let hash = self.store.put_image(bytes).await?.hash;
        Ok(Taken {
            hash,
            width,
            height,
            note,
        })
    }

    /// The bytes of a picture, and how many; asked for again where the connection failed. They lie beside the history, in a
    /// file without a name.
    async fn fetched(&self, image: &OutputImage, form: Form) -> Result<(SpooledTempFile, u64), ComfyError> {
        let mut asked = 1;
        loop {
            let mut file = tempfile::spooled_tempfile_in(MOST_IN_MEMORY, self.store.data_dir());
            let sent = self.client.output_image_into(image, form, MOST_FETCHED, &mut file);
            match sent.await {
                Ok(size) => return Ok((file, size)),
                Err(error) if asked < FETCHES && error.is_passing() => {
                    tracing::debug!(%error, "a picture did not arrive and is asked for again");
                    asked += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether a file is refused for what reading it takes, which is less for a JPEG of the same size.
fn takes_less_as_jpeg(error: &ServiceError) -> bool {
    let ServiceError::Picture(error) = error else {
        return false;
    };
    matches!(
        **error,
        PictureError::TooManyBytes { .. } | PictureError::TooMuchMemory { .. }
    )
}

/// What a picture is kept as.
struct Looked {
    bytes: Vec<u8>,
    size: (u32, u32),
    note: Option<String>,
}

fn look(mut file: SpooledTempFile, size: u64, name: &str) -> Result<Looked, ServiceError> {
    let unread = |error: io::Error| ServiceError::File {
        path: format!("the picture {name}, put aside in the data folder,"),
        reason: error.to_string(),
    };
    let limits = Limits::default();
    let within = limits.check_bytes(size);
    let head = if within.is_ok() { size } else { 8 };
    let mut bytes = Vec::new();
    file.rewind().map_err(unread)?;
    (&mut file).take(head).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.starts_with(b"<") {
        return Err(ServiceError::from(ComfyError::BadAnswer {
            what: format!("the image {name}"),
            detail: "it is a web page".into(),
        }));
    }
    let too_large = match within.and_then(|()| decode(&bytes, &limits)) {
        Ok(picture) => {
            let size = picture.reduced_from().unwrap_or((picture.width(), picture.height()));
            return Ok(Looked {
                bytes,
                size,
                note: None,
            });
        }
        Err(error @ (PictureError::TooManyBytes { .. } | PictureError::TooManyPixels { .. })) => error,
        Err(error) => return Err(error.into()),
    };
    // Of other formats no single rows can be read.
    if !bytes.starts_with(b"\x89PNG") {
        return Err(too_large.into());
    }
    drop(bytes);
    file.rewind().map_err(unread)?;
    let bytes = reduced(BufReader::new(file))?;
    let picture = decode(&bytes, &limits)?;
    let kept = (picture.width(), picture.height());
    let was = picture.reduced_from().unwrap_or(kept);
    let note = format!(
        "The picture {name:?} is larger than pictures are kept ({}x{} pixels, {} MiB): it was taken at {}x{} and is judged so. \
         The whole one is in ComfyUI's output folder.",
        was.0,
        was.1,
        size.div_ceil(1 << 20),
        kept.0,
        kept.1
    );
    Ok(Looked {
        bytes,
        size: kept,
        note: Some(note),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use png::{BitDepth, ColorType, Compression, Encoder};

    use super::*;

    fn file(bytes: &[u8]) -> (SpooledTempFile, u64) {
        let mut file = tempfile::spooled_tempfile(1 << 10);
        file.write_all(bytes).unwrap();
        (file, bytes.len() as u64)
    }

    fn grey(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, width, height);
        encoder.set_color(ColorType::Grayscale);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::Fast);
        let mut writer = encoder.write_header().unwrap();
        let mut rows = writer.stream_writer().unwrap();
        for _ in 0..height {
            rows.write_all(&vec![99; width as usize]).unwrap();
        }
        rows.finish().unwrap();
        drop(writer);
        bytes
    }

    #[test]
    fn a_picture_above_the_limits_is_taken_smaller_and_said_to_be() {
        let (large, size) = file(&grey(12_000, 9_000));
        let looked = look(large, size, "a.png").unwrap();
        assert_eq!(looked.size, (4000, 3000));
        let note = looked.note.unwrap();
        assert!(
            note.contains("12000x9000 pixels") && note.contains("4000x3000"),
            "{note}"
        );
        let kept = decode(&looked.bytes, &Limits::default()).unwrap();
        assert_eq!((kept.width(), kept.reduced_from()), (4000, Some((12_000, 9_000))));
    }

    #[test]
    fn a_file_above_the_limits_is_written_anew() {
        // Bytes that are no pixels, behind the picture's header.
        let png = grey(64, 48);
        let mut bytes = png[..33].to_vec();
        bytes.extend(u32::to_be_bytes(65 << 20));
        bytes.extend(b"prVt");
        bytes.resize(bytes.len() + (65 << 20) + 4, 0);
        bytes.extend(&png[33..]);
        let (large, size) = file(&bytes);
        let looked = look(large, size, "a.png").unwrap();
        assert_eq!(looked.size, (64, 48));
        assert!(looked.bytes.len() < 64 << 10, "{}", looked.bytes.len());
        assert!(looked.note.unwrap().contains("66 MiB"));
    }

    #[test]
    fn within_the_limits_the_file_is_kept_as_it_is() {
        let png = grey(4200, 4100);
        let (file, size) = file(&png);
        let looked = look(file, size, "a.png").unwrap();
        assert!(looked.bytes == png && looked.note.is_none());
        assert_eq!(looked.size, (4200, 4100), "the file's own size");
    }

    #[test]
    fn what_is_no_picture_is_an_error_whatever_its_size() {
        let (page, size) = file(b"<html>");
        assert!(matches!(look(page, size, "a.png"), Err(ServiceError::Comfy(_))));
        let (other, size) = file(&vec![0xff; (64 << 20) + 1]);
        match look(other, size, "a.jpg") {
            Err(ServiceError::Picture(error)) => assert!(matches!(*error, PictureError::TooManyBytes { .. })),
            other => panic!("{:?}", other.map(|looked| looked.size)),
        }
    }
}
