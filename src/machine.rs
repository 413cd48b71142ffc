//! This machine: its CPU's instruction sets, its cores and their load, its main memory.
//!
//! The program is built for the CPU of the machine that builds it (`.cargo/config.toml`). On one with fewer instruction sets it
//! would end with an illegal instruction somewhere; said at the start, it is a sentence.

use sysinfo::System;

/// The instruction sets that this build uses and this CPU lacks.
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

/// All main memory in bytes; nothing where the system does not say.
#[must_use]
pub fn main_memory() -> Option<u64> {
    known(memory().total_memory())
}

/// Free main memory in bytes, with what the system would give up for it; nothing where it does not say.
#[must_use]
pub fn free_memory() -> Option<u64> {
    known(memory().available_memory())
}

fn memory() -> System {
    let mut system = System::new();
    system.refresh_memory();
    system
}

/// Nothing is how `sysinfo` says that it does not know.
fn known(bytes: u64) -> Option<u64> {
    (bytes > 0).then_some(bytes)
}

/// How many cores this program may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// How many threads computed or stood in line in the last minute, on average; nothing on Windows, which does not count them.
#[must_use]
pub fn load() -> Option<f64> {
    cfg!(unix).then(|| System::load_average().one)
}

#[cfg(test)]
mod tests {
    #[test]
    fn part_of_the_memory_is_free() {
        let (free, all) = (super::free_memory().unwrap(), super::main_memory().unwrap());
        assert!(free > 1 << 20 && free <= all, "{free} of {all}");
    }
}
