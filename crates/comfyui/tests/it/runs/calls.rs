//! The single calls of the client.

use super::*;

#[tokio::test]
async fn images_are_bounded_and_have_to_be_whole() {
    within(async {
        let path = |name: &str| format!("GET /view?filename={name}&subfolder=a%2Fb&type=temp");
        let script = Script::new(recorded("cached"))
            .answer(&path("fits.png"), Answer::Bytes(200, vec![7; 1000]))
            .answer(&path("large.png"), Answer::Bytes(200, vec![7; 1001]))
            .answer(&path("endless.png"), Answer::Endless)
            .answer(
                &path("cut.png"),
                Answer::Cut {
                    bytes: vec![7; 10],
                    announced: 900,
                },
            )
            .answer(&path("empty.png"), Answer::Bytes(200, Vec::new()))
            .answer(&path("gone.png"), Answer::Bytes(404, Vec::new()))
            .answer(&path("bad.png"), Answer::Bytes(400, Vec::new()));
        let server = Replay::start(script).expect("a server");
        let client = runner(&server).client().clone();
        let view = |name: &str| {
            let image = ImageRef {
                filename: name.into(),
                subfolder: "a/b".into(),
                kind: ImageKind::Temp,
            };
            let client = client.clone();
            async move { client.view(&image, 1000).await }
        };
        assert_eq!(view("fits.png").await.map(|bytes| bytes.len()), Ok(1000));
        assert!(matches!(
            view("large.png").await,
            Err(ComfyError::TooLarge { limit: 1000, .. })
        ));
        assert!(matches!(
            view("endless.png").await,
            Err(ComfyError::TooLarge { limit: 1000, .. })
        ));
        assert!(matches!(view("cut.png").await, Err(ComfyError::BadAnswer { .. })));
        assert!(matches!(view("empty.png").await, Err(ComfyError::BadAnswer { .. })));
        assert_eq!(
            view("gone.png").await,
            Err(ComfyError::ImageGone {
                filename: "gone.png".into(),
                cached: false
            })
        );
        assert!(matches!(
            view("bad.png").await,
            Err(ComfyError::Http { status: 400, .. })
        ));
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn an_image_is_asked_for_as_it_is_or_as_a_jpeg() {
    within(async {
        let path = "GET /view?filename=a.webp&subfolder=&type=output";
        let script = Script::new(recorded("cached"))
            .answer(path, Answer::Bytes(200, vec![7; 20]))
            .answer(&format!("{path}&preview=jpeg%3B90"), Answer::Bytes(200, vec![7; 10]));
        let server = Replay::start(script).expect("a server");
        let client = runner(&server).client().clone();
        let image = ImageRef {
            filename: "a.webp".into(),
            subfolder: String::new(),
            kind: ImageKind::Output,
        };
        for (form, wanted) in [(Form::File, 20), (Form::Jpeg, 10)] {
            let mut bytes = Vec::new();
            let sent = client.view_into(&image, form, 1000, &mut bytes).await;
            assert_eq!((sent, bytes.len()), (Ok(wanted), wanted as usize));
        }
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_prefix_and_credentials_reach_every_request() {
    within(async {
        let mut script = Script::new(recorded("text_to_image"));
        script.prefix = "/comfy".into();
        script.authorization = Some("Bearer secret".into());
        let submission = submission(&script);
        let server = Replay::start(script).expect("a server");
        let unauthorized = runner(&server).client().queue().await.expect_err("no credentials");
        assert!(matches!(unauthorized, ComfyError::Http { status: 401, .. }) && unauthorized.hint().contains("token"));

        let mut config = config(&server);
        config.auth = Auth::Bearer("secret".into());
        assert!(!format!("{config:?}").contains("secret"));
        let run = runner_with(config).start(submission).await.expect("a run");
        run.outcome().await.expect("a result");
        assert_eq!(server.seen().sockets, 1);
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn definitions_are_cached_per_class() {
    within(async {
        let script = Script::new(recorded("cached"))
            .answer(
                "GET /object_info/KSampler",
                Answer::Json(200, json!({"KSampler": {"output_node": false}})),
            )
            .answer(
                "GET /object_info/A%20%2F%20B%20(x)",
                Answer::Json(200, json!({"A / B (x)": {"output_node": true}})),
            )
            .answer("GET /object_info/NoSuchNode", Answer::Json(200, json!({})));
        let server = Replay::start(script).expect("a server");
        let client = runner(&server).client().clone();
        for _ in 0..2 {
            let found = client
                .object_info_for(&["KSampler", "NoSuchNode", "A / B (x)"])
                .await
                .expect("definitions");
            assert_eq!(found["KSampler"].as_deref(), Some(&json!({"output_node": false})));
            assert_eq!(found["A / B (x)"].as_deref(), Some(&json!({"output_node": true})));
            assert_eq!(found["NoSuchNode"], None);
        }
        let asked = |server: &Replay, class: &str| {
            server
                .seen()
                .answered
                .iter()
                .filter(|(line, _)| line.ends_with(class))
                .count()
        };
        assert_eq!((asked(&server, "KSampler"), asked(&server, "NoSuchNode")), (1, 2));
        client.forget_definition("KSampler");
        client.object_info_for(&["KSampler"]).await.expect("definitions");
        assert_eq!(asked(&server, "KSampler"), 2);
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn the_small_calls_say_and_read_what_the_server_does() {
    within(async {
        let recording = recorded("text_to_image");
        let graph = recording.graph().clone();
        let stats = json!({
            "system": {"comfyui_version": "0.33.0", "python_version": "3.12.1"},
            "devices": [{"name": "cuda:0 X", "type": "cuda", "vram_total": 100, "vram_free": 40}],
        });
        let script = Script::new(recording.clone())
            .answer("GET /system_stats", Answer::Json(200, stats))
            .answer(
                "GET /history?max_items=1",
                Answer::Json(200, json!({"some-id": recording.history()})),
            )
            .answer("POST /free", Answer::Bytes(200, Vec::new()))
            .answer(
                "POST /upload/image",
                Answer::Json(200, json!({"name": "ref (1).png", "subfolder": "", "type": "input"})),
            );
        let server = Replay::start(script).expect("a server");
        let client = runner(&server).client().clone();
        let stats = client.system_stats().await.expect("stats");
        assert_eq!((stats.version.as_str(), stats.devices[0].vram_free), ("0.33.0", 40));
        assert_eq!(client.last_graph().await, Ok(Some(graph)));
        assert_eq!(client.queue_state(Uuid::new_v4()).await, Ok(QueueState::Absent));
        client.free(true, false).await.expect("freed");
        assert_eq!(
            client.upload_image("ref.png", b"\x89PNG bytes".to_vec()).await,
            Ok("ref (1).png".into())
        );
        let Seen { answered, .. } = server.seen();
        let body = |line: &str| {
            answered
                .iter()
                .find(|(asked, _)| asked == line)
                .map(|(_, body)| String::from_utf8_lossy(body).into_owned())
        };
        assert_eq!(
            body("POST /free").as_deref(),
            Some(r#"{"unload_models":true,"free_memory":false}"#)
        );
        let upload = body("POST /upload/image").expect("an upload");
        assert!(
            upload.contains(r#"name="image"; filename="ref.png""#) && upload.contains("PNG bytes"),
            "{upload}"
        );
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn another_program_at_the_address_is_told_apart() {
    within(async {
        let script = Script::new(recorded("cached"))
            .answer("GET /system_stats", Answer::Bytes(200, b"<html>login</html>".to_vec()))
            .answer(
                "GET /queue",
                Answer::Json(200, json!({"queue_running": [[1]], "queue_pending": 3})),
            );
        let server = Replay::start(script).expect("a server");
        let client = runner(&server).client().clone();
        let error = client.system_stats().await.expect_err("not ComfyUI");
        assert!(
            matches!(error, ComfyError::BadAnswer { .. }) && error.hint().contains("ComfyUI server"),
            "{error}"
        );
        assert!(matches!(client.queue().await, Err(ComfyError::BadAnswer { .. })));
        assert!(matches!(
            Client::new(ClientConfig::new("ftp://x/".parse().expect("a URL"))),
            Err(ComfyError::Config { .. })
        ));
    })
    .await;
}

#[tokio::test]
async fn a_class_that_is_missing_and_a_route_that_is_missing_are_two_things() {
    within(async {
        let script = Script::new(recorded("cached"))
            .answer("GET /object_info/Nowhere", Answer::Json(200, json!({})))
            .answer(
                "GET /object_info/KSampler",
                Answer::Bytes(404, b"<title>404 Not Found</title>".to_vec()),
            );
        let server = Replay::start(script).expect("a server");
        let client = runner(&server).client().clone();
        let found = client.object_info_for(&["Nowhere"]).await.expect("an answer");
        assert_eq!(found["Nowhere"], None);
        let error = client.object_info_for(&["KSampler"]).await.expect_err("no such route");
        assert!(matches!(error, ComfyError::Http { status: 404, .. }), "{error:?}");
        assert!(error.to_string().contains("404 Not Found"), "{error}");
        assert!(error.hint().contains("path prefix"), "{}", error.hint());
    })
    .await;
}

/// Only `{}` says that there is no such class.
#[tokio::test]
async fn a_definition_that_is_none_is_a_bad_answer_and_no_missing_class() {
    within(async {
        let answers = [
            json!(null),
            json!([]),
            json!("KSampler"),
            json!({"KSampler": null}),
            json!({"KSampler": []}),
            json!({"error": "busy"}),
        ];
        for answer in answers {
            let told = Answer::Json(200, answer.clone());
            let script = Script::new(recorded("cached")).answer("GET /object_info/KSampler", told);
            let server = Replay::start(script).expect("a server");
            let error = runner(&server)
                .client()
                .object_info_for(&["KSampler"])
                .await
                .expect_err("no definition");
            assert!(matches!(error, ComfyError::BadAnswer { .. }), "{answer}: {error:?}");
            assert!(error.to_string().contains("GET /object_info/KSampler"), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_runs_in_place_of_a_missing_class_is_asked_for_once() {
    within(async {
        let described = |class: &str| json!({class: {"input": {"required": {}}, "output": []}});
        let replacements = json!({"Old": [{"new_node_id": "New", "old_node_id": "Old", "old_widget_ids": null,
            "input_mapping": null, "output_mapping": null}]});
        let script = || {
            Script::new(recorded("cached"))
                .answer("GET /object_info/Old", Answer::Json(200, json!({})))
                .answer("GET /object_info/Gone", Answer::Json(200, json!({})))
                .answer("GET /object_info/New", Answer::Json(200, described("New")))
                .answer("GET /object_info/Kept", Answer::Json(200, described("Kept")))
        };
        let graph = |class: &str| {
            Graph::from_json(
                json!({"1": {"class_type": class, "inputs": {}}, "2": {"class_type": "Kept", "inputs": {}}}),
            )
            .expect("a graph")
        };
        let asked = |server: &Replay| {
            let answered = server.seen().answered;
            answered
                .iter()
                .filter(|(line, _)| line.ends_with("/node_replacements"))
                .count()
        };
        let server = Replay::start(script().answer("GET /node_replacements", Answer::Json(200, replacements)))
            .expect("a server");
        let client = runner(&server).client().clone();
        client.describe(&[&graph("Kept")]).await.expect("definitions");
        assert_eq!(asked(&server), 0, "nothing is missing");
        for _ in 0..2 {
            let told = client
                .describe(&[&graph("Old"), &graph("Kept")])
                .await
                .expect("definitions");
            assert_eq!(told.replacements.of("Old"), Some("New"));
            assert!(told.info.get("New").is_some() && told.info.get("Old").is_none());
        }
        assert_eq!(asked(&server), 1);
        let told = client.describe(&[&graph("Gone")]).await.expect("definitions");
        assert_eq!((told.replacements.of("Gone"), asked(&server)), (None, 2));
        nothing_unexpected(&server);

        // A release without the route, and a proxy that answers with its page.
        for answer in [Answer::Bytes(404, Vec::new()), Answer::Bytes(200, b"<html>".to_vec())] {
            let server = Replay::start(script().answer("GET /node_replacements", answer)).expect("a server");
            let told = runner(&server)
                .client()
                .describe(&[&graph("Old")])
                .await
                .expect("definitions");
            assert_eq!(told.replacements.of("Old"), None);
            nothing_unexpected(&server);
        }
    })
    .await;
}

#[tokio::test]
async fn what_answers_instead_of_comfyui_is_known_before_anything_is_posted() {
    within(async {
        let page = b"<html><title>Sign in</title>".to_vec();
        for (status, body, words) in [
            (200, page.clone(), "a web page titled \"Sign in\""),
            (502, page, "status 502"),
            (401, Vec::new(), "status 401"),
        ] {
            let script = Script::new(recorded("cached")).answer("GET /queue", Answer::Bytes(status, body));
            let server = Replay::start(script).expect("a server");
            let error = runner(&server).answers().await.expect_err("not ComfyUI");
            assert!(error.to_string().contains(words), "{error}");
        }
        let server = Replay::start(Script::new(recorded("cached"))).expect("a server");
        assert_eq!(runner(&server).answers().await, Ok(()));

        // As nginx says it.
        let page = b"<title>400 The plain HTTP request was sent to HTTPS port</title>".to_vec();
        let script = Script::new(recorded("cached")).answer("GET /queue", Answer::Bytes(400, page));
        let server = Replay::start(script).expect("a server");
        let error = runner(&server).answers().await.expect_err("another scheme");
        assert!(error.hint().contains("https://"), "{}", error.hint());
    })
    .await;
}

#[tokio::test]
async fn answers_that_would_fill_the_memory_are_not_used() {
    within(async {
        let run = Uuid::new_v4();
        let (many, record) = (vec![0; 100_000], vec![0; 500_000]);
        let script = Script::new(recorded("cached"))
            .answer(
                "GET /object_info/Many",
                Answer::Json(200, json!({"Many": {"output_node": many}})),
            )
            .answer("GET /object_info/Endless", Answer::Endless)
            .answer("GET /system_stats", Answer::Bytes(200, vec![b' '; (8 << 20) + 1]))
            .answer(
                &format!("GET /history/{run}"),
                Answer::Json(200, json!({run.to_string(): {"outputs": record}})),
            )
            .answer(
                "GET /history?max_items=1",
                Answer::Bytes(200, vec![b' '; (32 << 20) + 1]),
            )
            .answer("GET /queue", Answer::Endless);
        let server = Replay::start(script).expect("a server");
        let client = runner(&server).client().clone();
        let failures = [
            ("values", client.object_info_for(&["Many"]).await.map(drop)),
            ("bytes", client.object_info_for(&["Endless"]).await.map(drop)),
            ("bytes", client.system_stats().await.map(drop)),
            ("values", client.history(run).await.map(drop)),
            ("bytes", client.last_graph().await.map(drop)),
            ("bytes", client.queue().await.map(drop)),
        ];
        for (n, (unit, failure)) in failures.into_iter().enumerate() {
            let error = failure.expect_err("not used");
            let ComfyError::TooMuchJson { limit, .. } = &error else {
                panic!("{n}: {error:?}")
            };
            assert!(limit.ends_with(unit), "{n}: {error}");
            assert!(!error.is_passing(), "{n}: asking again does not help");
            let of_runs = error.to_string().contains("/history") || error.to_string().contains("/queue");
            assert_eq!(error.hint().contains("restart"), of_runs, "{n}: {}", error.hint());
        }
        nothing_unexpected(&server);
    })
    .await;
}
