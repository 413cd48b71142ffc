//! The scripts that complete the command line.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::not_run;

fn script(shell: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prompt-calibrator"));
    let output = command.args(["completions", shell]).output().unwrap();
    assert!(output.status.success(), "{shell}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = script(shell);
        assert!(script.contains("serve") && script.contains("gpu-layers"), "{shell}");
        assert!(!script.contains("judge-worker"), "{shell}: nobody types that");
    }
}

#[test]
fn bash_can_read_its_script() {
    let bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn();
    let Ok(mut bash) = bash else {
        return not_run("there is no bash");
    };
    bash.stdin.take().unwrap().write_all(script("bash").as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn another_shell_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prompt-calibrator"));
    let output = command.args(["completions", "cmd"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("fish"));
}
