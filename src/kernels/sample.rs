//! Logits to the next token's id: greedy or sampled, on the device, so that only an id is read back.

use burn::tensor::{Int, Tensor};
use bytemuck::NoUninit;

use super::launch::{Launch, Shader, cpu, elements, fragment, on_gpu, upload_words};

/// Invocations of the single workgroup.
pub const WORKGROUP: usize = 256;
/// Largest `top_k`: each candidate is one pass over the vocabulary, and llvmpipe ends loops after 65,535 steps.
pub const MAX_TOP_K: usize = 64;

/// How to choose. The order is that of transformers' processors: repetition penalty, temperature, top-k, top-p.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleParams {
    /// Softmax temperature, above 0.
    pub temperature: f32,
    /// Candidates, 1..=[`MAX_TOP_K`]; 1 is greedy.
    pub top_k: usize,
    /// Probability mass of the candidates to keep, 0..=1.
    pub top_p: f32,
    /// Repetition penalty (CTRL, Keskar et al. 2019); 1 is none.
    pub penalty: f32,
    /// A uniform draw in [0, 1).
    pub draw: f32,
}

#[repr(C)]
#[derive(Clone, Copy, NoUninit)]
struct Params {
    vocabulary: u32,
    seen_count: u32,
    top_k: u32,
    temperature: f32,
    top_p: f32,
    penalty: f32,
    draw: f32,
    restricted: u32,
}

pub(super) fn shader() -> Shader {
    Shader::new(&[fragment!("sample")])
        .constant("WORKGROUP", WORKGROUP)
        .constant("MAX_TOP_K", MAX_TOP_K)
}

/// Chooses from `logits` [1, vocabulary]; `seen` lists, once each, the ids that the penalty applies to; of `allowed`, where it
/// is given, one bit an id says which may be chosen, one at least, and none beyond its end. -> [1]. The logits may be changed.
pub fn sample(
    logits: &Tensor<2>,
    seen: &[u32],
    allowed: Option<&[u32]>,
    how: SampleParams,
) -> Tensor<1, Int> {
    let [rows, vocabulary] = logits.dims();
    assert!(
        rows == 1 && vocabulary > 0,
        "sample: logits [{rows}, {vocabulary}]"
    );
    assert!(
        (1..=MAX_TOP_K).contains(&how.top_k),
        "sample: top_k {} outside 1..={MAX_TOP_K}",
        how.top_k
    );
    assert!(
        how.temperature > 0.0 && how.penalty > 0.0,
        "sample: temperature and penalty must be above 0"
    );
    let device = logits.device();
    let top_k = how.top_k.min(vocabulary);
    if on_gpu(logits) {
        let params = Params {
            vocabulary: vocabulary as u32,
            seen_count: seen.len() as u32,
            top_k: top_k as u32,
            temperature: how.temperature,
            top_p: how.top_p,
            penalty: how.penalty,
            draw: how.draw,
            restricted: allowed.is_some().into(),
        };
        let launch = Launch::new(shader()).tensor(logits);
        // An upload would end the submission.
        let launch = match seen {
            [] => launch.int_output(1),
            seen => launch.ints(&upload_words(seen.to_vec(), &device)),
        };
        let launch = match allowed {
            None => launch.int_output(1),
            Some(allowed) => {
                let mut words = allowed.to_vec();
                words.resize(vocabulary.div_ceil(32), 0);
                launch.ints(&upload_words(words, &device))
            }
        };
        return launch.int_output(1).run_into_ints(&params, [1, 1, 1], 3);
    }
    let values = cpu(logits);
    let mut values = elements::<f32>(&values).to_vec();
    for &id in seen {
        let value = &mut values[id as usize];
        *value = if *value > 0.0 {
            *value / how.penalty
        } else {
            *value * how.penalty
        };
    }
    if let Some(allowed) = allowed {
        for (id, value) in values.iter_mut().enumerate() {
            let word = allowed.get(id / 32).copied().unwrap_or_default();
            if word >> (id % 32) & 1 == 0 {
                *value = f32::NEG_INFINITY;
            }
        }
    }
    upload_words(vec![choose(&values, top_k, how)], &device)
}

fn choose(values: &[f32], top_k: usize, how: SampleParams) -> u32 {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    let before = |a: &u32, b: &u32| {
        values[*b as usize]
            .total_cmp(&values[*a as usize])
            .then(a.cmp(b))
    };
    if top_k < order.len() {
        order.select_nth_unstable_by(top_k - 1, before);
        order.truncate(top_k);
    }
    order.sort_unstable_by(before);
    let weight =
        |id: u32| ((values[id as usize] - values[order[0] as usize]) / how.temperature).exp();
    let total: f32 = order.iter().map(|&id| weight(id)).sum();
    let (mut kept, mut mass) = (0, 0.0);
    while kept < order.len() && (kept == 0 || mass < how.top_p * total) {
        mass += weight(order[kept]);
        kept += 1;
    }
    let mut rest = how.draw * mass;
    let drawn = order[..kept].iter().find(|&&id| {
        rest -= weight(id);
        rest < 0.0
    });
    *drawn.unwrap_or(&order[kept - 1])
}
