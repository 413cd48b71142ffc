//! What a hub refuses, each with its own sentence and advice; and what is tried again.

use std::sync::Mutex;

use super::hub::{Act, Asked, Hub};
use super::person::{MODEL, NAME, Person, REPO, hub};

fn code(status: u16, code: &str) -> Act {
    Act::Status(status, vec![("x-error-code", code.to_owned())])
}

/// Answers each request like this for the first so many times.
fn at_first(times: usize, act: Act) -> impl Fn(&Asked) -> Act {
    let seen: Mutex<Vec<Asked>> = Mutex::default();
    move |asked| {
        let mut seen = seen.lock().unwrap();
        seen.push(asked.clone());
        match seen.iter().filter(|before| *before == asked).count() > times {
            true => Act::Serve,
            false => act.clone(),
        }
    }
}

#[tokio::test]
async fn each_refusal_has_its_own_sentence() {
    let hub = hub().await;
    let person = Person::new(&hub);
    let page = format!("Open {}/{REPO} in a browser", hub.url);
    for (act, error, advice) in [
        (
            code(401, "RepoNotFound"),
            "wants a token",
            "Check the repository's spelling",
        ),
        (code(401, "GatedRepo"), "refuses access", &*page),
        (code(403, "GatedRepo"), "refuses access", "accept its licence"),
        (
            code(404, "RepoNotFound"),
            "there is no repository Org/Vision-GGUF",
            "owner/name",
        ),
        (code(404, "RevisionNotFound"), "no revision \"main\"", "--revision"),
        (code(418, ""), "status 418", "HF_ENDPOINT"),
    ] {
        hub.asked();
        let rule = act.clone();
        hub.rule(move |_| rule.clone());
        person.pulls().await.refused(&[error], advice);
        assert_eq!(hub.asked().len(), 1, "{act:?} is not tried again");
    }
    let said = vec![("x-error-message", "Access to this is restricted".to_owned())];
    hub.rule(move |_| Act::Status(403, said.clone()));
    person
        .pulls()
        .await
        .refused(&["(\"Access to this is restricted\")"], "HF_TOKEN");
    assert!(
        !person.at("hf").exists() && !person.at("data/models.json").exists(),
        "nothing was begun"
    );
}

#[tokio::test]
async fn a_file_that_is_not_there_is_answered_with_those_that_are() {
    let hub = hub().await;
    let person = Person::new(&hub);
    let said = person.types(&["pull", "Org/Vision-GGUF/vision-Q5_K_M.gguf"]).await;
    said.refused(
        &["Org/Vision-GGUF has no file vision-Q5_K_M.gguf"],
        "It has: vision-Q4_K_M.gguf, mmproj",
    );
    let said = person.types(&["pull", "Org/Vison-GGUF/vision-Q4_K_M.gguf"]).await;
    said.refused(&["there is no repository Org/Vison-GGUF"], "spelling");
    let said = person.types(&["pull", NAME, "--mmproj", "mmproj-F16.gguf"]).await;
    said.refused(&["has no file mmproj-F16.gguf"], "mmproj-vision-F16.gguf");
    let said = person.types(&["pull", "8b-abliterate"]).await;
    said.refused(&["no model is called \"8b-abliterate\""], "8b-abliterated");
    let said = person.types(&["pull", "../up/m.gguf"]).await;
    said.refused(&["is not the name of a GGUF file"], "owner/repo/file.gguf");
    let said = person.types(&["pull", NAME, "--revision", "../../x"]).await;
    said.refused(&["no revision"], "--revision");
    assert_eq!(hub.contents(), []);
}

#[tokio::test]
async fn too_many_requests_are_waited_out_but_not_for_ever() {
    let hub = hub().await;
    let person = Person::new(&hub);
    let busy = |seconds: &str| Act::Status(429, vec![("retry-after", seconds.to_owned())]);

    hub.rule(at_first(2, busy("0")));
    person.pulls().await.fine();

    let person = Person::new(&hub);
    let always = busy("0");
    hub.rule(move |_| always.clone());
    hub.asked();
    person
        .pulls()
        .await
        .refused(&["too many requests"], "Signing in (HF_TOKEN)");
    assert_eq!(hub.asked().len(), 7, "it is given up");

    let long = busy("100000");
    hub.rule(move |_| long.clone());
    person
        .pulls()
        .await
        .refused(&["asks to wait for 100000 s"], "Wait a while");
    assert_eq!(hub.asked().len(), 1, "what takes hours is said at once");
}

#[tokio::test]
async fn trouble_of_the_hub_is_tried_again_and_then_said() {
    let hub = hub().await;
    let person = Person::new(&hub);
    hub.rule(at_first(1, Act::Status(503, vec![])));
    person.pulls().await.fine();

    let person = Person::new(&hub);
    hub.rule(|asked| {
        if asked.content {
            Act::Status(500, vec![])
        } else {
            Act::Serve
        }
    });
    let said = person.pulls().await;
    let said = said.refused(
        &["was not fetched", "status 500", "nothing is kept"],
        "repeat the command later",
    );
    assert!(said.err.contains("trying again in 8 s"), "{said:?}");
    assert_eq!(person.blobs(REPO), [""; 0]);
}

#[tokio::test]
async fn garbage_is_no_hub() {
    let hub = hub().await;
    let person = Person::new(&hub);
    hub.rule(|asked| {
        if asked.content {
            Act::Serve
        } else {
            Act::Other(b"<html>Welcome</html>".to_vec())
        }
    });
    person
        .pulls()
        .await
        .refused(&["cannot be understood", "X-Repo-Commit"], "HF_ENDPOINT");

    for location in ["http://192.0.2.1/x", "ftp://127.0.0.1/x", "http://[broken"] {
        hub.rule(move |_| Act::Status(302, vec![("location", location.to_owned())]));
        person.pulls().await.refused(&["the hub sends on to"], "HF_ENDPOINT");
    }
    hub.rule(|asked| Act::Status(302, vec![("location", asked.path.clone())]));
    person.pulls().await.refused(&["too many redirects"], "HF_ENDPOINT");

    hub.rule(|asked| match asked.path.starts_with("/api/") {
        true => Act::Status(200, vec![("content-type", "application/json".into())]),
        false => Act::Serve,
    });
    person.pulls().await.refused(&["it is no list of files"], "HF_ENDPOINT");
    assert_eq!(hub.contents(), []);
}

#[tokio::test]
async fn a_web_page_in_the_place_of_a_model_is_noticed_at_its_first_bytes() {
    let page = b"<!DOCTYPE html><title>Sign in</title>".to_vec();
    let hub = hub().await;
    let person = Person::new(&hub);
    let sent = page.clone();
    hub.rule(move |asked| {
        if asked.content {
            Act::Other(sent.clone())
        } else {
            Act::Serve
        }
    });
    let said = person.pulls().await;
    said.refused(
        &["it is not a GGUF file: it begins with \"<!DOCTYPE html><title>S"],
        "login page",
    );
    assert_eq!(person.blobs(REPO), [""; 0]);

    // Also where hub and page agree.
    let hub = Hub::new()
        .await
        .with(REPO, MODEL, page)
        .with(REPO, "mmproj.gguf", b"GGUF".to_vec());
    let person = Person::new(&hub);
    person
        .pulls()
        .await
        .refused(&["it is not a GGUF file", "nothing is kept"], "web page");
    assert_eq!(person.blobs(REPO), [""; 0]);
    assert_eq!(person.config().len(), 0);
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let hub = hub().await;
    let person = Person::new(&hub).with("HF_ENDPOINT", "http://127.0.0.1:9");
    person
        .pulls()
        .await
        .refused(&["127.0.0.1:9 cannot be reached"], "HF_ENDPOINT");
    let person = person.with("HF_ENDPOINT", "http://hub.example");
    person.pulls().await.refused(&["http://hub.example"], "https://");
    let person = Person::new(&hub);
    person.file("hf", b"a file in the place of the folder");
    person.pulls().await.refused(&["hf/"], "hf");
}
