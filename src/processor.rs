//! Whether this processor has what the program was built for.
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_machine_that_built_it_lacks_nothing() {
        assert!(super::lacking().is_empty());
    }
}
