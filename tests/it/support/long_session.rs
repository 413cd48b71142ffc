//! A session of any length, as lines that a history imports: every iteration with a prompt, a note, a run, a judgement of all
//! axes and a decision, as large as real ones are.

use history::{Line, Store};
use judge::rubric::{Rubric, RubricSource};
use serde_json::{Map, Value, json};
use types::SessionId;

/// What the session is judged by: 21 axes.
pub fn rubric() -> Rubric {
    Rubric::load(RubricSource::Builtin("default"), &mut |_| {
        panic!("nothing else is extended")
    })
    .unwrap()
}

fn hash(of: &str) -> String {
    types::ImageHash::of(of.as_bytes()).to_string()
}

fn row(table: &str, row: Value) -> Line {
    let Value::Object(row) = row else { panic!("{row}") };
    Line::Row {
        table: table.into(),
        row,
    }
}

/// Puts a session of so many iterations into the history of a data folder. Every seventh change is kept.
pub async fn put(store: &Store, iterations: u32) -> SessionId {
    let id = SessionId::random();
    let rubric = rubric();
    let start = 1_790_000_000_000_i64;
    let (judge, reference, rubric_hash) = (hash("judge"), hash("reference"), rubric.hash().to_string());
    let mut lines = vec![Line::Head {
        format: "prompt-calibrator session".into(),
        version: 2,
        session: id.clone(),
        rows: None,
    }];
    lines.push(row("sessions", json!({
        "id": id, "created_at": start, "title": "A portrait at dusk, the way the old magazine had it on its cover",
        "workflow": "{\"6\": {\"class_type\": \"CLIPTextEncode\", \"inputs\": {}}}", "workflow_hash": hash("workflow"), "workflow_source": "{\"from\":\"last\"}",
        "reference_hash": reference, "rubric_id": rubric.id, "rubric_hash": rubric_hash,
        "rubric": serde_json::to_string(&rubric).unwrap(), "explicit": 0, "target_score": 0.85, "max_iterations": 20_000,
        "choices": "{}",
    })));
    let mut best = 1;
    for n in 1..=iterations {
        let at = start + i64::from(n) * 60_000;
        let prompt = prompt(n);
        let keeps = n > 1 && n % 7 == 0;
        lines.push(row("iterations", json!({
            "session_id": id, "n": n, "parent": (n > 1).then_some(best), "created_at": at, "positive": prompt,
            "negative": "blurry, low quality", "knobs": "{}", "graph": json!({"6": {"class_type": "CLIPTextEncode", "inputs": {"text": prompt}}}).to_string(),
            "graph_hash": hash(&format!("graph {n}")), "changes": "[]",
            "note": format!("{} off: say the number of fingers and the side of the lamp ({n})", if n % 20 == 0 { "the main subject was" } else { "hands and lamp were" }),
        })));
        let run = uuid(n);
        lines.push(row(
            "runs",
            json!({
                "prompt_id": run, "session_id": id, "iteration": n, "seed": "18446744073709551615",
                "server": "http://127.0.0.1:8188/", "state": "finished", "seconds": 12.5, "prepared_at": at,
                "submitted_at": at + 100, "finished_at": at + 12_500,
            }),
        ));
        lines.push(row(
            "images",
            json!({
                "prompt_id": run, "ordinal": 0, "image_hash": hash(&format!("picture {n}")), "filename": "p.png",
                "subfolder": "", "folder_type": "output", "width": 1024, "height": 1024,
            }),
        ));
        let score = 0.3 + 0.5 * f64::from(n % 97) / 97.0;
        lines.push(row("judgements", json!({
            "id": n, "created_at": at + 20_000, "session_id": id, "iteration": n, "prompt_id": run,
            "reference_hash": reference, "image_hash": hash(&format!("picture {n}")), "judge_hash": judge,
            "rubric_hash": rubric_hash, "overall_score": score, "overall_raw": score, "verdict": verdict(&rubric, score).to_string(),
        })));
        let kind = match n {
            1 => "first",
            _ if keeps => "keep",
            _ => "revert",
        };
        lines.push(row(
            "decisions",
            json!({
                "created_at": at + 20_001, "session_id": id, "iteration": n, "against": (n > 1).then_some(best),
                "judge_hash": judge, "judgement": n, "kind": kind, "detail": detail(&rubric, n).to_string(),
            }),
        ));
        if keeps {
            best = n;
        }
    }
    store
        .import_session(lines, prompt_calibrator::session::records::check)
        .await
        .unwrap()
}

/// A run's id that follows from the iteration; of another session, another.
fn uuid(n: u32) -> String {
    let random = types::PromptId::random().to_string();
    format!("{n:08x}{}", &random[8..])
}

/// About 400 characters, as prompts of image models are.
fn prompt(n: u32) -> String {
    format!(
        "portrait of a woman of forty in a dark green wool coat, short auburn hair with a side parting, half turned to the \
         left, looking past the camera, calm and a little tired; dusk, warm lamp light from the lower right, cool sky behind, \
         shallow depth of field, 85 mm, film grain, muted palette of green and ochre, magazine cover of the seventies, \
         visible pores, hands folded in front of her, five fingers each ({n})"
    )
}

/// What a judge says of twenty-one axes, in words as long as a real one's.
pub fn verdict(rubric: &Rubric, score: f64) -> Value {
    let axes: Vec<Value> = rubric
        .axes
        .iter()
        .enumerate()
        .map(|(i, axis)| {
            let score = (score + i as f64 / 60.0).min(1.0);
            json!({
                "id": axis.id, "group": axis.group, "weight": axis.weight, "score": score, "raw": score, "order": 0.021,
                "spread": 0.11, "ref": "dark green wool coat, high collar, buttoned", "gen": "light green rain coat, open collar, belt",
                "verdict": if score >= 0.8 { "match" } else if score < 0.4 { "mismatch" } else { "partial" },
            })
        })
        .collect();
    json!({
        "overall_score": score, "overall_ci": [score - 0.04, score + 0.04], "overall_raw": score, "axes": axes,
        "signals": {"palette": 12.3456, "brightness": -3.2109, "sharpness": 0.4567, "hog": 0.3456, "ssim": 0.4567, "phash": 23},
        "flags": [], "judge": hash("judge"),
        "cost": {"encode_s": 1.1, "prefill_s": 2.2, "branch_s": 3.3, "decode_s": 0.4, "images_encoded": 1, "images_kept": 1,
                 "prefill_tokens": 4000, "reused_tokens": 1000, "branch_tokens": 1500},
        "seconds": 7.5,
    })
}

fn detail(rubric: &Rubric, n: u32) -> Value {
    let by = f64::from(n % 13) / 100.0 - 0.06;
    let axes: Map<String, Value> = rubric
        .axes
        .iter()
        .map(|axis| (axis.id.to_string(), json!([by])))
        .collect();
    json!({
        "comparison": {"seeds": [u64::MAX], "overall": [by], "axes": axes}, "probability": 0.42,
        "moved": {"lighting_color": 0.31, "expression": -0.28}, "fell": {"expression": [1, 0.28], "style": [1, 0.22]},
        "needs": {"1": [17_446_744_073_709_551_615_u64]},
    })
}
