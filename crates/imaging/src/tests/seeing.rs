use image::imageops;
use image::{ImageFormat, Rgb};

use super::*;

fn example(name: &str) -> Picture {
    let path = format!("{}/../../examples/pictures/{name}.png", env!("CARGO_MANIFEST_DIR"));
    read(&std::fs::read(path).unwrap()).unwrap()
}

fn image_of(picture: &Picture) -> RgbImage {
    RgbImage::from_raw(picture.width(), picture.height(), picture.rgb().to_vec()).unwrap()
}

fn between(first: &Picture, second: &Picture) -> Signals {
    Signals::between(first, second).unwrap()
}

#[test]
fn equal_pixels_give_exact_zeros_and_one() {
    let same = Signals {
        palette: 0.0,
        brightness: 0.0,
        sharpness: 0.0,
        hog: 0.0,
        ssim: 1.0,
        phash: 0,
    };
    let flat = picture(RgbImage::from_pixel(50, 40, Rgb([90, 120, 10])));
    for picture in [
        example("reference"),
        picture(sample(333, 100)),
        picture(sample(1, 1)),
        flat,
    ] {
        assert_eq!(between(&picture, &picture.clone()), same, "{picture:?}");
    }
}

#[test]
fn exchanging_the_pictures_changes_signs_only() {
    let (a, b) = (example("reference"), example("generated"));
    let (ab, ba) = (between(&a, &b), between(&b, &a));
    let mirrored = Signals {
        brightness: -ba.brightness,
        sharpness: -ba.sharpness,
        ..ba
    };
    assert_eq!(ab, mirrored);
}

#[test]
fn recompressing_moves_little_and_another_picture_much() {
    let reference = example("reference");
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90)
        .encode_image(&image_of(&reference))
        .unwrap();
    let near = between(&reference, &read(&jpeg).unwrap());
    assert!(
        near.palette < 1.5 && near.brightness.abs() < 0.5 && near.sharpness.abs() < 0.5,
        "{near:?}"
    );
    assert!(near.hog < 0.25 && near.ssim > 0.95 && near.phash <= 4, "{near:?}");
    let far = between(&reference, &example("generated"));
    assert!(
        far.palette > 4.0 && far.hog > 0.35 && far.ssim < 0.8 && far.phash > 8,
        "{far:?}"
    );
}

#[test]
fn brightness_is_signed_lightness() {
    let grey = |value| picture(RgbImage::from_pixel(32, 32, Rgb([value; 3])));
    assert_eq!(between(&grey(0), &grey(255)).brightness, 100.0);
    assert_eq!(between(&grey(255), &grey(0)).brightness, -100.0);
    // sRGB 119 is L* 50.03 (IEC 61966-2-1 and CIE 1976).
    assert!((between(&grey(0), &grey(119)).brightness - 50.03).abs() < 0.02);
}

#[test]
fn the_palette_is_measured_in_ciede2000_and_ignores_places() {
    let flat = |color| picture(RgbImage::from_pixel(32, 32, Rgb(color)));
    assert!((between(&flat([0; 3]), &flat([255; 3])).palette - 100.0).abs() < 0.01);
    let (red, blue) = (flat([255, 0, 0]), flat([0, 0, 255]));
    // Published value for sRGB red against blue: 52.88.
    assert!(
        (between(&red, &blue).palette - 52.88).abs() < 0.05,
        "{:?}",
        between(&red, &blue)
    );
    let image = image_of(&example("reference"));
    let mirrored = picture(imageops::flip_horizontal(&image));
    let found = between(&picture(image), &mirrored);
    assert!(found.palette < 0.2, "{found:?}");
    assert!(found.hog > 0.3 && found.phash > 8, "the layout did change: {found:?}");
}

#[test]
fn palettes_match_by_area() {
    let split = |red_rows: u32| {
        picture(RgbImage::from_fn(64, 64, |_, y| {
            Rgb(if y < red_rows { [255, 0, 0] } else { [0, 0, 255] })
        }))
    };
    // A quarter of the area changes its colour: a quarter of the distance.
    let found = between(&split(32), &split(48)).palette;
    assert!((found - 52.88 / 4.0).abs() < 0.05, "{found}");
}

#[test]
fn blur_lowers_sharpness_monotonically() {
    let reference = example("reference");
    let image = image_of(&reference);
    let blurred = |sigma| between(&reference, &picture(imageops::blur(&image, sigma))).sharpness;
    let values = [blurred(0.6), blurred(1.2), blurred(2.5)];
    assert!(
        values[0] < -0.1 && values[1] < values[0] && values[2] < values[1],
        "{values:?}"
    );
}

#[test]
fn a_larger_copy_is_not_sharper() {
    let reference = example("reference");
    let image = image_of(&reference);
    let large = imageops::resize(&image, 1280, 1024, imageops::FilterType::CatmullRom);
    let found = between(&reference, &picture(large));
    assert!(
        found.sharpness.abs() < 1.0 && found.ssim > 0.97 && found.phash <= 2,
        "{found:?}"
    );
}

#[test]
fn moving_the_subject_shows_in_layout_only() {
    let scene = |left: u32| {
        picture(RgbImage::from_fn(256, 256, |x, y| {
            let inside = (left..left + 60).contains(&x) && (90..200).contains(&y);
            Rgb(if inside { [200, 40, 40] } else { [60, 90, 140] })
        }))
    };
    let (near, far) = (between(&scene(60), &scene(66)), between(&scene(60), &scene(150)));
    assert!(far.palette < 0.5 && far.brightness.abs() < 0.5, "{far:?}");
    assert!(
        far.hog > near.hog && far.ssim < near.ssim && far.phash > near.phash,
        "{near:?} {far:?}"
    );
}

#[test]
fn signals_have_a_schema_and_plain_numbers() {
    let found = between(&example("reference"), &example("generated"));
    let json = serde_json::to_value(found).unwrap();
    assert_eq!(json.as_object().unwrap().len(), 6);
    assert!(json.to_string().len() < 130, "{json}");
    assert_eq!(serde_json::from_value::<Signals>(json).unwrap(), found);
    let schema = serde_json::to_value(schemars::schema_for!(Signals)).unwrap();
    assert!(schema["properties"]["ssim"]["description"].is_string());
}

#[test]
fn previews_shrink_and_never_enlarge() {
    let size = |width, height, side| {
        let found = read(&preview(&picture(sample(width, height)), side).unwrap()).unwrap();
        assert_eq!(found.format(), Some(PictureFormat::Jpeg));
        (found.width(), found.height())
    };
    assert_eq!(size(1600, 900, PREVIEW_SIDE), (768, 432));
    assert_eq!(size(300, 900, PREVIEW_SIDE), (256, 768));
    assert_eq!(size(100, 50, PREVIEW_SIDE), (100, 50));
    assert_eq!(size(2000, 1, 100), (100, 1));
}

#[test]
fn a_sheet_shows_pictures_in_order_with_labels() {
    let colors = [[200, 30, 30], [30, 200, 30], [30, 30, 200]];
    let pictures = colors.map(|color| picture(RgbImage::from_pixel(800, 600, Rgb(color))));
    let labels = ["reference", "#1 0.42", "#2 0.71"];
    let cells: Vec<_> = pictures
        .iter()
        .zip(labels)
        .map(|(picture, label)| SheetCell {
            picture,
            label,
            marked: label.starts_with("#2"),
        })
        .collect();
    let found = read(&sheet(&cells).unwrap()).unwrap();
    assert!(found.width() <= 1536 && found.width() > 1400, "{found:?}");
    for (i, color) in colors.into_iter().enumerate() {
        let x = found.width() * (2 * i as u32 + 1) / 6;
        assert_near(pixel(&found, x, found.height() / 2), color, 12);
    }
    let bright = |from: u32, to: u32| {
        (0..33)
            .flat_map(|y| (from..to).map(move |x| (x, y)))
            .filter(|&(x, y)| pixel(&found, x, y)[1] > 150)
            .count()
    };
    // Nine letters leave more ink than seven; an empty strip would leave none.
    let third = found.width() / 3;
    assert!(bright(0, third) > 300 && bright(third, 2 * third) > 200);
    assert_ne!(sheet(&cells).unwrap(), sheet(&cells[..2]).unwrap());
    assert_eq!(sheet(&cells).unwrap(), sheet(&cells).unwrap(), "deterministic");
}

#[test]
fn sheets_of_every_size_and_shape_hold() {
    let (wide, tall) = (picture(sample(900, 100)), picture(sample(100, 900)));
    for count in [1, 2, 3, 4, 5, 8, 9, 13, MAX_CELLS] {
        let cells: Vec<_> = (0..count)
            .map(|i| SheetCell {
                picture: if i % 2 == 0 { &wide } else { &tall },
                label: "a label that is much too long for the cell it stands above, by far, ünïcode",
                marked: i == 0,
            })
            .collect();
        let found = image::load_from_memory_with_format(&sheet(&cells).unwrap(), ImageFormat::Jpeg).unwrap();
        assert!(found.width() <= 1536, "{count}");
    }
    for count in [0, MAX_CELLS + 1] {
        let cells = vec![
            SheetCell {
                picture: &wide,
                label: "",
                marked: false
            };
            count
        ];
        assert_eq!(
            sheet(&cells),
            Err(PictureError::SheetSize {
                cells: count,
                max: MAX_CELLS
            })
        );
    }
}
