use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, Rgba, RgbaImage};
use types::digest::sha256_hex;

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/fixtures/pictures/",
            $name
        ))
    };
}

const RED: [u8; 3] = [220, 30, 30];
const BLUE: [u8; 3] = [30, 30, 220];

/// The fixtures are 32×16, red left and blue right.
#[track_caller]
fn assert_halves(picture: &Picture, tolerance: u8) {
    assert_eq!((picture.width(), picture.height()), (32, 16));
    assert_near(pixel(picture, 4, 8), RED, tolerance);
    assert_near(pixel(picture, 27, 8), BLUE, tolerance);
}

#[test]
fn lossless_formats_keep_every_pixel() {
    let image = sample(40, 30);
    for (format, ours) in [
        (ImageFormat::Png, PictureFormat::Png),
        (ImageFormat::Bmp, PictureFormat::Bmp),
        (ImageFormat::Tiff, PictureFormat::Tiff),
        (ImageFormat::WebP, PictureFormat::Webp),
    ] {
        let bytes = encoded(image.clone(), format);
        let found = read(&bytes).unwrap();
        assert_eq!((found.width(), found.height(), found.format()), (40, 30, Some(ours)));
        assert!(found.rgb() == image.as_raw(), "{format:?}");
        assert_eq!(found.flags(), [], "{format:?}");
        let hex = sha256_hex(&bytes);
        assert_eq!(found.hash().to_string(), hex);
    }
}

#[test]
fn lossy_formats_come_close() {
    let image = sample(40, 32);
    for (format, ours) in [
        (ImageFormat::Jpeg, PictureFormat::Jpeg),
        (ImageFormat::Gif, PictureFormat::Gif),
    ] {
        let found = read(&encoded(image.clone(), format)).unwrap();
        assert_eq!(found.format(), Some(ours));
        assert_near(pixel(&found, 5, 5), image.get_pixel(5, 5).0, 16);
        assert_near(pixel(&found, 30, 28), image.get_pixel(30, 28).0, 16);
        assert_eq!(found.flags(), [], "{format:?}");
    }
    for bytes in [&fixture!("progressive.jpg")[..], fixture!("lossy.webp")] {
        let found = read(bytes).unwrap();
        assert_halves(&found, 12);
        assert_eq!(found.flags(), []);
    }
    assert_halves(&read(fixture!("still.webp")).unwrap(), 0);
}

#[test]
fn of_animations_the_first_frame_counts() {
    for bytes in [
        &fixture!("animated.gif")[..],
        fixture!("animated.webp"),
        fixture!("animated.png"),
    ] {
        let found = read(bytes).unwrap();
        assert_halves(&found, 8);
        assert_eq!(found.flags(), [PictureFlag::Animated], "{:?}", found.format());
    }
    assert_eq!(read(fixture!("palette.gif")).unwrap().flags(), []);
}

#[test]
fn orientation_is_applied() {
    for bytes in [&fixture!("turned.jpg")[..], fixture!("turned.png")] {
        let found = read(bytes).unwrap();
        // Turned clockwise: what was left is now on top.
        assert_eq!((found.width(), found.height()), (16, 32), "{:?}", found.format());
        assert_near(pixel(&found, 8, 4), RED, 12);
        assert_near(pixel(&found, 8, 27), BLUE, 12);
        assert_eq!(found.flags(), [PictureFlag::Turned]);
    }
}

#[test]
fn cmyk_is_converted_and_flagged() {
    let found = read(fixture!("cmyk.jpg")).unwrap();
    assert_eq!(found.flags(), [PictureFlag::FromCmyk]);
    assert_halves(&found, 12);
}

#[test]
fn transparency_becomes_white() {
    let image = RgbaImage::from_fn(4, 1, |x, _| Rgba([200, 0, 0, [0, 128, 255, 255][x as usize]]));
    let found = read(&encoded(image, ImageFormat::Png)).unwrap();
    assert_eq!(found.rgb()[..9], [255, 255, 255, 227, 127, 127, 200, 0, 0]);
    assert_eq!(found.flags(), [PictureFlag::AlphaOnWhite]);
    let opaque = RgbaImage::from_pixel(2, 2, Rgba([1, 2, 3, 255]));
    let found = read(&encoded(opaque, ImageFormat::Png)).unwrap();
    assert_eq!((pixel(&found, 0, 0), found.flags()), ([1, 2, 3], &[][..]));
}

#[test]
fn deep_and_grey_samples_become_rgb8() {
    let deep: ImageBuffer<Rgb<u16>, _> = ImageBuffer::from_pixel(3, 2, Rgb([0xffff, 0x8080, 0]));
    let found = read(&encoded(DynamicImage::ImageRgb16(deep), ImageFormat::Png)).unwrap();
    assert_eq!(
        (pixel(&found, 1, 1), found.flags()),
        ([255, 128, 0], &[PictureFlag::ReducedDepth][..])
    );
    let grey: ImageBuffer<Luma<u8>, _> = ImageBuffer::from_pixel(3, 2, Luma([77]));
    let found = read(&encoded(DynamicImage::ImageLuma8(grey), ImageFormat::Png)).unwrap();
    assert_eq!((pixel(&found, 1, 1), found.flags()), ([77, 77, 77], &[][..]));
}

#[test]
fn one_pixel_is_a_picture() {
    assert_eq!(read(&encoded(sample(1, 1), ImageFormat::Png)).unwrap().rgb().len(), 3);
}

#[test]
fn limits_hold_before_decoding() {
    let bytes = encoded(sample(40, 30), ImageFormat::Png);
    let size = bytes.len() as u64;
    let with = |max_bytes, max_pixels| decode(&bytes, &Limits { max_bytes, max_pixels });
    assert!(with(size, 1200).is_ok());
    assert_eq!(
        with(size - 1, 1200),
        Err(PictureError::TooManyBytes {
            bytes: size,
            limit: size - 1
        })
    );
    let large = PictureError::TooManyPixels {
        width: 40,
        height: 30,
        limit: 1199,
    };
    assert_eq!(with(size, 1199), Err(large));
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Gif,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::WebP,
    ] {
        let bytes = encoded(sample(40, 30), format);
        let found = decode(
            &bytes,
            &Limits {
                max_bytes: 1 << 20,
                max_pixels: 1199,
            },
        );
        assert!(
            matches!(found, Err(PictureError::TooManyPixels { .. })),
            "{format:?}: {found:?}"
        );
    }
}

#[test]
fn a_header_that_promises_too_much_costs_nothing() {
    // A PNG of 60000×60000 with the data of a small one: the header alone must be enough to refuse.
    let mut bytes = encoded(sample(8, 8), ImageFormat::Png);
    for start in [16, 20] {
        bytes[start..start + 4].copy_from_slice(&60_000_u32.to_be_bytes());
    }
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    let large = PictureError::TooManyPixels {
        width: 60_000,
        height: 60_000,
        limit: 64 << 20,
    };
    assert_eq!(read(&bytes), Err(large));
}

#[test]
fn what_is_cut_off_is_an_error_in_every_format() {
    let noise = |x: u32, y: u32| u8::try_from((x * 7919 + y * 104_729 + x * y * 31) % 251).unwrap();
    let image = RgbImage::from_fn(64, 64, |x, y| Rgb([noise(x, y), noise(y, x), noise(x + y, x)]));
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ] {
        let bytes = encoded(image.clone(), format);
        assert!(read(&bytes).is_ok(), "{format:?}");
        for part in [bytes.len() / 8, bytes.len() / 2, bytes.len() * 9 / 10] {
            let error = read(&bytes[..part]).unwrap_err();
            assert!(
                matches!(error, PictureError::Truncated { .. }),
                "{format:?} {part}: {error}"
            );
            assert!(error.to_string().contains("is cut off"), "{error}");
        }
    }
}

#[test]
fn a_few_bytes_of_a_header_are_an_error() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ] {
        let bytes = encoded(sample(16, 16), format);
        for length in 1..40 {
            assert!(read(&bytes[..length]).is_err(), "{format:?} {length}");
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ] {
        let good = encoded(sample(16, 16), format);
        for at in (0..good.len()).step_by(3) {
            let mut bad = good.clone();
            bad[at] ^= 0xa5;
            // Some stay decodable; none may do anything but return.
            if let Ok(found) = read(&bad) {
                assert_eq!(
                    found.rgb().len() as u64,
                    u64::from(found.width()) * u64::from(found.height()) * 3
                );
            }
        }
    }
}

#[test]
fn a_damaged_png_says_so() {
    let mut bytes = encoded(sample(40, 30), ImageFormat::Png);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    let error = read(&bytes).unwrap_err();
    assert!(
        matches!(
            error,
            PictureError::Broken {
                format: PictureFormat::Png,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn what_is_no_picture_is_named() {
    let zip = b"PK\x03\x04\x14\0\0\0\x08\0";
    let gguf = b"GGUF\x03\0\0\0\x10\0\0\0\0\0\0\0";
    let safetensors = b"\x40\x01\0\0\0\0\0\0{\"__metadata__\":{}}";
    for (bytes, wanted) in [
        (&b"<!DOCTYPE html><html><body>404</body></html>"[..], "HTML"),
        (b"\n <html lang=en>", "HTML"),
        (b"just some text\n", "plain text"),
        (b"BMW is a car maker", "plain text"),
        ("Caf\u{e9} cr\u{e8}me".as_bytes(), "plain text"),
        (b"{\"error\": \"not found\"}", "JSON"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"data:image/png;base64,iVBOR", "data URL"),
        (gguf, "GGUF"),
        (zip, "zip"),
        (safetensors, "safetensors"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0", "video"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "RIFF"),
        (b"SQLite format 3\0\x10", "SQLite"),
        (b"\x07\x01\x02\x03\x90\x91", "unknown kind"),
    ] {
        let error = read(bytes).unwrap_err();
        assert!(matches!(error, PictureError::NotAPicture { .. }), "{wanted}: {error:?}");
        assert!(error.to_string().contains(wanted), "{wanted}: {error}");
    }
    for (bytes, wanted) in [
        (&b"\0\0\0\x1cftypavif\0\0\0\0"[..], "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"8BPS\0\x01", "Photoshop"),
    ] {
        let error = read(bytes).unwrap_err();
        assert!(matches!(error, PictureError::Unsupported { .. }), "{wanted}: {error:?}");
        assert!(error.to_string().contains(wanted), "{error}");
        assert!(error.hint().contains("PNG"));
    }
    assert_eq!(read(b""), Err(PictureError::Empty));
}

#[test]
fn pixel_buffers_are_checked() {
    assert!(Picture::from_pixels(2, 2, vec![0; 12]).is_ok());
    for (width, height, bytes) in [(2, 2, 11), (0, 2, 0), (2, 0, 0), (u32::MAX, u32::MAX, 3)] {
        let error = PictureError::PixelBuffer { width, height, bytes };
        assert_eq!(Picture::from_pixels(width, height, vec![0; bytes]), Err(error));
    }
    let (wide, tall) = (
        Picture::from_pixels(4, 1, vec![9; 12]),
        Picture::from_pixels(1, 4, vec![9; 12]),
    );
    assert_ne!(
        wide.unwrap().hash(),
        tall.unwrap().hash(),
        "the shape is part of the hash"
    );
}
