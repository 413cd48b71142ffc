//! A model comes, whole and right, and is the judge.

use std::collections::BTreeSet;
use std::path::Path;

use super::hub::{Act, COMMIT, Hub, gguf, sha256};
use super::person::{MODEL, NAME, PROJECTOR, Person, REPO, SIZE, hub};

const QWEN: &str = "Qwen/Qwen3-VL-4B-Instruct-GGUF";

#[tokio::test]
async fn the_first_judge_that_comes_is_the_judge() {
    let real = |name: &str| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("gguf").join(name)).unwrap();
    let hub = Hub::new().await.with(REPO, MODEL, real("random-qwen3vl.gguf")).with(
        REPO,
        PROJECTOR,
        real("random-mmproj.gguf"),
    );
    let person = Person::new(&hub);
    let said = person.pulls().await.fine();
    assert!(said.out.contains(&format!("The judge is {NAME} now")), "{said:?}");
    assert!(!said.err.contains("no judge"), "{said:?}");
    assert!(person.config()["model"].as_str().unwrap().ends_with(MODEL));
    assert!(person.config()["mmproj"].as_str().unwrap().ends_with(PROJECTOR));
}

#[tokio::test]
async fn a_model_is_pulled_by_its_short_name_and_is_the_judge_once_it_is_chosen() {
    let (model, projector) = ("Qwen3VL-4B-Instruct-Q4_K_M.gguf", "mmproj-Qwen3VL-4B-Instruct-F16.gguf");
    let (content, eyes) = (gguf(SIZE, 1), gguf(9, 2));
    let hub = Hub::new()
        .await
        .with(QWEN, model, content.clone())
        .with(QWEN, projector, eyes.clone());
    let person = Person::new(&hub);
    let said = person.types(&["pull", "4B"]).await.fine();
    assert!(
        said.out.contains("4b is here") && said.out.contains("It did not become the judge"),
        "{said:?}"
    );
    // Quiet where there is no terminal, but for what is wrong with these files: they only begin like models.
    assert!(
        said.err.starts_with("note: this is no judge that is known here: ") && said.err.lines().count() == 1,
        "{said:?}"
    );
    assert!(
        said.out.contains("models use 4b") && person.config().is_empty(),
        "{said:?}"
    );
    let said = person.uses("4b").await;
    assert!(said.out.contains("The judge is 4b now"), "{said:?}");

    // The layout is that of the hub's own programs, and nothing else is left.
    let cached = person.cached(QWEN);
    let snapshot = cached.join("snapshots").join(COMMIT);
    assert_eq!(std::fs::read(snapshot.join(model)).unwrap(), content);
    assert_eq!(std::fs::read(snapshot.join(projector)).unwrap(), eyes);
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(snapshot.join(model)).unwrap(),
        Path::new("../../blobs").join(sha256(&content))
    );
    assert_eq!(std::fs::read_to_string(cached.join("refs/main")).unwrap(), COMMIT);
    let mut blobs = [sha256(&content), sha256(&eyes)];
    blobs.sort();
    assert_eq!(person.blobs(QWEN), blobs);

    let config = person.config();
    assert_eq!(config["model"].as_str(), snapshot.join(model).to_str());
    assert_eq!(config["mmproj"].as_str(), snapshot.join(projector).to_str());
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(person.at("data/models.json")).unwrap()).unwrap();
    let record = &record["models"][0];
    assert_eq!(
        (record["name"].as_str(), record["commit"].as_str()),
        (Some("4b"), Some(COMMIT))
    );
    assert_eq!(record["files"][0]["sha256"].as_str(), Some(&*sha256(&content)));
    assert_eq!(record["files"][0]["size"].as_u64(), Some(SIZE as u64));

    let rows = person.reads(&["list", "--json"]).await;
    let row = rows.as_array().unwrap().iter().find(|row| row["name"] == "4b").unwrap();
    assert_eq!(
        (row["installed"].as_bool(), row["in_use"].as_bool()),
        (Some(true), Some(true))
    );
    assert_eq!(
        (row["parameters"].as_u64(), row["licence"].as_str()),
        (Some(4), Some("Apache-2.0"))
    );
    let others = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["installed"] == true)
        .count();
    assert_eq!(others, 1);
    let said = person.types(&["list"]).await.fine();
    assert!(
        said.out.contains("in use") && said.out.contains("30b-a3b-abliterated"),
        "{said:?}"
    );

    // Each byte was asked for once; and again nothing is.
    let mut ranges: Vec<_> = hub
        .contents()
        .into_iter()
        .filter(|asked| asked.path.ends_with(model))
        .collect();
    ranges.sort_by_key(|asked| asked.range);
    let mut at = 0;
    for asked in &ranges {
        let (first, last) = asked.range.unwrap();
        assert_eq!(first, at);
        at = last + 1;
    }
    assert_eq!((ranges.len(), at), (8, SIZE as u64));
    let said = person.types(&["pull", "4b"]).await.fine();
    assert!(said.out.contains("nothing had to be fetched"), "{said:?}");
    assert_eq!(hub.contents(), []);
}

#[tokio::test]
async fn the_second_model_is_for_the_user_to_choose() {
    let hub =
        hub()
            .await
            .with("Other/Two", "two.gguf", gguf(1000, 5))
            .with("Other/Two", "two.mmproj-f16.gguf", gguf(99, 6));
    let person = Person::new(&hub);
    person.pulls().await.fine();
    person.uses(NAME).await;
    let first = person.config();
    let said = person.types(&["pull", "Other/Two/two.gguf"]).await.fine();
    assert!(said.out.contains("models use Other/Two/two.gguf"), "{said:?}");
    assert!(said.err.contains("The projector is two.mmproj-f16.gguf"), "{said:?}");
    assert_eq!(person.config(), first);

    let said = person.types(&["use", "Other/Two/two.gguf"]).await.fine();
    assert!(
        said.out.contains("The judge is Other/Two/two.gguf now") && said.err.starts_with("note: this is no judge"),
        "{said:?}"
    );
    assert!(person.config()["model"].as_str().unwrap().ends_with("two.gguf"));
    let outweighed = Person::new(&hub).with("HF_HOME", person.at("hf").to_str().unwrap());
    let outweighed = outweighed.with("PROMPT_CALIBRATOR_DATA_DIR", person.at("data").to_str().unwrap());
    let said = outweighed
        .with("PROMPT_CALIBRATOR_MODEL", "/m.gguf")
        .types(&["use", NAME])
        .await
        .fine();
    assert!(
        said.err
            .contains("the variable PROMPT_CALIBRATOR_MODEL outweighs model"),
        "{said:?}"
    );

    person.types(&["use", "bundled"]).await.fine();
    assert_eq!(person.config().len(), 0);
    let said = person.types(&["use", "8b"]).await;
    said.refused(&["8b is not installed"], "models pull 8b");
}

#[tokio::test]
async fn pieces_come_over_four_connections_at_once() {
    let hub = hub().await;
    // After the first piece none is given before four are asked for: over fewer connections this would never end.
    hub.rule(|asked| match asked.range {
        Some((first, _)) if first > 0 && asked.path.ends_with(MODEL) => Act::Hold(4),
        _ => Act::Serve,
    });
    let person = Person::new(&hub);
    person.pulls().await.fine();
    assert_eq!(
        hub.contents()
            .iter()
            .filter(|asked| asked.path.ends_with(MODEL))
            .count(),
        8
    );
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let hub = hub().await;
    let known = |asked: &super::hub::Asked| asked.token.as_deref() == Some("Bearer hf_secret");
    hub.rule(move |asked| match asked.content || known(asked) {
        true => Act::Serve,
        false => Act::Status(401, vec![]),
    });
    let person = Person::new(&hub);
    let said = person.pulls().await;
    let said = said.refused(&["wants a token for Org/Vision-GGUF"], "set HF_TOKEN");
    assert!(said.err.contains(&format!("{}/settings/tokens", hub.url)), "{said:?}");
    let person = person.with("HF_TOKEN", "hf_wrong");
    person
        .pulls()
        .await
        .refused(&["does not accept the token"], "new token");
    hub.asked();

    // From the variable, and from the file that `hf auth login` writes.
    let by_variable = Person::new(&hub).with("HF_TOKEN", "hf_secret");
    let by_file = Person::new(&hub);
    by_file.file("hf/token", b"hf_secret\n");
    for person in [by_variable, by_file] {
        let said = person.with("PROMPT_CALIBRATOR_LOG", "trace").pulls().await.fine();
        assert!(
            !said.err.contains("hf_secret") && !said.out.contains("hf_secret"),
            "{said:?}"
        );
        let asked = hub.asked();
        assert!(asked.iter().any(|asked| asked.content) && asked.iter().any(|asked| !asked.content));
        for asked in asked {
            assert_eq!(asked.token.is_some(), !asked.content, "{asked:?}");
        }
    }
}

#[tokio::test]
async fn a_renamed_repository_is_followed_within_the_hub() {
    let hub = hub().await;
    hub.rule(|asked| match asked.path.strip_prefix("/Old/Name/") {
        Some(rest) => Act::Status(307, vec![("location", format!("/{REPO}/{rest}"))]),
        None => Act::Serve,
    });
    let person = Person::new(&hub).with("HF_TOKEN", "hf_secret");
    let said = person
        .types(&["pull", "Old/Name/vision-Q4_K_M.gguf", "--mmproj", PROJECTOR])
        .await
        .fine();
    assert!(said.out.contains("Old/Name/vision-Q4_K_M.gguf is here"), "{said:?}");
    assert!(hub.asked().iter().all(|asked| asked.token.is_some() != asked.content));
    assert_eq!(person.blobs("Old/Name").len(), 2);
}

#[tokio::test]
async fn a_model_in_parts_comes_whole_and_its_projector_from_elsewhere() {
    let mut hub = Hub::new().await.with("Eyes/Only", "p/mmproj-F16.gguf", gguf(500, 9));
    let part = |n: usize| format!("big/m-Q8_0-{n:05}-of-00003.gguf");
    for n in 1..=3 {
        hub = hub.with(REPO, &part(n), gguf(1000 + n, n as u64));
    }
    let person = Person::new(&hub);
    // Whichever part is named.
    let name = format!("{REPO}/{}", part(2));
    let said = person.types(&["pull", &name]).await;
    said.refused(&["has no projector"], "--mmproj owner/repo/file.gguf");
    let said = person
        .types(&["pull", &name, "--mmproj", "Eyes/Only/p/mmproj-F16.gguf"])
        .await
        .fine();
    assert!(said.out.contains("m-Q8_0-00001-of-00003.gguf is here"), "{said:?}");
    person.uses(&format!("{REPO}/{}", part(1))).await;
    let config = person.config();
    let model = Path::new(config["model"].as_str().unwrap()).to_owned();
    assert!(model.ends_with("big/m-Q8_0-00001-of-00003.gguf"));
    let beside: BTreeSet<_> = std::fs::read_dir(model.parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(beside.len(), 3, "llama.cpp finds the parts beside the first");
    assert!(config["mmproj"].as_str().unwrap().contains("models--Eyes--Only"));
}

#[tokio::test]
async fn several_projectors_are_a_question() {
    let hub = Hub::new().await.with(REPO, MODEL, gguf(1000, 1));
    let hub = hub
        .with(REPO, "mmproj-one-F16.gguf", gguf(50, 2))
        .with(REPO, "mmproj-two-F16.gguf", gguf(60, 3));
    let person = Person::new(&hub);
    let said = person.pulls().await;
    said.refused(
        &["2 projectors"],
        "Choose one with --mmproj: mmproj-one-F16.gguf, mmproj-two-F16.gguf",
    );
    assert_eq!(hub.contents(), [], "nothing was fetched");
    person
        .types(&["pull", NAME, "--mmproj", "mmproj-two-F16.gguf"])
        .await
        .fine();
    person.uses(NAME).await;
    assert!(
        person.config()["mmproj"]
            .as_str()
            .unwrap()
            .ends_with("mmproj-two-F16.gguf")
    );
}
