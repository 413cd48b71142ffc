//! Who may hold the GPU's memory: settings and arithmetic, without I/O. All sizes are bytes.

use std::fmt;

/// How the judge and ComfyUI share a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Both at once where both fit, else one after the other.
    #[default]
    Auto,
    /// Never both at once.
    Exclusive,
    /// Each does as it likes: there is memory enough, or there are two GPUs.
    Shared,
}

/// What is left free beside both, so that neither runs out over a buffer.
const MARGIN: u64 = 1 << 30;

/// Less than this is nothing to tell.
const SEEN: u64 = 50_000_000;

/// What is known of ComfyUI's device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// All its memory.
    total: u64,
    /// The most that ComfyUI was seen to hold after a render; nothing before the first.
    renders: Option<u64>,
}

impl Known {
    /// Learns from the free memory after a render, of which `judge` bytes are the judge's.
    pub(super) fn rendered(&mut self, total: u64, free: u64, judge: u64) {
        let held = total.saturating_sub(free).saturating_sub(judge);
        self.total = total;
        self.renders = Some(self.renders.unwrap_or(0).max(held));
    }

    /// Learns that a render found too little memory beside the judge.
    pub(super) fn ran_out(&mut self) {
        self.renders = Some(self.total.max(MARGIN));
    }

    /// Whether renders and a judge of this size have room together. Not known before the first render, and then it
    /// is no.
    pub(super) fn both_fit(&self, judge: u64) -> bool {
        self.renders
            .is_some_and(|renders| renders.saturating_add(judge).saturating_add(MARGIN) <= self.total)
    }
}

/// Free memory as the judge would find it: the driver's number, and where there is one GPU the smaller of it and
/// ComfyUI's own. A judge is spread over all GPUs that there are.
pub(super) fn free_for_judge(driver: &[u64], comfyui: u64) -> u64 {
    match driver {
        [] => comfyui,
        [one] => (*one).min(comfyui),
        several => several.iter().sum(),
    }
}

/// Who got the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The judge.
    Judge,
    /// ComfyUI.
    Comfyui,
}

/// A hand-over of the GPU's memory, and what it cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HandOver {
    /// Who got it.
    pub to: Side,
    /// How long it took, the judge's loading included.
    pub seconds: f64,
    /// How many bytes the other side gave back; zero where that cannot be seen.
    pub freed: u64,
}

impl fmt::Display for HandOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, seconds, freed } = self;
        match to {
            Side::Judge if *freed >= SEEN => write!(
                f,
                "GPU handed to the judge in {seconds:.1} s: ComfyUI gave back {:.1} GB, then the model loaded.",
                *freed as f64 / 1e9
            ),
            Side::Judge => write!(
                f,
                "GPU handed to the judge in {seconds:.1} s: ComfyUI was asked for memory, then the model loaded."
            ),
            Side::Comfyui => write!(f, "GPU handed to ComfyUI in {seconds:.1} s: the judge was unloaded."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    #[test]
    fn both_fit_only_when_a_render_was_seen_and_a_margin_is_left() {
        let mut known = Known::default();
        assert!(!known.both_fit(0), "nothing is known before the first render");
        known.rendered(24 * GB, 14 * GB, 0);
        assert!(known.both_fit(13 * GB));
        assert!(!known.both_fit(13 * GB + 1));
        known.rendered(24 * GB, 23 * GB, 0);
        assert!(!known.both_fit(14 * GB), "the most that was seen counts, not the last");
        assert!(!known.both_fit(u64::MAX), "no overflow");
    }

    #[test]
    fn what_the_judge_holds_is_not_counted_as_a_render() {
        let mut known = Known::default();
        known.rendered(24 * GB, 4 * GB, 8 * GB);
        assert!(known.both_fit(11 * GB) && !known.both_fit(12 * GB));
    }

    #[test]
    fn after_running_out_they_never_fit_again() {
        let mut known = Known::default();
        known.rendered(24 * GB, 23 * GB, 0);
        assert!(known.both_fit(4 * GB));
        known.ran_out();
        assert!(!known.both_fit(0));
    }

    #[test]
    fn one_gpu_counts_by_the_smaller_number_and_several_by_their_sum() {
        assert_eq!(free_for_judge(&[9], 5), 5);
        assert_eq!(free_for_judge(&[4], 5), 4);
        assert_eq!(free_for_judge(&[4, 6], 5), 10);
        assert_eq!(free_for_judge(&[], 5), 5);
    }
}
