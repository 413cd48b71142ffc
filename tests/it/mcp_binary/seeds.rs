//! Seeds that are asked for are written, or it is asked where they go before anything is rendered.

use serde_json::{Value, json};

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::{hires_workflow, workflow};

fn opening(bench: &Bench, name: &str, graph: &Value) -> Value {
    let workflow = bench.write(name, graph.to_string());
    json!({"workflow": workflow, "reference": bench.file("reference.png"), "positive": "a blue star"})
}

fn with_seeds(mut arguments: Value, seeds: &[u64]) -> Value {
    arguments["seeds"] = json!(seeds);
    arguments
}

fn said(made: &Value) -> String {
    made["summary"].as_str().unwrap().to_owned()
}

fn first_picture(run: &Value) -> Vec<u8> {
    image::open(run["pictures"][0].as_str().unwrap())
        .unwrap()
        .to_rgb8()
        .into_raw()
}

#[tokio::test]
async fn a_hires_fix_takes_its_seeds_at_the_first_sampler() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let asked = with_seeds(opening(&bench, "hires.json", &hires_workflow(0.5)), &[11, 22]);
    let made = server.tool("queue_generation", asked).await;
    let written: Vec<[Value; 2]> = bench
        .studio
        .graphs()
        .await
        .iter()
        .map(|graph| ["5", "8"].map(|node| graph[node]["inputs"]["seed"].clone()))
        .collect();
    assert_eq!(written, [[json!(11), json!(99)], [json!(22), json!(99)]]);
    assert_ne!(first_picture(&made["runs"][0]), first_picture(&made["runs"][1]));
    assert!(said(&made).contains("8.seed (KSampler, now 99)"), "{made}");

    // It is told once a session.
    let session = &made["session"];
    let more = json!({"session": session, "iteration": 1, "seeds": [33]});
    let more = server.tool("queue_generation", more).await;
    assert!(!said(&more).contains("8.seed"), "{more}");

    // The workflow as it stands is the one of its first sampler's seed.
    let own = server
        .tool(
            "queue_generation",
            json!({"session": session, "positive": "a green star"}),
        )
        .await;
    assert_eq!(own["runs"][0]["seed"], 7);
    let same = json!({"session": session, "iteration": own["iteration"], "seeds": [7]});
    server.tool("queue_generation", same).await;
    assert_eq!(bench.studio.submissions().await, 4, "it is rendered already");
}

#[tokio::test]
async fn seeds_without_one_place_are_a_question_before_anything_is_rendered() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let asked = with_seeds(opening(&bench, "two.json", &hires_workflow(1.0)), &[11, 22]);
    let question = server.tool("queue_generation", asked.clone()).await;
    assert_eq!(
        (&question["state"], &question["question"]["role"]),
        (&json!("question"), &json!("seed"))
    );
    let candidates: Vec<&String> = question["question"]["candidates"].as_object().unwrap().keys().collect();
    assert_eq!(candidates, ["5.seed", "8.seed"]);
    let sessions = server.tool("get_history", json!({})).await;
    assert!(sessions.get("sessions").is_none(), "nothing was recorded: {sessions}");

    // The same for a draft that is there already.
    let draft = server
        .tool("inject_prompt", opening(&bench, "two.json", &hires_workflow(1.0)))
        .await;
    let mut run = json!({"session": draft["session"], "iteration": 1, "seeds": [11, 22]});
    let question = server.tool("queue_generation", run.clone()).await;
    assert_eq!(question["state"], "question", "{question}");
    assert_eq!(bench.studio.submissions().await, 0);

    run["place"] = json!({"seed": "5.seed, 8.seed"});
    let made = server.tool("queue_generation", run).await;
    assert_eq!(made["state"], "done", "{made}");
    for (graph, seed) in bench.studio.graphs().await.iter().zip([11, 22]) {
        let written = ["5", "8"].map(|node| graph[node]["inputs"]["seed"].clone());
        assert_eq!(written, [json!(seed), json!(seed)]);
    }
    // The answer is the session's from now on, and a call that says nothing else is told so.
    let place = json!({"session": draft["session"], "place": {"seed": "5.seed"}});
    let kept = server.tool("inject_prompt", place.clone()).await;
    assert!(
        kept["notes"]
            .to_string()
            .contains("This session keeps the place: seed 5.seed."),
        "{kept}"
    );
    let again = server.tool("inject_prompt", place).await;
    assert!(!again.to_string().contains("keeps the place"), "{again}");
    let next = json!({"session": draft["session"], "positive": "a red star", "seeds": [33]});
    assert_eq!(server.tool("queue_generation", next).await["state"], "done");
}

#[tokio::test]
async fn a_workflow_without_a_seed_is_run_once_and_that_is_said() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let graph = json!({
        "20": {"class_type": "LoadImage", "inputs": {"image": "not-there.png"}},
        "21": {"class_type": "SaveImage", "inputs": {"images": ["20", 0], "filename_prefix": "loaded"}},
    });
    let mut asked = opening(&bench, "seedless.json", &graph);
    asked.as_object_mut().unwrap().remove("positive");
    asked["knobs"] = json!({"20.image": "@reference"});
    let made = server.tool("queue_generation", with_seeds(asked, &[11, 22])).await;
    assert_eq!(made["runs"].as_array().unwrap().len(), 1, "{made}");
    assert!(said(&made).contains("no seed that is written"), "{made}");
    let again = json!({"session": made["session"], "iteration": 1, "seeds": [33, 44]});
    let again = server.tool("queue_generation", again).await;
    assert_eq!(again["runs"], made["runs"]);
    assert_eq!(bench.studio.submissions().await, 1);

    // Where a person says so, nothing is written either.
    let mut left_out = with_seeds(opening(&bench, "two.json", &hires_workflow(1.0)), &[11, 22]);
    left_out["place"] = json!({"seed": "none"});
    let made = server.tool("queue_generation", left_out).await;
    assert_eq!(made["runs"].as_array().unwrap().len(), 1, "{made}");
    let graphs = bench.studio.graphs().await;
    let graph = graphs.last().unwrap();
    assert_eq!(
        ["5", "8"].map(|node| graph[node]["inputs"]["seed"].clone()),
        [json!(7), json!(99)]
    );
}

#[tokio::test]
async fn a_seed_that_stands_for_a_random_one_is_replaced_and_told() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let mut graph = workflow(1);
    graph["5"]["inputs"]["seed"] = json!(-1);
    let asked = opening(&bench, "random.json", &graph);
    let made = server.tool("queue_generation", with_seeds(asked.clone(), &[11])).await;
    assert_eq!(made["runs"][0]["seed"], 11);
    // Without seeds one is chosen: what is told is what was rendered, and asking again is no new run.
    let made = server.tool("queue_generation", asked).await;
    let seed = made["runs"][0]["seed"].as_u64().unwrap();
    assert!(said(&made).contains(&format!("{seed} was chosen")), "{made}");
    let again = json!({"session": made["session"], "iteration": 1});
    assert_eq!(server.tool("queue_generation", again).await["runs"], made["runs"]);
    let written: Vec<Value> = bench
        .studio
        .graphs()
        .await
        .iter()
        .map(|graph| graph["5"]["inputs"]["seed"].clone())
        .collect();
    assert_eq!(written, [json!(11), json!(seed)]);
}

#[tokio::test]
async fn a_seed_without_an_effect_is_no_second_seed() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let mut asked = with_seeds(opening(&bench, "hires.json", &hires_workflow(0.5)), &[11, 22]);
    // The second pass of this workflow changes nothing that can be seen.
    asked["place"] = json!({"seed": "8.seed"});
    asked["judge"] = json!(true);
    let made = server.tool("queue_generation", asked).await;
    assert_eq!(first_picture(&made["runs"][0]), first_picture(&made["runs"][1]));
    assert!(
        said(&made).contains("Seed 22 made the same picture as seed 11"),
        "{made}"
    );
    assert!(
        said(&made).contains(" Seed 11: "),
        "one score, not the mean of two: {made}"
    );
    assert!(
        made["runs"][0].get("overall_score").is_some() && made["runs"][1].get("overall_score").is_none(),
        "{made}"
    );
    let advice = server
        .tool("get_history", json!({"session": made["session"], "advice": true}))
        .await;
    assert!(
        !advice.to_string().contains("more_seeds"),
        "more seeds tell nothing: {advice}"
    );
}
