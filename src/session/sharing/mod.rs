//! Sharing one GPU with ComfyUI: nobody takes memory while the other is at work, and who gives it back is asked first.
//!
//! A render and a judgement each hold a [`Lease`]. Where both do not fit, leases exclude each other; before the judge loads,
//! ComfyUI is asked for memory and the memory awaited, and before a render the judge is unloaded. Where both fit,
//! leases go side by side and nothing is unloaded.

mod policy;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{CancelledDuring, ServiceError};
use comfyui::calls::Device;
use comfyui::client::Client;
use comfyui::error::ComfyError;
use judge::{Judge, JudgeError};
pub use policy::{HandOver, Policy, Side};
use policy::{Known, free_for_judge};
use types::progress::{Progress, Teller};

/// Pause between two looks at ComfyUI's memory or queue.
const PAUSE: Duration = Duration::from_millis(100);
/// Pause between two looks at ComfyUI's queue.
const LOOK: Duration = Duration::from_millis(500);
/// After so long without any more free memory, ComfyUI has none to give.
const STALLED: Duration = Duration::from_secs(3);
/// After so long without more free memory than came already, that was all.
const SETTLED: Duration = Duration::from_millis(500);
/// Looks at the queue in a row that may go unanswered.
const PATIENCE: u32 = 5;
/// Less than this is not counted as more.
const STEP: u64 = 64 << 20;

/// One who needs memory for a model and can give it back: the judge.
pub(super) trait Tenant {
    /// Whether it can lie on a GPU at all.
    fn may_use_gpu(&self) -> bool;
    /// Whether it holds its memory now.
    fn is_loaded(&self) -> bool;
    /// How many bytes it needs.
    fn memory_needed(&self) -> Result<u64, ServiceError>;
    /// Free bytes of each GPU, as the driver says.
    async fn gpus(&self, cancel: &CancellationToken) -> Result<Vec<u64>, ServiceError>;
    /// Takes its memory.
    async fn load(&self, teller: &Teller, cancel: &CancellationToken) -> Result<(), ServiceError>;
    /// Gives it back.
    async fn unload(&self);
}

/// An engine on another machine takes nothing here, and is always ready.
impl Tenant for Judge {
    fn may_use_gpu(&self) -> bool {
        self.engine().residency().is_some_and(|here| here.may_use_gpu())
    }

    fn is_loaded(&self) -> bool {
        self.engine().residency().is_some_and(|here| here.is_loaded())
    }

    fn memory_needed(&self) -> Result<u64, ServiceError> {
        let here = self.engine().residency();
        Ok(here
            .map_or(Ok(0), |here| here.memory_needed())
            .map_err(JudgeError::from)?)
    }

    async fn gpus(&self, cancel: &CancellationToken) -> Result<Vec<u64>, ServiceError> {
        match self.engine().residency() {
            Some(here) => {
                let gpus = here.gpus(cancel).await.map_err(JudgeError::from)?;
                Ok(gpus.into_iter().map(|gpu| gpu.free).collect())
            }
            None => Ok(Vec::new()),
        }
    }

    async fn load(&self, teller: &Teller, cancel: &CancellationToken) -> Result<(), ServiceError> {
        Self::load(self, teller, cancel).await?;
        Ok(())
    }

    async fn unload(&self) {
        Self::unload(self).await;
    }
}

/// The right to use the GPU until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    /// What it took to get it, where memory changed hands.
    pub hand_over: Option<HandOver>,
    _turn: Option<Turn>,
}

#[derive(Debug)]
enum Turn {
    Alone { _guard: OwnedRwLockWriteGuard<()> },
    Together { _guard: OwnedRwLockReadGuard<()> },
}

impl Lease {
    fn free() -> Self {
        Self {
            hand_over: None,
            _turn: None,
        }
    }
}

/// The scheduler: one for a judge and a ComfyUI server.
#[derive(Debug)]
pub(super) struct Sharing {
    policy: Policy,
    comfy: Client,
    turn: Arc<RwLock<()>>,
    known: Mutex<Known>,
    /// It turned out that one of the two uses no GPU.
    nothing_to_share: AtomicBool,
}

impl Sharing {
    pub(super) fn new(policy: Policy, comfy: Client) -> Self {
        Self {
            policy,
            comfy,
            turn: Arc::default(),
            known: Mutex::default(),
            nothing_to_share: AtomicBool::new(false),
        }
    }

    /// Whether there is anything to share. On its own the scheduler takes a ComfyUI at another address for another machine.
    fn concerns(&self, judge: &impl Tenant) -> bool {
        match self.policy {
            Policy::Exclusive => true,
            Policy::Shared => false,
            Policy::Auto => {
                self.comfy.is_local() && judge.may_use_gpu() && !self.nothing_to_share.load(Ordering::Relaxed)
            }
        }
    }

    /// In words: who gets the memory, and why.
    pub(super) async fn in_words(&self, judge: &Judge, cancel: &CancellationToken) -> Result<String, ServiceError> {
        Ok(match self.policy {
            Policy::Shared => "shared: neither makes way for the other".to_owned(),
            Policy::Exclusive => "exclusive: the judge and ComfyUI take turns".to_owned(),
            Policy::Auto if !Tenant::may_use_gpu(judge) => {
                "the judge runs on the processor, so there is no GPU to share".to_owned()
            }
            Policy::Auto if !self.comfy.is_local() => {
                "ComfyUI is at another address, which is taken for another machine; if it is this one, set --gpu-sharing exclusive".to_owned()
            }
            Policy::Auto => {
                let gpus = match judge.engine().residency() {
                    Some(here) => here.gpus(cancel).await.map_err(JudgeError::from)?,
                    None => Vec::new(),
                };
                let needed = judge.memory_needed()? as f64 / 1e9;
                let found: Vec<String> = gpus
                    .iter()
                    .map(|gpu| format!("{} with {:.1} of {:.1} GB free", gpu.description, gpu.free as f64 / 1e9, gpu.total as f64 / 1e9))
                    .collect();
                match found.as_slice() {
                    [] => "no GPU was found for the judge, so there is none to share".to_owned(),
                    found => format!(
                        "auto: {}; the judge needs about {needed:.1} GB, and takes turns with ComfyUI where both do not fit",
                        found.join(", ")
                    ),
                }
            }
        })
    }

    fn known<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn both_fit(&self, judge: &impl Tenant) -> bool {
        self.policy == Policy::Auto
            && judge
                .memory_needed()
                .is_ok_and(|needed| self.known(|known| known.both_fit(needed)))
    }

    /// Before a render. The judge is unloaded where both do not fit, or where that is not known yet.
    ///
    /// # Errors
    /// [`ServiceError::Cancelled`].
    pub(super) async fn for_rendering(
        &self,
        judge: &impl Tenant,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Lease, ServiceError> {
        if !self.concerns(judge) {
            return Ok(Lease::free());
        }
        let turn = self.take(judge, teller, cancel).await?;
        let mut hand_over = None;
        if matches!(turn, Turn::Alone { .. }) {
            let started = Instant::now();
            let loaded = judge.is_loaded();
            // Also a process without a model: asking its driver took memory.
            judge.unload().await;
            hand_over = loaded.then(|| HandOver {
                to: Side::Comfyui,
                seconds: started.elapsed().as_secs_f64(),
                freed: 0,
            });
        }
        Ok(Lease {
            hand_over,
            _turn: Some(turn),
        })
    }

    /// After a picture was rendered, while its lease is held: how much memory ComfyUI holds tells whether both fit.
    pub(super) async fn rendered(&self, judge: &impl Tenant) {
        if self.policy != Policy::Auto || !self.concerns(judge) {
            return;
        }
        let Ok(Some(device)) = self.device().await else { return };
        if device.kind == "cpu" {
            self.nothing_to_share.store(true, Ordering::Relaxed);
            return;
        }
        let own = if judge.is_loaded() {
            judge.memory_needed().unwrap_or(0)
        } else {
            0
        };
        self.known(|known| known.rendered(device.vram_total, device.free_for_others(), own));
    }

    /// One of the two found too little memory beside the other: from now on they take turns. Whether that can help.
    pub(super) fn ran_out(&self, judge: &impl Tenant) -> bool {
        if self.policy != Policy::Auto || !self.concerns(judge) || !judge.is_loaded() {
            return false;
        }
        self.known(Known::ran_out);
        true
    }

    /// A judgement ran out of memory, while its lease is held: the judge gives up what it has, and ComfyUI is asked for all
    /// it gives. Whether there was anybody to ask.
    ///
    /// # Errors
    /// [`ServiceError::Cancelled`], or why ComfyUI could not be asked.
    pub(super) async fn make_way(
        &self,
        judge: &impl Tenant,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<bool, ServiceError> {
        if !self.concerns(judge) {
            return Ok(false);
        }
        self.known(Known::ran_out);
        judge.unload().await;
        let found = tokio::select! {
            found = self.until_idle(teller) => found?,
            () = cancel.cancelled() => return Err(cancelled()),
        };
        if found {
            self.ask_for_memory(None, teller, cancel).await?;
        }
        Ok(found)
    }

    /// Before a judgement. Where the judge is not loaded and its memory is not free, ComfyUI is asked for it; then the judge is
    /// loaded, so that what the hand-over cost is known.
    ///
    /// # Errors
    /// [`ServiceError::Cancelled`], or why the judge could not be loaded; it then holds no memory.
    pub(super) async fn for_judging(
        &self,
        judge: &impl Tenant,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Lease, ServiceError> {
        if !self.concerns(judge) {
            return Ok(Lease::free());
        }
        let turn = self.take(judge, teller, cancel).await?;
        let hand_over = match judge.is_loaded() {
            true => None,
            false => {
                let got = self.load(judge, teller, cancel).await;
                if got.is_err() {
                    judge.unload().await;
                }
                got?
            }
        };
        Ok(Lease {
            hand_over,
            _turn: Some(turn),
        })
    }

    /// Makes room where there is too little, and loads the judge.
    async fn load(
        &self,
        judge: &impl Tenant,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Option<HandOver>, ServiceError> {
        let found = tokio::select! {
            found = self.until_idle(teller) => found?,
            () = cancel.cancelled() => return Err(cancelled()),
        };
        // Waiting for other people's runs is no cost of the hand-over.
        let started = Instant::now();
        let mut freed = None;
        if found && !self.has_room(judge, cancel).await? {
            // Told never to be in memory together: then what is free does not matter.
            let enough = match self.policy {
                Policy::Auto => Some(judge.memory_needed()?),
                Policy::Exclusive | Policy::Shared => None,
            };
            freed = Some(self.ask_for_memory(enough, teller, cancel).await?);
        }
        match judge.load(teller, cancel).await {
            // The estimate was wrong, or somebody else took the memory meanwhile.
            Err(error) if found && freed.is_none() && error.is_out_of_memory() => {
                judge.unload().await;
                self.known(Known::ran_out);
                freed = Some(self.ask_for_memory(None, teller, cancel).await?);
                judge.load(teller, cancel).await?;
            }
            loaded => loaded?,
        }
        Ok(freed.map(|freed| HandOver {
            to: Side::Judge,
            seconds: started.elapsed().as_secs_f64(),
            freed,
        }))
    }

    /// Whether the judge has room without asking ComfyUI.
    async fn has_room(&self, judge: &impl Tenant, cancel: &CancellationToken) -> Result<bool, ServiceError> {
        if self.policy != Policy::Auto {
            return Ok(false);
        }
        let device = match self.device().await? {
            Some(device) if device.kind != "cpu" => device,
            _ => {
                self.nothing_to_share.store(true, Ordering::Relaxed);
                return Ok(true);
            }
        };
        let gpus = judge.gpus(cancel).await?;
        if gpus.is_empty() {
            self.nothing_to_share.store(true, Ordering::Relaxed);
            return Ok(true);
        }
        // What it needs depends on how much the GPUs that were just looked at can hold.
        Ok(free_for_judge(&gpus, device.free_for_others()) >= judge.memory_needed()?)
    }

    /// Asks ComfyUI for memory and waits until `enough` bytes are free, or without a number until what it gives has come. How
    /// many bytes came.
    ///
    /// First for its models, which go to main memory and come back quickly; for what it cached only if that is not enough.
    async fn ask_for_memory(
        &self,
        enough: Option<u64>,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<u64, ServiceError> {
        let asked = async {
            teller.tell(Progress::words("waiting for ComfyUI to give memory back"));
            let free =
                async || Ok::<u64, ComfyError>(self.device().await?.map_or(0, |device| device.free_for_others()));
            let before = free().await?;
            let mut best = before;
            for everything in [false, true] {
                self.comfy.free(true, everything).await?;
                let (mut since, mut grown) = (Instant::now(), false);
                // The request only sets a flag, so that nothing may have happened yet at the first looks.
                while since.elapsed() < if grown { SETTLED } else { STALLED } {
                    sleep(PAUSE).await;
                    let now = free().await?;
                    if now > best + STEP {
                        (since, grown) = (Instant::now(), true);
                    }
                    best = best.max(now);
                    if enough.is_some_and(|enough| now >= enough) {
                        return Ok(now.saturating_sub(before));
                    }
                }
                if enough.is_none() && grown {
                    break;
                }
            }
            if let Some(enough) = enough {
                tracing::warn!(
                    needed = enough,
                    free = best,
                    "ComfyUI gave back what it gives, and the judge may not fit"
                );
            }
            Ok::<u64, ComfyError>(best - before)
        };
        tokio::select! {
            asked = asked => Ok(asked?),
            () = cancel.cancelled() => Err(cancelled()),
        }
    }

    /// Until ComfyUI's queue is empty: runs of other people are not disturbed. False when there is no ComfyUI.
    async fn until_idle(&self, teller: &Teller) -> Result<bool, ComfyError> {
        let mut unanswered = 0;
        loop {
            match self.comfy.queue().await {
                Ok(queue) => {
                    unanswered = 0;
                    let runs = queue.running.len() + queue.pending.len();
                    if runs == 0 {
                        return Ok(true);
                    }
                    teller.tell(Progress::words(format!(
                        "waiting for the GPU: {runs} run(s) in ComfyUI's queue"
                    )));
                }
                Err(ComfyError::Unreachable { .. }) => return Ok(false),
                // A server that renders may be slow to answer.
                Err(error) if error.is_passing() && unanswered < PATIENCE => unanswered += 1,
                Err(error) if error.is_passing() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "ComfyUI cannot be asked for memory");
                    return Ok(false);
                }
            }
            sleep(LOOK).await;
        }
    }

    /// The device that renders.
    async fn device(&self) -> Result<Option<Device>, ComfyError> {
        Ok(self.comfy.system_stats().await?.devices.into_iter().next())
    }

    /// Waits for the GPU: beside the other one where both fit, else alone.
    async fn take(
        &self,
        judge: &impl Tenant,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Turn, ServiceError> {
        loop {
            let together = self.both_fit(judge);
            let lock = Arc::clone(&self.turn);
            let busy = if together {
                lock.try_read().is_err()
            } else {
                lock.try_write().is_err()
            };
            if busy {
                teller.tell(Progress::words(
                    "waiting for the GPU: another render or judgement has it",
                ));
            }
            let wait = async {
                if together {
                    Turn::Together {
                        _guard: lock.read_owned().await,
                    }
                } else {
                    Turn::Alone {
                        _guard: lock.write_owned().await,
                    }
                }
            };
            let turn = tokio::select! {
                turn = wait => turn,
                () = cancel.cancelled() => return Err(cancelled()),
            };
            // Meanwhile it may have turned out otherwise; alone is always right.
            if !together || self.both_fit(judge) {
                return Ok(turn);
            }
        }
    }
}

fn cancelled() -> ServiceError {
    ServiceError::Cancelled(CancelledDuring::WaitingForGpu)
}
