use super::*;

fn blank(width: u32, height: u32) -> Picture {
    Picture::from_pixels(width, height, vec![200; (width * height * 3) as usize]).unwrap()
}

fn fitted(picture: &Picture, tokens: u32) -> Fitted {
    fit(picture, TokenBudget::new(tokens).unwrap()).unwrap()
}

#[test]
fn a_square_fills_a_square_budget_exactly() {
    for (side, tokens) in [(512, 1024), (64, 1024), (333, 256), (1500, 16)] {
        let found = fitted(&blank(side, side), tokens);
        let root = tokens.isqrt() * TOKEN_SIDE;
        assert_eq!((found.width, found.height, found.tokens), (root, root, tokens));
        assert_eq!(found.rgb.len(), (root * root * 3) as usize);
        assert!(!found.letterboxed);
    }
}

#[test]
fn every_shape_and_budget_stays_within_bounds() {
    let sizes = [
        (1, 1),
        (640, 512),
        (512, 768),
        (1920, 1080),
        (1000, 333),
        (37, 41),
        (5000, 7),
        (3, 900),
        (1600, 200),
    ];
    for (width, height) in sizes {
        let picture = blank(width, height);
        for tokens in [1, 2, 3, 5, 16, 64, 255, 400] {
            let found = fitted(&picture, tokens);
            let context = format!("{width}x{height} in {tokens}: {found:?}");
            assert!(found.width >= TOKEN_SIDE && found.height >= TOKEN_SIDE, "{context}");
            assert_eq!(
                (found.width % TOKEN_SIDE, found.height % TOKEN_SIDE),
                (0, 0),
                "{context}"
            );
            assert_eq!(
                found.tokens,
                (found.width / TOKEN_SIDE) * (found.height / TOKEN_SIDE),
                "{context}"
            );
            assert!((1..=tokens).contains(&found.tokens), "{context}");
            assert_eq!(found.rgb.len(), (found.width * found.height * 3) as usize, "{context}");
            if !found.letterboxed {
                let ratio = f64::from(found.width) / f64::from(found.height) / picture.aspect();
                assert!((1.0 / 1.12..=1.12).contains(&ratio), "{context}");
            }
        }
    }
}

#[test]
fn usual_shapes_are_hardly_stretched() {
    for (width, height) in [
        (1024, 1024),
        (832, 1216),
        (1216, 832),
        (1344, 768),
        (1920, 1080),
        (640, 512),
    ] {
        let picture = blank(width, height);
        let found = fitted(&picture, 1024);
        let ratio = f64::from(found.width) / f64::from(found.height) / picture.aspect();
        assert!(
            (0.98..=1.02).contains(&ratio) && found.tokens >= 960,
            "{width}x{height}: {found:?}"
        );
    }
}

#[test]
fn both_pictures_of_a_pair_get_the_same_grid() {
    let (small, large) = (fitted(&blank(320, 240), 256), fitted(&blank(1600, 1200), 256));
    assert_eq!((small.width, small.height), (large.width, large.height));
}

#[test]
fn extreme_shapes_stand_between_grey_bars() {
    // White, 20:1: the bars are grey, the middle is white, nothing is stretched.
    let picture = Picture::from_pixels(600, 30, vec![255; 600 * 30 * 3]).unwrap();
    let found = fitted(&picture, 128);
    assert!(found.letterboxed);
    assert_eq!(found.width / found.height, 8);
    let at = |y: u32| found.rgb[(y * found.width + found.width / 2) as usize * 3];
    assert_eq!((at(0), at(found.height / 2), at(found.height - 1)), (128, 255, 128));
    let white = (0..found.height).filter(|&y| at(y) > 250).count() as f64;
    assert!((white - f64::from(found.width) / 20.0).abs() <= 1.0, "{white} rows");
    let tall = fitted(&Picture::from_pixels(30, 600, vec![255; 600 * 30 * 3]).unwrap(), 128);
    assert!(tall.letterboxed && tall.height / tall.width == 8);
    let across = |x: u32| tall.rgb[(tall.height / 2 * tall.width + x) as usize * 3];
    assert_eq!(
        (across(0), across(tall.width / 2), across(tall.width - 1)),
        (128, 255, 128)
    );
    // One pixel high must not vanish.
    let line = fitted(&Picture::from_pixels(5000, 1, vec![255; 15_000]).unwrap(), 64);
    assert!(line.rgb.iter().any(|&v| v > 200));
}

#[test]
fn a_small_budget_letterboxes_rather_than_squashes() {
    let found = fitted(&blank(300, 200), 1);
    assert_eq!((found.tokens, found.letterboxed), (1, true));
}

#[test]
fn a_fitting_picture_is_untouched_and_equal_inputs_give_equal_bytes() {
    let exact = picture(sample(256, 256));
    assert_eq!(fitted(&exact, 64).rgb, exact.rgb());
    let other = picture(sample(333, 217));
    assert_eq!(fitted(&other, 200), fitted(&other, 200));
}

#[test]
fn content_keeps_its_place() {
    let found = fitted(&picture(sample(640, 480)), 192);
    let at = |x: u32, y: u32| -> [u8; 3] {
        let start = (y * found.width + x) as usize * 3;
        found.rgb[start..start + 3].try_into().unwrap()
    };
    assert_near(at(found.width / 2, found.height / 4), [220, 50, 30], 3);
    assert_near(at(found.width / 2, found.height * 3 / 4), [30, 50, 220], 3);
}

#[test]
fn budgets_are_checked() {
    assert_eq!(
        TokenBudget::new(0),
        Err(PictureError::Budget { tokens: 0, max: 16_384 })
    );
    assert!(TokenBudget::new(16_385).is_err());
    assert_eq!(TokenBudget::new(16_384).unwrap().get(), 16_384);
}

#[test]
fn shapes_further_apart_than_a_tenth_are_flagged() {
    let base = blank(1000, 1000);
    assert_eq!(shape_mismatch(&base, &blank(2000, 2000)), None);
    assert_eq!(shape_mismatch(&base, &blank(1090, 1000)), None);
    assert_eq!(shape_mismatch(&blank(1090, 1000), &base), None);
    let found = shape_mismatch(&base, &blank(1120, 1000)).unwrap();
    assert_eq!((found.reference_aspect, found.generated_aspect), (1.0, 1.12));
    assert!(shape_mismatch(&blank(1120, 1000), &base).is_some());
}
