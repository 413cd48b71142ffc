//! Files that are made to take more than they look like.

use std::io::Write;

use ::png::{BitDepth, ColorType as PngColor, Encoder};
use image::ExtendedColorType;
use image::codecs::webp::WebPEncoder;

use super::*;
use crate::png;

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length[..], &body, &crc32(&body).to_be_bytes()].concat()
}

/// A PNG with a chunk behind its header.
fn with_chunk(png: &[u8], chunk: &[u8]) -> Vec<u8> {
    [&png[..33], chunk, &png[33..]].concat()
}

/// A PNG of one colour, written row by row.
fn plain(width: u32, height: u32, color: PngColor, depth: BitDepth, sample: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.set_compression(::png::Compression::Fast);
    let mut writer = encoder.write_header().unwrap();
    let mut rows = writer.stream_writer().unwrap();
    let row = vec![sample; width as usize * color.samples() * if depth == BitDepth::Sixteen { 2 } else { 1 }];
    for _ in 0..height {
        rows.write_all(&row).unwrap();
    }
    rows.finish().unwrap();
    drop(writer);
    bytes
}

/// A zlib stream that unpacks to this many MiB of zeros: that of a black picture.
fn zeros(mib: u32) -> Vec<u8> {
    let png = plain((1 << 16) - 1, mib << 4, PngColor::Grayscale, BitDepth::Eight, 0);
    let mut rest = &png[8..];
    let mut stream = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        if &rest[4..8] == b"IDAT" {
            stream.extend_from_slice(&rest[8..8 + length]);
        }
        rest = &rest[12 + length..];
    }
    assert!(stream.len() < 4 << 20, "{} bytes", stream.len());
    stream
}

#[test]
fn nothing_beside_the_pixels_of_a_png_is_unpacked() {
    let image = sample(40, 30);
    let good = encoded(image.clone(), ImageFormat::Png);
    let zeros = zeros(64);
    let named = |head: &[u8]| [head, &zeros].concat();
    for (what, bomb) in [
        ("iCCP", chunk(b"iCCP", &named(b"icc\0\0"))),
        ("zTXt", chunk(b"zTXt", &named(b"Comment\0\0"))),
        ("iTXt", chunk(b"iTXt", &named(b"Comment\0\x01\0\0\0"))),
        // What the picture's own metadata may be called, which is looked for by name.
        ("XMP", chunk(b"iTXt", &named(b"XML:com.adobe.xmp\0\x01\0\0\0"))),
        ("IPTC", chunk(b"zTXt", &named(b"Raw profile type iptc\0\0"))),
        (
            "tEXt",
            chunk(b"tEXt", &[&b"Comment\0"[..], &vec![b'x'; 8 << 20]].concat()),
        ),
        ("unknown", chunk(b"prVt", &vec![0; 8 << 20])),
        // Damaged ones, too, are none of the pixels' business.
        ("no stream", chunk(b"iCCP", b"icc\0\0no stream at all")),
    ] {
        let found = read(&with_chunk(&good, &bomb)).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(found.rgb() == image.as_raw(), "{what}");
        assert_eq!(found.flags(), [], "{what}");
    }
    // Exif is read, since it may turn the picture; so much of it is none.
    let exif = chunk(b"eXIf", &vec![0; 8 << 20]);
    let error = read(&with_chunk(&good, &exif)).unwrap_err();
    assert!(matches!(error, PictureError::Broken { .. }), "{error}");
    assert!(error.hint().contains("export"), "{}", error.hint());
}

#[test]
fn metadata_of_a_jpeg_is_passed_over() {
    let good = encoded(sample(40, 32), ImageFormat::Jpeg);
    let segment = |marker: u8, data: &[u8]| {
        let length = u16::try_from(data.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker][..], &length, data].concat()
    };
    let full = |name: &[u8]| [name, &vec![7; 65_000]].concat();
    let profile: Vec<u8> = (1..=200)
        .flat_map(|part| segment(0xe2, &full(&[&b"ICC_PROFILE\0"[..], &[part, 200]].concat())))
        .collect();
    // One part of four gigabytes, as its head says.
    let xmp = [
        &b"http://ns.adobe.com/xmp/extension/\0"[..],
        &[b'A'; 32],
        &[0xff; 4],
        &[0; 4],
        &[1; 9],
    ]
    .concat();
    let comments: Vec<u8> = (0..100).flat_map(|_| segment(0xfe, &full(b""))).collect();
    let plain = read(&good).unwrap();
    for (what, bomb) in [
        ("a profile", profile),
        ("extended XMP", segment(0xe1, &xmp)),
        ("comments", comments),
        ("many small ones", segment(0xed, b"").repeat(200_000)),
    ] {
        let found = read(&[&good[..2], &bomb, &good[2..]].concat()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(found.rgb() == plain.rgb(), "{what}");
    }
}

#[test]
fn metadata_of_a_webp_is_passed_over_and_its_lengths_are_not_believed() {
    let image = sample(40, 30);
    let mut bytes = Vec::new();
    let mut encoder = WebPEncoder::new_lossless(&mut bytes);
    image::ImageEncoder::set_icc_profile(&mut encoder, vec![0; 8 << 20]).unwrap();
    encoder.encode(image.as_raw(), 40, 30, ExtendedColorType::Rgb8).unwrap();
    assert!(bytes.windows(4).any(|four| four == b"ICCP"));
    assert!(read(&bytes).unwrap().rgb() == image.as_raw());
    // An Exif chunk that says it has four gigabytes, with and without them counted in the file's own length.
    for counted in [false, true] {
        let mut bytes = bytes.clone();
        bytes.extend_from_slice(b"EXIF\xf0\xff\xff\xff");
        let length = if counted {
            u32::MAX - 8
        } else {
            u32::try_from(bytes.len() - 8).unwrap()
        };
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        let error = read(&bytes).unwrap_err();
        assert!(matches!(error, PictureError::Truncated { .. }), "{error}");
    }
}

#[test]
fn a_bitmap_larger_than_its_canvas_counts_as_large_as_it_is() {
    // A lossy bitmap of 16383x16383 pixels within a canvas of 16x16.
    let bitmap = [&[0x30, 1, 0, 0x9d, 0x01, 0x2a][..], &[0xff, 0x3f, 0xff, 0x3f], &[0; 64]].concat();
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let canvas = [0, 0, 0, 0, 15, 0, 0, 15, 0, 0];
    let chunks = [
        &b"WEBPVP8X"[..],
        &size(&canvas),
        &canvas,
        b"VP8 ",
        &size(&bitmap),
        &bitmap,
    ]
    .concat();
    let file = [&b"RIFF"[..], &size(&chunks), &chunks].concat();
    let error = read(&file).unwrap_err();
    assert!(matches!(error, PictureError::TooMuchMemory { .. }), "{error}");
}

#[test]
fn an_animated_webp_takes_memory_for_its_canvas_and_a_frame() {
    // Small frames on a canvas with sides of this many pixels.
    let animated = |side: u32| {
        let file = include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/fixtures/pictures/animated.webp"
        ));
        let mut bytes = file.to_vec();
        for at in [24, 27] {
            bytes[at..at + 3].copy_from_slice(&(side - 1).to_le_bytes()[..3]);
        }
        bytes
    };
    let found = read(&animated(3000)).unwrap();
    assert_eq!(
        (found.width(), found.height(), found.flags()),
        (3000, 3000, &[PictureFlag::Animated][..])
    );
    let pixels = 4000 * 4000;
    match read(&animated(4000)).unwrap_err() {
        // Canvas and frame, the pixels that the decoder hands out, those that are kept.
        PictureError::TooMuchMemory { needs, .. } => assert_eq!(needs, pixels * (14 + 3 + 3)),
        other => panic!("{other}"),
    }
    // One of that size that does not move is read.
    let still = encoded(RgbImage::from_pixel(4000, 4000, image::Rgb([9; 3])), ImageFormat::WebP);
    assert_eq!(read(&still).unwrap().width(), 4000);
}

#[test]
fn a_large_png_is_made_smaller_while_it_is_read() {
    for (color, depth, sample, wanted, flags) in [
        (PngColor::Rgb, BitDepth::Eight, 9, 9, &[PictureFlag::ReducedSize][..]),
        (
            PngColor::Rgba,
            BitDepth::Sixteen,
            255,
            255,
            &[PictureFlag::ReducedDepth, PictureFlag::ReducedSize][..],
        ),
    ] {
        let bytes = plain(8192, 8192, color, depth, sample);
        let found = read(&bytes).unwrap();
        assert_eq!((found.width(), found.height()), (4096, 4096), "{color:?}");
        assert_eq!(found.reduced_from(), Some((8192, 8192)));
        assert_eq!(found.flags(), flags);
        assert!(found.rgb().iter().all(|byte| *byte == wanted), "{color:?}");
    }
    let kept = read(&plain(4096, 4096, PngColor::Grayscale, BitDepth::Eight, 1)).unwrap();
    assert_eq!((kept.width(), kept.reduced_from(), kept.flags()), (4096, None, &[][..]));
}

#[test]
fn what_takes_too_much_memory_is_refused_and_says_so() {
    // 66 bytes that were 800 MB once.
    let side = 8192_u16.to_le_bytes();
    let gif = [
        &b"GIF89a"[..],
        &side,
        &side,
        &[0x80, 0, 0, 0, 0, 0, 255, 255, 255],
        &[0x2c, 0, 0, 0, 0],
        &side,
        &side,
        &[0, 2, 2, 0x44, 0x01, 0, 0x3b],
    ]
    .concat();
    let error = read(&gif).unwrap_err();
    assert!(matches!(error, PictureError::TooMuchMemory { .. }), "{error}");
    let said = error.to_string();
    assert!(
        said.contains("GIF file of 8192x8192 pixels") && said.contains("the limit is 240 MiB"),
        "{said}"
    );
    assert!(error.hint().contains("2048 px"), "{}", error.hint());

    // A frame that is larger than the picture it belongs to.
    let mut frame = gif.clone();
    frame[6..10].copy_from_slice(&[8, 0, 8, 0]);
    assert!(read(&frame).is_err());

    let mut long = plain(70_000, 1, PngColor::Grayscale, BitDepth::Eight, 0);
    let error = read(&long).unwrap_err();
    assert_eq!(
        error,
        PictureError::TooLong {
            width: 70_000,
            height: 1,
            limit: 65_535
        }
    );
    // The interlaced kind has no rows that stand alone; a byte in the header says that it is one.
    long = plain(8192, 8192, PngColor::Rgba, BitDepth::Sixteen, 0);
    long[28] = 1;
    let crc = crc32(&long[12..29]);
    long[29..33].copy_from_slice(&crc.to_be_bytes());
    let error = read(&long).unwrap_err();
    assert!(matches!(error, PictureError::TooMuchMemory { .. }), "{error}");
}

#[test]
fn a_picture_above_the_limits_is_written_anew_within_them() {
    let large = plain(12_000, 9_000, PngColor::Grayscale, BitDepth::Eight, 77);
    assert!(matches!(read(&large), Err(PictureError::TooManyPixels { .. })));
    let small = reduced(Cursor::new(&large)).unwrap();
    assert_eq!(png::noted(&small), Some((12_000, 9_000)));
    let found = read(&small).unwrap();
    assert_eq!((found.width(), found.height()), (4000, 3000));
    assert_eq!(found.reduced_from(), Some((12_000, 9_000)));
    assert_eq!(found.flags(), [PictureFlag::ReducedSize]);
    assert!(found.rgb().iter().all(|byte| *byte == 77));
    // Even there is an end.
    let endless = plain(65_000, 1, PngColor::Grayscale, BitDepth::Eight, 0);
    let mut endless = endless;
    endless[20..24].copy_from_slice(&65_000_u32.to_be_bytes());
    let crc = crc32(&endless[12..29]);
    endless[29..33].copy_from_slice(&crc.to_be_bytes());
    assert!(matches!(
        reduced(Cursor::new(&endless)),
        Err(PictureError::TooManyPixels { .. })
    ));
}

#[test]
fn many_large_pictures_at_once_wait_for_one_another() {
    let bytes = plain(8192, 8192, PngColor::Rgb, BitDepth::Eight, 3);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| read(&bytes).map(|picture| picture.shrunk(64).unwrap().width())))
            .collect();
        for one in all {
            assert_eq!(one.join().unwrap(), Ok(64));
        }
    });
}
