//! What the tests share.

use super::*;

/// A recorded run, by its name.
pub fn recorded(name: &str) -> Recording {
    let path = format!(
        "{}/../../tests/fixtures/comfyui/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    Recording::parse(&text).expect("a fixture")
}

/// No test waits for ever.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("the test has to end in time")
}

pub fn config(server: &Replay) -> ClientConfig {
    ClientConfig::new(server.url().parse().expect("a URL"))
}

pub fn runner(server: &Replay) -> Runner {
    runner_with(config(server))
}

pub fn runner_with(config: ClientConfig) -> Runner {
    let quick = RunConfig {
        poll_interval: Duration::from_millis(20),
        grace: Duration::from_millis(300),
        late_record: Duration::from_millis(200),
        cancel_limit: Duration::from_secs(5),
        reconnect_delay: Duration::from_millis(5),
    };
    Runner::new(Client::new(config).expect("a client"), quick)
}

pub fn submission(script: &Script) -> Submission {
    let prompt_id = Uuid::new_v4();
    Submission {
        graph: script.recording.graph().clone(),
        prompt_id,
        client_id: prompt_id.to_string(),
    }
}

/// Starts the server and a run on it.
pub async fn start(script: Script) -> (Replay, Run) {
    let submission = submission(&script);
    let server = Replay::start(script).expect("a server");
    let run = runner(&server).start(submission).await.expect("an accepted run");
    (server, run)
}

/// Starts a run that is refused.
pub async fn refused(script: Script) -> (Replay, Vec<NodeProblem>) {
    let submission = submission(&script);
    let server = Replay::start(script).expect("a server");
    match runner(&server).start(submission).await {
        Err(ComfyError::Validation { problems }) => (server, problems),
        other => panic!("{other:?}"),
    }
}

pub async fn until_progress(run: &Run, enough: impl FnMut(&Progress) -> bool) -> Progress {
    run.progress
        .clone()
        .wait_for(enough)
        .await
        .expect("a run that goes on")
        .clone()
}

pub fn nothing_unexpected(server: &Replay) {
    assert_eq!(server.unexpected(), Vec::<String>::new());
}

pub fn at(recording: &Recording, kind: &str) -> usize {
    recording.index_of(kind).expect("such a frame")
}
