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

use super::ServiceError;
use crate::comfy::calls::Device;
use crate::comfy::client::Client;
use crate::comfy::error::ComfyError;
use crate::judge::Judge;
use crate::progress::{Progress, Teller};
pub use policy::{HandOver, Policy, Side};
use policy::{Known, free_for_judge};

/// Pause between two looks at ComfyUI's memory or queue.
const PAUSE: Duration = Duration::from_millis(100);
/// After so long without more free memory, ComfyUI has given what it gives.
const STALLED: Duration = Duration::from_secs(3);
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

impl Tenant for Judge {
    fn may_use_gpu(&self) -> bool {
        Self::may_use_gpu(self)
    }

    fn is_loaded(&self) -> bool {
        Self::is_loaded(self)
    }

    fn memory_needed(&self) -> Result<u64, ServiceError> {
        Ok(Self::memory_needed(self)?)
    }

    async fn gpus(&self, cancel: &CancellationToken) -> Result<Vec<u64>, ServiceError> {
        let gpus = Self::gpus(self, cancel).await?;
        Ok(gpus.into_iter().map(|gpu| gpu.free).collect())
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
    /// This machine turned out to have no GPU for the judge.
    no_gpu: AtomicBool,
}

impl Sharing {
    pub(super) fn new(policy: Policy, comfy: Client) -> Self {
        Self {
            policy,
            comfy,
            turn: Arc::default(),
            known: Mutex::default(),
            no_gpu: AtomicBool::new(false),
        }
    }

    /// Whether there is anything to share. On its own the scheduler takes a ComfyUI at another address for another machine.
    fn concerns(&self, judge: &impl Tenant) -> bool {
        match self.policy {
            Policy::Exclusive => true,
            Policy::Shared => false,
            Policy::Auto => self.comfy.is_local() && judge.may_use_gpu() && !self.no_gpu.load(Ordering::Relaxed),
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
                let gpus = judge.gpus(cancel).await?;
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
        let both = self.both_fit(judge);
        let turn = self.take(both, teller, cancel).await?;
        let hand_over = if !both && judge.is_loaded() {
            let started = Instant::now();
            judge.unload().await;
            Some(HandOver {
                to: Side::Comfyui,
                seconds: started.elapsed().as_secs_f64(),
                freed: 0,
            })
        } else {
            None
        };
        Ok(Lease {
            hand_over,
            _turn: Some(turn),
        })
    }

    /// After a render, while its lease is held: how much memory ComfyUI holds tells whether both fit.
    pub(super) async fn rendered(&self, judge: &impl Tenant) {
        if self.policy != Policy::Auto || !self.concerns(judge) {
            return;
        }
        let Ok(Some(device)) = self.device().await else { return };
        let own = if judge.is_loaded() {
            judge.memory_needed().unwrap_or(0)
        } else {
            0
        };
        self.known(|known| known.rendered(device.vram_total, device.free_for_others(), own));
    }

    /// A render found too little memory beside the judge: from now on they take turns. Whether that can help.
    pub(super) fn ran_out(&self, judge: &impl Tenant) -> bool {
        if self.policy != Policy::Auto || !self.concerns(judge) || !judge.is_loaded() {
            return false;
        }
        self.known(Known::ran_out);
        true
    }

    /// Before a judgement. Where the judge is not loaded and its memory is not free, ComfyUI is asked for it; then the judge is
    /// loaded, so that what the hand-over cost is known.
    ///
    /// # Errors
    /// [`ServiceError::Cancelled`], or why the judge could not be loaded.
    pub(super) async fn for_judging(
        &self,
        judge: &impl Tenant,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Lease, ServiceError> {
        if !self.concerns(judge) {
            return Ok(Lease::free());
        }
        let turn = self.take(self.both_fit(judge), teller, cancel).await?;
        let mut lease = Lease {
            hand_over: None,
            _turn: Some(turn),
        };
        if judge.is_loaded() {
            return Ok(lease);
        }
        let started = Instant::now();
        let mut freed = self.make_room(judge, teller, cancel).await?;
        match judge.load(teller, cancel).await {
            // The estimate was wrong, or somebody else took the memory meanwhile.
            Err(error) if freed.is_none() && error.is_out_of_memory() => {
                freed = self.ask_for_memory(judge.memory_needed()?, teller, cancel).await?;
                if freed.is_none() {
                    return Err(error);
                }
                judge.load(teller, cancel).await?;
            }
            loaded => loaded?,
        }
        lease.hand_over = freed.map(|freed| HandOver {
            to: Side::Judge,
            seconds: started.elapsed().as_secs_f64(),
            freed,
        });
        Ok(lease)
    }

    /// Sees to it that the judge's memory is free. `None` when ComfyUI did not have to be asked.
    async fn make_room(
        &self,
        judge: &impl Tenant,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Option<u64>, ServiceError> {
        let needed = judge.memory_needed()?;
        // Where nothing answers, nothing holds memory.
        let Ok(Some(device)) = self.device().await else {
            return Ok(None);
        };
        if self.policy == Policy::Auto {
            if device.kind == "cpu" {
                return Ok(None);
            }
            let gpus = judge.gpus(cancel).await?;
            if gpus.is_empty() {
                self.no_gpu.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            if free_for_judge(&gpus, device.free_for_others()) >= needed {
                return Ok(None);
            }
        }
        self.ask_for_memory(needed, teller, cancel).await
    }

    /// Asks ComfyUI for memory once nothing runs there, and waits until `needed` bytes are free or no more come. How many
    /// came; `None` when ComfyUI is gone.
    ///
    /// First for its models, which go to main memory and come back quickly; for what it cached only if that is not enough.
    async fn ask_for_memory(
        &self,
        needed: u64,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Option<u64>, ServiceError> {
        let asked = async {
            self.until_idle(teller).await?;
            teller.tell(Progress::words("waiting for ComfyUI to give memory back"));
            let Some(before) = self.device().await? else {
                return Ok(0);
            };
            let before = before.free_for_others();
            let mut best = before;
            for everything in [false, true] {
                self.comfy.free(true, everything).await?;
                let mut since = Instant::now();
                while since.elapsed() < STALLED {
                    // The request only sets a flag, so the first look may be too early.
                    sleep(PAUSE).await;
                    let Some(device) = self.device().await? else { break };
                    let free = device.free_for_others();
                    if free > best + STEP {
                        since = Instant::now();
                    }
                    best = best.max(free);
                    if free >= needed {
                        return Ok(free.saturating_sub(before));
                    }
                }
            }
            tracing::warn!(
                needed,
                free = best,
                "ComfyUI gave back what it gives, and the judge may not fit"
            );
            Ok(best - before)
        };
        let asked: Result<u64, ComfyError> = tokio::select! {
            asked = asked => asked,
            () = cancel.cancelled() => return Err(ServiceError::Cancelled(" while waiting for the GPU's memory".into())),
        };
        match asked {
            Ok(freed) => Ok(Some(freed)),
            Err(error) => {
                tracing::warn!(%error, "ComfyUI could not be asked for memory");
                Ok(None)
            }
        }
    }

    /// Until ComfyUI's queue is empty: runs of other people are not disturbed.
    async fn until_idle(&self, teller: &Teller) -> Result<(), ComfyError> {
        loop {
            let queue = self.comfy.queue().await?;
            let runs = queue.running.len() + queue.pending.len();
            if runs == 0 {
                return Ok(());
            }
            teller.tell(Progress::words(format!(
                "waiting for the GPU: {runs} run(s) in ComfyUI's queue"
            )));
            sleep(PAUSE).await;
        }
    }

    /// The device that renders.
    async fn device(&self) -> Result<Option<Device>, ComfyError> {
        Ok(self.comfy.system_stats().await?.devices.into_iter().next())
    }

    async fn take(&self, together: bool, teller: &Teller, cancel: &CancellationToken) -> Result<Turn, ServiceError> {
        let turn = Arc::clone(&self.turn);
        let wait = async {
            if together {
                Turn::Together {
                    _guard: turn.read_owned().await,
                }
            } else {
                Turn::Alone {
                    _guard: turn.write_owned().await,
                }
            }
        };
        if self.turn.try_write().is_err() {
            teller.tell(Progress::words(
                "waiting for the GPU: another render or judgement has it",
            ));
        }
        tokio::select! {
            turn = wait => Ok(turn),
            () = cancel.cancelled() => Err(ServiceError::Cancelled(" while waiting for the GPU".into())),
        }
    }
}
