//! A process that is killed while it writes loses nothing that it has answered.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

/// Tells [`writer`] where to write.
const FOLDER: &str = "HISTORY_TEST_FOLDER";

/// The child: writes without end and says on stdout what it has finished.
#[tokio::test]
#[ignore = "not a test: the process that `a_kill_loses_nothing_answered` starts and kills"]
async fn writer() {
    let store = Store::open(std::env::var_os(FOLDER).expect("started by the other test"));
    let sessions = store.sessions(0, 1).await.unwrap();
    let id = sessions[0].id.clone();
    // Written past the test harness, which would hold it back.
    let mut out = std::io::stdout();
    loop {
        let n = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
        let run = store.prepare_run(new_run(&id, n)).await.unwrap();
        let mut bytes = PNG.to_vec();
        bytes.extend(run.prompt_id.0.as_bytes());
        let stored = store.put_image(bytes).await.unwrap();
        let mut picture = run_image(0, "one");
        picture.hash = stored.hash;
        store.record_images(run.prompt_id, vec![picture]).await.unwrap();
        writeln!(out, "answered {n} {} {}", run.prompt_id, stored.hash).unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn a_kill_loses_nothing_answered() {
    let (folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    let module = module_path!().split_once("::").unwrap().1;
    for answers in [1, 4, 9] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{module}::writer"), "--ignored"])
            .arg("--nocapture")
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut answered = Vec::new();
        while answered.len() < answers {
            let line = lines.next().expect("the child ended").unwrap();
            // The harness puts its own words before the first answer.
            if let Some((_, answer)) = line.split_once("answered ") {
                answered.push(answer.to_owned());
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let reopened = Store::open(folder.path());
        reopened.check().await.unwrap();
        for answer in answered {
            let mut words = answer.split(' ');
            let n = number(words.next().unwrap().parse().unwrap());
            let prompt = PromptId::parse(words.next().unwrap()).unwrap();
            let hash = ImageHash::parse(words.next().unwrap()).unwrap();
            reopened.iteration(&id, n).await.unwrap();
            let run = reopened.run(prompt).await.unwrap();
            assert_eq!((run.iteration, run.state), (n, RunState::Prepared));
            assert_eq!(reopened.images_of(prompt).await.unwrap()[0].hash, hash);
            reopened.read_image(&hash, Verify::Hash).await.unwrap();
        }
        // And the handle that was open all along goes on where the child was.
        let all = store.iterations(&id, Span::All).await.unwrap();
        let next = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
        assert_eq!(next.get() as usize, all.len() + 1);
    }
}
