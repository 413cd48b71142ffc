use serde_json::json;

use super::*;

#[test]
fn names_that_hold_a_secret_and_names_that_do_not() {
    for name in [
        "key",
        "token",
        "password",
        "secret",
        "api_key",
        "apikey",
        "apiKey",
        "API key",
        "APIKey",
        "openAIKey_2",
        "api-key",
        "authorization",
        "Authorization",
        "hf_token",
        "hftoken",
        "HF_TOKEN",
        "access_token",
        "client_secret",
        "private_key",
        "aws_secret_access_key",
        "civitai_api_key_1",
        "9.api_key",
        "LLM.token",
        "api_keys",
        "passphrase",
        "db_password",
        "API密钥",
    ] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in [
        "keyframe",
        "keyframes",
        "key_color",
        "key_frame_count",
        "token_count",
        "tokenizer",
        "max_tokens",
        "tokens",
        "keys",
        "eos_token",
        "stop_token",
        "trigger_token",
        "placeholder_token",
        "progress_token",
        "sort_key",
        "chroma_key",
        "hot_key",
        "dict_key",
        "keyboard",
        "monkey",
        "secretary",
        "passwordless",
        "authors",
        "text",
        "positive",
        "seed",
        "ckpt_name",
        "key.text",
        "",
        "7",
        "keep_token_order",
        "secret_strength",
    ] {
        assert!(!is_secret_name(name), "{name}");
    }
}

#[test]
fn secrets_are_found_by_their_shape() {
    for (text, shown) in [
        ("uses sk-SECRETabc123DEF456 now", "uses [masked] now"),
        ("sk-proj-AbC123-dEf456GhI789_jKl012MnO345", "[masked]"),
        ("sk-ant-api03-Zm9vYmFyYmF6cXV4MTIz-AA", "[masked]"),
        ("hf_AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh, hf_x", "[masked], hf_x"),
        ("(ghp_0123456789abcdefABCDEF0123456789abcd)", "([masked])"),
        ("AKIAIOSFODNN7EXAMPLE and AKIAIOSFODNN7", "[masked] and AKIAIOSFODNN7"),
        (
            "t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U.",
            "t=[masked].",
        ),
        (
            "Authorization: Bearer abcdef0123456789abcdef",
            "Authorization: Bearer [masked]",
        ),
        (
            "authorization: Basic dXNlcjpwYXNzd29yZDE=",
            "authorization: Basic [masked]",
        ),
        (
            "{\"api_key\": \"0a1b2c3d4e5f\", \"n\": 2}",
            "{\"api_key\": \"[masked]\", \"n\": 2}",
        ),
        (
            "https://civitai.com/api/models/7?token=0a1b2c3d4e5f&x=1",
            "https://civitai.com/api/models/7?token=[masked]&x=1",
        ),
        (
            "http://user:pa55@proxy.example:81/x",
            "http://user:[masked]@proxy.example:81/x",
        ),
    ] {
        assert_eq!(masked(text), shown);
        assert_eq!(masked(shown), shown, "masking twice changes nothing");
    }
}

#[test]
fn prompts_names_and_hashes_are_no_secrets() {
    for text in [
        "the key to the garden, a token of love, a secret password",
        "key: soft light from the left, (token:1.2), secret: none",
        "high-key lighting, keyframe, key visual 2024",
        "a ring bearer in a hat, the bearer of bad news",
        "sk-style-character-detailer-v2.safetensors",
        "hf_model_loader",
        "comfyui-manager-and-friends",
        "0a79e3f4b1c2d3e4f5061728394a5b6c7d8e9f000a79e3f4b1c2d3e4f5061728",
        "550e8400-e29b-41d4-a716-446655440000",
        "calibrator://pictures/0a79e3f4b1c2d3e4f5061728394a5b6c7d8e9f000a79e3f4b1c2d3e4f5061728",
        "http://127.0.0.1:8188/prompt",
        "mail me at somebody@example.org: today",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "token=abc",
        "früh, 日本語 key=値段",
        "",
    ] {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn long_texts_take_no_longer_for_what_looks_like_the_beginning_of_a_secret() {
    // Looked through anew from every word of it, each would take hours.
    for piece in ["key=", "eyJ.", "token: ", "bearer ", "http://a:", "\"key\": \""] {
        let text = piece.repeat(2_000_000 / piece.len());
        assert_eq!(masked(&text), text, "{piece}");
    }
}

#[test]
fn a_graph_is_masked_by_names_and_shapes_and_stays_a_graph() {
    let graph = json!({
        "9": {"class_type": "Llm", "inputs": {
            "api_key": "open sesame", "prompt": "the key is sk-SECRETabc123DEF456", "token": ["4", 0], "password": "",
            "headers": {"Authorization": "anything at all"}, "key_color": "green", "token_count": 7,
        }, "_meta": {"title": "A key node"}},
    });
    let mut shown = graph.clone();
    mask(&mut shown);
    let inputs = &shown["9"]["inputs"];
    assert_eq!(inputs["api_key"], MASK);
    assert_eq!(inputs["prompt"], "the key is [masked]");
    assert_eq!(inputs["token"], json!(["4", 0]), "a link is no secret");
    assert_eq!(inputs["headers"]["Authorization"], MASK);
    for same in ["password", "key_color", "token_count"] {
        assert_eq!(inputs[same], graph["9"]["inputs"][same]);
    }
    assert_eq!(shown["9"]["_meta"], graph["9"]["_meta"]);
    let mut twice = shown.clone();
    mask(&mut twice);
    assert_eq!(twice, shown);
    assert_eq!(Secrets::of(&shown), Secrets::default());

    let secrets = Secrets::of(&graph);
    assert_eq!(secrets.masked("refused: open sesame"), "refused: [masked]");
    let mut told = json!(["anything at all", {"error": "open sesame"}, "sk-SECRETabc123DEF456"]);
    secrets.mask_texts(&mut told);
    assert_eq!(told, json!([MASK, {"error": MASK}, MASK]));
    // A key in music, say: masked at its place, and left alone in prompts.
    for harmless in [
        json!({"1": {"inputs": {"text": "the key"}}}),
        json!({"key": "dissonant"}),
        json!({"key": "C major"}),
    ] {
        assert_eq!(Secrets::of(&harmless), Secrets::default());
    }
}

#[test]
fn the_secrets_of_a_json_text_are_named_without_making_its_values() {
    let named = |text: &str| inputs_in(text).into_iter().collect::<Vec<_>>();
    let graph =
        json!({"9": {"inputs": {"api_key": "x", "text": "sk-SECRETabc123DEF456", "token": ["4", 0], "password": " "}}});
    assert_eq!(named(&graph.to_string()), ["api_key", "text"]);
    assert_eq!(
        named("{\"widgets_values\": [1, \"hf_0123456789abcdefABCD\"]}"),
        ["widgets_values"]
    );
    // ComfyUI's own JSON may hold NaN; other programs write no JSON at all.
    assert_eq!(
        named("{\"is_changed\": NaN, \"api_key\": \"0a1b2c3d4e5f\"}"),
        ["a text"]
    );
    assert_eq!(named("a fox, steps: 20"), Vec::<String>::new());
    assert_eq!(named("{\"positive\": \"the key\"}"), Vec::<String>::new());
}

#[test]
fn changes_are_masked_by_the_input_that_they_name() {
    let mut changes = json!([
        {"node": "9", "input": "api_key", "from": "old", "to": "new"},
        {"node": "9", "input": "text", "from": "old", "to": "new"},
    ]);
    mask(&mut changes);
    assert_eq!(
        changes,
        json!([
            {"node": "9", "input": "api_key", "from": MASK, "to": MASK},
            {"node": "9", "input": "text", "from": "old", "to": "new"},
        ])
    );
    assert_eq!(masked_input("9.api_key", &json!("new")), json!(MASK));
    assert_eq!(masked_input("9.text", &json!("sk-SECRETabc123DEF456")), json!(MASK));
    assert_eq!(masked_input("3.steps", &json!(20)), json!(20));
}
