//! Batches as bytes: `PCB1`, the length of a JSON header, the header, then the arrays it names.

use std::io::{self, Write};

use anyhow::Result;
use scenes::{ATTRIBUTES, Rng, Scene};
use serde_json::{Value, json};

use crate::pictures::{SIDE, Shown, Source, TARGETS, targets};
use crate::questions::{Asked, KINDS};
use crate::tree::{Leaf, SEGMENTS, Target};

/// A batch ready to be written.
pub struct Frame {
    header: Value,
    bytes: Vec<u8>,
}

impl Frame {
    fn new(mode: &str) -> Self {
        let attributes: Vec<Value> = TARGETS
            .iter()
            .map(|&(name, classes)| match classes {
                0 => json!({"name": name, "kind": "value"}),
                n => json!({"name": name, "kind": "class", "classes": n}),
            })
            .collect();
        Self {
            header: json!({
                "mode": mode,
                "arrays": [],
                "attributes": attributes,
                "kinds": KINDS,
                "axes": ATTRIBUTES.map(|a| a.id()),
            }),
            bytes: Vec::new(),
        }
    }

    fn array(&mut self, name: &str, dtype: &str, shape: &[usize], bytes: impl IntoIterator<Item = u8>) {
        if let Some(arrays) = self.header["arrays"].as_array_mut() {
            arrays.push(json!({"name": name, "dtype": dtype, "shape": shape}));
        }
        self.bytes.extend(bytes);
    }

    fn pictures(&mut self, pixels: &[Vec<u8>], attributes: &[Vec<f32>]) {
        let side = SIDE as usize;
        self.array(
            "pixels",
            "uint8",
            &[pixels.len(), side, side, 3],
            pixels.iter().flatten().copied(),
        );
        let values = attributes.iter().flatten().flat_map(|v| v.to_le_bytes());
        self.array("attributes", "float32", &[attributes.len(), TARGETS.len()], values);
    }

    /// Writes it.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let header = self.header.to_string();
        out.write_all(b"PCB1")?;
        out.write_all(&u32::try_from(header.len()).map_err(io::Error::other)?.to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        out.write_all(&self.bytes)
    }
}

/// Pictures alone.
pub fn see(source: &mut Source, count: usize, rng: &mut Rng) -> Result<Frame> {
    let mut pixels = Vec::with_capacity(count);
    let mut attributes = Vec::with_capacity(count);
    for _ in 0..count {
        let shown = Shown::Scene(Scene::random_partly_hidden(rng));
        pixels.push(source.pixels(&shown, rng)?);
        attributes.push(targets(&shown).to_vec());
    }
    let mut frame = Frame::new("see");
    frame.pictures(&pixels, &attributes);
    Ok(frame)
}

/// Pictures and questions.
pub fn judge(asked: &Asked) -> Frame {
    let mut frame = Frame::new("judge");
    frame.pictures(&asked.pixels, &asked.attributes);
    let (samples, room) = (asked.samples.len(), asked.room);
    let system = asked.system.iter().flat_map(|&id| short(id).to_le_bytes());
    frame.array("system", "uint16", &[asked.system.len()], system);

    let blank = Leaf {
        token: 0,
        segment: -1,
        position: [0; 3],
        target: Target::default(),
    };
    let rows: Vec<Vec<Leaf>> = asked
        .samples
        .iter()
        .map(|tree| {
            let mut row = tree.leaves.clone();
            row.resize(room, blank);
            row
        })
        .collect();
    let leaves = || rows.iter().flatten();
    let shape = [samples, room];
    frame.array("tokens", "uint16", &shape, leaves().flat_map(|l| l.token.to_le_bytes()));
    frame.array(
        "segment",
        "int16",
        &shape,
        leaves().flat_map(|l| l.segment.to_le_bytes()),
    );
    let parents = asked.samples.iter().flat_map(|tree| {
        let blanks = SEGMENTS.saturating_sub(tree.parents.len());
        tree.parents.iter().copied().chain(std::iter::repeat_n(-1, blanks))
    });
    frame.array(
        "parent",
        "int16",
        &[samples, SEGMENTS],
        parents.flat_map(i16::to_le_bytes),
    );
    let positions = rows
        .iter()
        .flat_map(|row| (0..3).flat_map(move |axis| row.iter().map(move |l| l.position[axis])))
        .flat_map(i32::to_le_bytes);
    frame.array("positions", "int32", &[samples, 3, room], positions);
    for (i, (token, weight)) in [("target0", "weight0"), ("target1", "weight1")].into_iter().enumerate() {
        frame.array(
            token,
            "uint16",
            &shape,
            leaves().flat_map(|l| l.target.tokens[i].to_le_bytes()),
        );
        frame.array(
            weight,
            "float32",
            &shape,
            leaves().flat_map(|l| l.target.weights[i].to_le_bytes()),
        );
    }
    frame.array("kind", "uint8", &shape, leaves().map(|l| l.target.kind));
    frame.array("axis", "uint8", &shape, leaves().map(|l| l.target.axis));
    frame
}

fn short(id: i32) -> u16 {
    u16::try_from(id).unwrap_or(0)
}
