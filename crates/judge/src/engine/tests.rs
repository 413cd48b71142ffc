//! What the judge makes of an engine's capabilities.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt;
use imaging::Picture;

use super::*;
use crate::cache::ProcessMemory;
use crate::rubric::Rubric;
use crate::{Call, Judge, JudgeError};

/// An engine on another machine that is never to be asked; counts how often it is.
struct Unasked {
    able: Capabilities,
    asked: AtomicU32,
}

impl Unasked {
    fn refuse<T: Send>(&self) -> BoxFuture<'_, Result<T, EngineError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        async { Err(EngineError::wrong_kind()) }.boxed()
    }
}

impl Engine for Unasked {
    fn capabilities(&self) -> Capabilities {
        self.able
    }

    fn image_tokens(&self) -> u32 {
        64
    }

    fn load<'a>(&'a self, _: &'a Teller, _: &'a CancellationToken) -> BoxFuture<'a, Result<EngineInfo, EngineError>> {
        self.refuse()
    }

    fn identity<'a>(&'a self, _: &'a CancellationToken) -> BoxFuture<'a, Result<EngineIdentity, EngineError>> {
        self.refuse()
    }

    fn ask<'a>(
        &'a self,
        _: Ask,
        _: Vec<KeyedPixels>,
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Answers, EngineError>> {
        self.refuse()
    }

    fn residency(&self) -> Option<&dyn GpuResident> {
        None
    }
}

fn judge(probabilities: Probabilities, images: u32) -> (Judge, Arc<Unasked>) {
    let engine = Arc::new(Unasked {
        able: Capabilities {
            probabilities,
            images,
            constrained_text: false,
        },
        asked: AtomicU32::new(0),
    });
    (
        Judge::new(engine.clone(), None, Arc::<ProcessMemory>::default()),
        engine,
    )
}

/// A call; it borrows, so a function cannot make it.
macro_rules! call {
    ($rubric:expr, $teller:expr, $cancel:expr) => {
        Call {
            rubric: $rubric,
            guarded: false,
            teller: $teller,
            cancel: $cancel,
        }
    };
}

#[tokio::test]
async fn an_engine_that_says_too_little_is_refused_before_it_is_asked() {
    let rubric = Rubric::builtin("scenes").unwrap();
    let (teller, cancel) = (Teller::silent(), CancellationToken::new());
    for (probabilities, images) in [(Probabilities::Likeliest(9), 3), (Probabilities::All, 1)] {
        let (judge, engine) = judge(probabilities, images);
        let error = judge.self_check(call!(&rubric, &teller, &cancel)).await.unwrap_err();
        assert!(matches!(error, JudgeError::Incapable(_)), "{error}");
        assert!(error.hint().contains("another engine"), "{}", error.hint());
        assert_eq!(engine.asked.load(Ordering::SeqCst), 0);
    }
    let (judge, engine) = judge(Probabilities::Likeliest(10), 2);
    let error = judge.self_check(call!(&rubric, &teller, &cancel)).await.unwrap_err();
    assert!(matches!(error, JudgeError::Engine(EngineError::Protocol(_))), "{error}");
    assert_eq!(engine.asked.load(Ordering::SeqCst), 1, "it is asked who it is");
}

#[tokio::test]
async fn an_engine_for_two_pictures_says_nothing_of_which_is_closer() {
    let rubric = Rubric::builtin("scenes").unwrap();
    let (teller, cancel) = (Teller::silent(), CancellationToken::new());
    let picture = Picture::from_pixels(32, 32, vec![90; 32 * 32 * 3]).unwrap();
    let (judge, engine) = judge(Probabilities::All, 2);
    let call = call!(&rubric, &teller, &cancel);
    assert_eq!(judge.closer(&picture, &picture, &picture, call).await.unwrap(), []);
    assert_eq!(engine.asked.load(Ordering::SeqCst), 0);
    judge.unload().await;
}
