use pagelens::kernels::{SampleParams, sample};

use crate::check::{Device, noise, tensor, words};

const GREEDY: SampleParams = SampleParams {
    temperature: 1.0,
    top_k: 1,
    top_p: 1.0,
    penalty: 1.0,
    draw: 0.0,
};

pub(crate) async fn check(device: &Device) {
    for vocabulary in [1, 5, 256, 1_000, 151_936] {
        let logits = noise(vocabulary, 60);
        for (seen, how) in [
            (vec![], GREEDY),
            (
                vec![],
                SampleParams {
                    top_k: 50,
                    temperature: 0.7,
                    draw: 0.5,
                    ..GREEDY
                },
            ),
            (
                vec![],
                SampleParams {
                    top_k: 64,
                    top_p: 0.9,
                    draw: 0.999,
                    ..GREEDY
                },
            ),
            (
                vec![],
                SampleParams {
                    top_k: 7,
                    top_p: 0.0,
                    draw: 0.9,
                    ..GREEDY
                },
            ),
            (
                best(&logits),
                SampleParams {
                    penalty: 1.3,
                    ..GREEDY
                },
            ),
            (
                best(&logits),
                SampleParams {
                    top_k: 20,
                    penalty: 1.1,
                    temperature: 2.0,
                    draw: 0.25,
                    ..GREEDY
                },
            ),
        ] {
            // All ids; some third of them; the first 32, which are fewer than the candidates asked for.
            let thirds = (0..vocabulary.div_ceil(32)).map(|word| 0x4924_9249 << (word * 32 % 3));
            for allowed in [
                None,
                Some(thirds.collect::<Vec<u32>>()),
                Some(vec![u32::MAX]),
            ] {
                let allowed = allowed.as_deref();
                let logits_on = tensor(&logits, [1, vocabulary], device);
                let got = words(sample(&logits_on, &seen, allowed, how)).await;
                // f32 sums may move the border between two candidates, or the end of the kept ones, by this much.
                let shifts = [0.0, -1e-4, 1e-4];
                let near = shifts.map(|draw| {
                    let near = |top_p: f32| SampleParams {
                        draw: how.draw + draw,
                        top_p: how.top_p + top_p,
                        ..how
                    };
                    shifts.map(|top_p| chosen(&logits, &seen, allowed, near(top_p)))
                });
                let near = near.as_flattened();
                assert!(
                    near.contains(&got[0]),
                    "{vocabulary} logits, {how:?}, of {allowed:?}: {got:?} is none of {near:?}"
                );
            }
        }
    }
    // Equal logits: the lowest id.
    let got = words(sample(
        &tensor(&[1.0, 3.0, 3.0, 2.0], [1, 4], device),
        &[],
        None,
        GREEDY,
    ))
    .await;
    assert_eq!(got, [1], "ties");
    // A draw lands on each candidate in proportion.
    let (mut counts, logits) = ([0usize; 3], [0.0, 2f32.ln(), 5f32.ln()]);
    for step in 0..80 {
        let how = SampleParams {
            top_k: 3,
            draw: (step as f32 + 0.5) / 80.0,
            ..GREEDY
        };
        counts
            [words(sample(&tensor(&logits, [1, 3], device), &[], None, how)).await[0] as usize] +=
            1;
    }
    assert_eq!(counts, [10, 20, 50], "draws in proportion");
}

/// The ids of the three largest logits.
fn best(logits: &[f32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    order.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]));
    order.truncate(3);
    order
}

/// transformers' processors in their order, sorting everything, in f64.
fn chosen(logits: &[f32], seen: &[u32], allowed: Option<&[u32]>, how: SampleParams) -> u32 {
    let mut scores: Vec<(usize, f64)> = logits.iter().map(|&v| f64::from(v)).enumerate().collect();
    for &id in seen {
        let score = &mut scores[id as usize].1;
        let penalty = f64::from(how.penalty);
        *score = if *score > 0.0 {
            *score / penalty
        } else {
            *score * penalty
        };
    }
    if let Some(allowed) = allowed {
        scores.retain(|(id, _)| {
            allowed
                .get(id / 32)
                .is_some_and(|word| word >> (id % 32) & 1 == 1)
        });
    }
    scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scores.truncate(how.top_k);
    let weights: Vec<f64> = scores
        .iter()
        .map(|(_, v)| ((v - scores[0].1) / f64::from(how.temperature)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let mut kept = 1;
    while kept < weights.len() && weights[..kept].iter().sum::<f64>() < f64::from(how.top_p) * total
    {
        kept += 1;
    }
    let mut rest = f64::from(how.draw) * weights[..kept].iter().sum::<f64>();
    for (index, weight) in weights[..kept].iter().enumerate() {
        rest -= weight;
        if rest < 0.0 {
            return scores[index].0 as u32;
        }
    }
    scores[kept - 1].0 as u32
}
