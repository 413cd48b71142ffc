//! What is on this machine already is not fetched.

use axum::Router;
use axum::routing::get;
use serde_json::json;

use super::hub::{Act, COMMIT, gguf, listener, sha256};
use super::person::{MODEL, NAME, PROJECTOR, Person, REPO, SIZE, hub};

#[tokio::test]
async fn a_cache_that_others_made_is_used() {
    let hub = hub().await;
    hub.rule(|asked| {
        if asked.content {
            Act::Status(500, vec![])
        } else {
            Act::Serve
        }
    });
    let (model, eyes) = (gguf(SIZE, 1), gguf(70_000, 2));

    // As huggingface_hub leaves it, the projector as on a system without links; then contents without names.
    for named in [true, false] {
        let person = Person::new(&hub);
        let cached = "hf/hub/models--Org--Vision-GGUF";
        person.file(&format!("{cached}/blobs/{}", sha256(&model)), &model);
        if named {
            let snapshot = person.file(&format!("{cached}/snapshots/{COMMIT}/{PROJECTOR}"), &eyes);
            #[cfg(unix)]
            std::os::unix::fs::symlink(
                format!("../../blobs/{}", sha256(&model)),
                snapshot.with_file_name(MODEL),
            )
            .unwrap();
            let _ = snapshot;
        } else {
            person.file(&format!("{cached}/blobs/{}", sha256(&eyes)), &eyes);
        }
        let said = person.pulls().await.fine();
        assert!(said.out.contains("nothing had to be fetched"), "{said:?}");
        assert_eq!(hub.contents(), []);
        let snapshot = person.cached(REPO).join("snapshots").join(COMMIT);
        assert_eq!(std::fs::read(snapshot.join(MODEL)).unwrap(), model);
        assert_eq!(std::fs::read(snapshot.join(PROJECTOR)).unwrap(), eyes);
        // It was there before, and stays.
        person.types(&["rm", NAME, "--yes"]).await.fine();
        assert_eq!(std::fs::read(snapshot.join(MODEL)).unwrap(), model);
    }
}

#[tokio::test]
async fn files_that_comfyui_keeps_are_used_where_they_lie() {
    let hub = hub().await;
    let person = Person::new(&hub);
    let model = person.file(&format!("ComfyUI/models/text_encoders/qwen/{MODEL}"), &gguf(SIZE, 1));
    // The same name and size, another content.
    let wrong = person.file(&format!("ComfyUI/models/clip/{PROJECTOR}"), &gguf(70_000, 3));
    let folders = json!({
        "text_encoders": [person.at("ComfyUI/models/text_encoders"), person.at("ComfyUI/models/clip")],
        "loras": ["relative", person.at("gone")],
        "odd": "no list",
    });
    let router = Router::new().route(
        "/internal/folder_paths",
        get(move || async move { axum::Json(folders) }),
    );
    let listener = listener().await;
    let person = person.with(
        "PROMPT_CALIBRATOR_COMFYUI",
        &format!("http://{}", listener.local_addr().unwrap()),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });

    let said = person.pulls().await.fine();
    assert!(
        said.out.contains(&format!("Used where it lies: {}", model.display())),
        "{said:?}"
    );
    assert!(
        said.err.contains("has another content than the hub's; it is not used"),
        "{said:?}"
    );
    assert!(hub.contents().iter().all(|asked| asked.path.ends_with(PROJECTOR)));
    person.uses(NAME).await;
    assert_eq!(person.config()["model"].as_str(), model.to_str());
    assert_eq!(person.blobs(REPO), [sha256(&gguf(70_000, 2))]);

    let said = person.types(&["rm", NAME, "--yes"]).await.fine();
    assert!(
        said.out.contains("1 file(s)") && said.out.contains("only forgotten"),
        "{said:?}"
    );
    assert!(model.exists() && wrong.exists());
    assert!(!person.cached(REPO).exists(), "nothing of ours is left");
    assert!(person.config().is_empty());
}

#[tokio::test]
async fn a_folder_may_be_named_and_parts_have_to_lie_together() {
    let hub =
        hub()
            .await
            .with(REPO, "m-00001-of-00002.gguf", gguf(300, 4))
            .with(REPO, "m-00002-of-00002.gguf", gguf(400, 5));
    let person = Person::new(&hub);
    person.file("a/m-00001-of-00002.gguf", &gguf(300, 4));
    person.file("b/m-00002-of-00002.gguf", &gguf(400, 5));
    let name = format!("{REPO}/m-00001-of-00002.gguf");
    let looks = ["pull", &name, "--look-in", "a", "--look-in", "b"];
    person.types(&looks).await.fine();
    assert_eq!(
        hub.contents().len(),
        4,
        "apart they are of no use; the projector is two pieces"
    );
    person.types(&["rm", &name, "--yes"]).await.fine();

    person.file("a/m-00002-of-00002.gguf", &gguf(400, 5));
    let said = person.types(&looks).await.fine();
    assert_eq!(hub.contents().len(), 2, "the projector");
    assert_eq!(said.out.matches("Used where it lies").count(), 2, "{said:?}");
    person.uses(&name).await;
    assert_eq!(
        person.config()["model"].as_str(),
        person.at("a/m-00001-of-00002.gguf").to_str()
    );
}

#[tokio::test]
async fn a_cache_on_another_disk_and_another_revision() {
    let hub = hub().await;
    let person = Person::new(&hub);
    let elsewhere = person.at("disk/cache");
    let person = person.with("HF_HUB_CACHE", elsewhere.to_str().unwrap());
    person.types(&["pull", NAME, "--revision", "refs/pr/7"]).await.fine();
    assert!(!person.at("hf").exists());
    let asked = hub.asked();
    assert!(
        asked
            .iter()
            .any(|asked| asked.path == format!("/{REPO}/resolve/refs%2Fpr%2F7/{MODEL}")),
        "{asked:?}"
    );
    assert!(
        asked
            .iter()
            .any(|asked| asked.path == format!("/{REPO}/resolve/{COMMIT}/{MODEL}")),
        "{asked:?}"
    );
    let refs = elsewhere.join("models--Org--Vision-GGUF/refs/refs/pr/7");
    assert_eq!(std::fs::read_to_string(refs).unwrap(), COMMIT);
}
