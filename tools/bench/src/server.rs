//! The same judgement as one would ask it of llama-server: a JSON document with all axes, in both orders.

use std::io::Cursor;
use std::time::Instant;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eval::json;
use imaging::{Picture, TokenBudget, fit};
use judge::protocol::{self, Order};
use judge::rubric::Rubric;
use serde_json::{Value, json};

/// Most characters of a value, as in the judge's own JSON protocol.
const VALUE_CHARACTERS: u32 = 32;
/// Tokens of a document without a grammar when none with one was printed before.
const LENGTH: u64 = 500;

/// How the document is asked for.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Manner {
    /// With a JSON schema, one order after the other.
    Schema,
    /// With a JSON schema, both orders at once (the server needs two slots).
    SchemaAtOnce,
    /// Without a grammar, as many tokens as the document had.
    Free,
    /// The same, both orders at once.
    FreeAtOnce,
}

impl Manner {
    /// The one with a schema comes first: it says how long the document is.
    pub const ALL: [Self; 4] = [Self::Schema, Self::SchemaAtOnce, Self::Free, Self::FreeAtOnce];

    pub fn name(self) -> &'static str {
        match self {
            Self::Schema => "json_schema",
            Self::SchemaAtOnce => "json_schema, both orders at once",
            Self::Free => "no grammar, equal length",
            Self::FreeAtOnce => "no grammar, both orders at once",
        }
    }

    fn at_once(self) -> bool {
        matches!(self, Self::SchemaAtOnce | Self::FreeAtOnce)
    }

    fn has_schema(self) -> bool {
        matches!(self, Self::Schema | Self::SchemaAtOnce)
    }
}

/// One judgement by the server.
pub struct Lap {
    pub seconds: f64,
    /// Tokens printed in both orders together.
    pub printed: u64,
    /// Tokens of the longer of the two documents.
    pub longest: u64,
}

pub struct Server {
    client: reqwest::Client,
    url: String,
    tokens: u32,
}

impl Server {
    /// Looks whether a server answers.
    pub async fn new(url: &str, tokens: u32) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = url.trim_end_matches('/').to_owned();
        let health = client.get(format!("{url}/health")).send().await;
        health
            .and_then(reqwest::Response::error_for_status)
            .with_context(|| format!("no llama-server is ready at {url}"))?;
        Ok(Self { client, url, tokens })
    }

    /// Reads a pair and prints one token.
    pub async fn warm_up(&self, rubric: &Rubric, pair: (&Picture, &Picture)) -> Result<()> {
        self.judge(rubric, pair, Manner::Free, Some(1)).await.map(drop)
    }

    /// Judges a pair in both orders.
    pub async fn judge(
        &self,
        rubric: &Rubric,
        (reference, other): (&Picture, &Picture),
        manner: Manner,
        length: Option<u64>,
    ) -> Result<Lap> {
        let [reference, other] = [self.part(reference)?, self.part(other)?];
        let body = |order| {
            let images = match order {
                Order::ReferenceFirst => [&reference, &other],
                Order::ReferenceSecond => [&other, &reference],
            };
            Self::body(rubric, order, images, manner, length)
        };
        let [one, two] = Order::BOTH.map(body);
        let started = Instant::now();
        let (one, two) = if manner.at_once() {
            tokio::try_join!(self.ask(&one), self.ask(&two))?
        } else {
            (self.ask(&one).await?, self.ask(&two).await?)
        };
        Ok(Lap {
            seconds: started.elapsed().as_secs_f64(),
            printed: one + two,
            longest: one.max(two),
        })
    }

    /// Tokens that were printed.
    async fn ask(&self, body: &Value) -> Result<u64> {
        let url = format!("{}/v1/chat/completions", self.url);
        let response = self.client.post(url).json(body).send().await?;
        let status = response.status();
        let answer: Value = response.json().await?;
        anyhow::ensure!(status.is_success(), "llama-server said {status}: {answer}");
        answer["usage"]["completion_tokens"]
            .as_u64()
            .context("llama-server's answer has no usage")
    }

    /// A picture as the judge's model sees it, so that both encode the same number of patches.
    fn part(&self, picture: &Picture) -> Result<Value> {
        let fitted = fit(picture, TokenBudget::new(self.tokens)?)?;
        let pixels = image::RgbImage::from_raw(fitted.width, fitted.height, fitted.rgb).context("no pixels")?;
        let mut png = Cursor::new(Vec::new());
        pixels.write_to(&mut png, image::ImageFormat::Png)?;
        let url = format!("data:image/png;base64,{}", STANDARD.encode(png.into_inner()));
        Ok(json!({ "type": "image_url", "image_url": { "url": url } }))
    }

    fn body(rubric: &Rubric, order: Order, images: [&Value; 2], manner: Manner, length: Option<u64>) -> Value {
        let text = |text: String| json!({ "type": "text", "text": text });
        let mut body = json!({
            "messages": [
                { "role": "system", "content": protocol::system(rubric) },
                { "role": "user", "content": [
                    text("Image 1: ".into()), images[0],
                    text("\nImage 2: ".into()), images[1],
                    text(format!("\n{}", json::branch(rubric, order).text)),
                ] },
            ],
            "temperature": 0,
            "cache_prompt": true,
        });
        if manner.has_schema() {
            body["response_format"] =
                json!({ "type": "json_schema", "json_schema": { "schema": Self::schema(rubric) } });
            if let Some(length) = length {
                body["max_tokens"] = length.into();
            }
        } else {
            body["max_tokens"] = length.unwrap_or(LENGTH).into();
            body["ignore_eos"] = true.into();
        }
        body
    }

    fn schema(rubric: &Rubric) -> Value {
        let tenths: Vec<f64> = (0..=10).map(|n| f64::from(n) / 10.0).collect();
        let value = json!({ "type": "string", "maxLength": VALUE_CHARACTERS });
        let axis = json!({
            "type": "object",
            "properties": { "ref": value, "gen": value, "score": { "enum": tenths } },
            "required": ["ref", "gen", "score"],
            "additionalProperties": false,
        });
        let names: Vec<&str> = rubric.axes.iter().map(|a| a.id.as_str()).collect();
        let properties: serde_json::Map<String, Value> = names.iter().map(|&n| (n.to_owned(), axis.clone())).collect();
        json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
    }
}
