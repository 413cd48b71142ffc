//! The processor: whether it has what the program was built for, how busy it is, and how much memory it has to spare.
//!
//! The program is built for the processor of the machine that builds it (`.cargo/config.toml`). Carried to a lesser
//! one it would end with an illegal instruction somewhere; said at the start, it is a sentence.

/// The instruction sets that this build uses and this processor lacks.
#[must_use]
pub fn lacking() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! lacking {
            ($($name:tt)*) => {
                [$((cfg!(target_feature = $name) && !std::is_x86_feature_detected!($name), $name)),*]
            };
        }
        let sets = lacking![
            "sse4.2" "avx" "avx2" "fma" "f16c" "bmi2" "avx512f" "avx512bw" "avx512dq" "avx512vl" "avx512vnni"
            "avx512bf16" "avx512vbmi"
        ];
        sets.iter().filter(|(lacks, _)| *lacks).map(|(_, name)| *name).collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    Vec::new()
}

/// All main memory in bytes; nothing where the system does not say (only Linux does).
#[must_use]
pub fn main_memory() -> Option<u64> {
    meminfo("MemTotal:")
}

/// Free main memory in bytes, with what the system would give up for it; nothing where it does not say (only Linux does).
#[must_use]
pub fn free_memory() -> Option<u64> {
    meminfo("MemAvailable:")
}

/// How many cores this program may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// How many threads computed or stood in line in the last minute, on average; nothing where the system does not say (only
/// Linux does).
#[must_use]
pub fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg")
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn meminfo(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
