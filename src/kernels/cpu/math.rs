//! Functions of the CPU path, written so that a compiler makes vectors of loops over them: no branch, no table, no libm.

use half::f16;

/// e^x to within 2 units in the last place; 0 below -87, and at most e^88.
#[inline(always)]
pub(in crate::kernels) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    let clamped = if x > 88.0 { 88.0 } else { x };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, so that r keeps its low bits (Cody and Waite 1980); the polynomial is Cephes' expf.
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let power = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    let result = (p * r * r + r + 1.0) * f32::from_bits(power);
    if x < -87.0 { 0.0 } else { result }
}

/// The error function within 2e-7 (Abramowitz and Stegun 1964, 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let p = 1.061_405_4 * t - 1.453_152;
    let p = p * t + 1.421_413_7;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    (1.0 - p * t * exp(-x * x)).copysign(x)
}

/// GELU by the error function, as `torch.nn.GELU()`.
#[inline(always)]
pub(in crate::kernels) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// x * sigmoid(x).
#[inline(always)]
pub(in crate::kernels) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// f16 to f32 without a branch, for finite values: so that loops over them are vectors.
#[inline(always)]
pub(in crate::kernels) fn widen(half: f16) -> f32 {
    const SHIFT: f32 = f32::from_bits((127 + 112) << 23); // 2^112: from the exponents of f16 to those of f32
    let bits = u32::from(half.to_bits());
    let size = f32::from_bits((bits & 0x7fff) << 13) * SHIFT;
    f32::from_bits(size.to_bits() | (bits & 0x8000) << 16)
}

/// The sum of `f` over the values, in eight partial sums.
#[inline(always)]
pub(in crate::kernels) fn sum(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (eights, rest) = values.as_chunks::<8>();
    let mut lanes = [0f32; 8];
    for eight in eights {
        for (lane, value) in lanes.iter_mut().zip(eight) {
            *lane += f(*value);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|value| f(*value)).sum::<f32>()
}

/// The largest value, at least `-inf`.
#[inline(always)]
pub(in crate::kernels) fn largest(values: &[f32]) -> f32 {
    let (eights, rest) = values.as_chunks::<8>();
    let more = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; 8];
    for eight in eights {
        for (lane, value) in lanes.iter_mut().zip(eight) {
            *lane = more(*lane, *value);
        }
    }
    lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, more)
}

/// Runs `work(first row, its rows of out)` on parts of `out` [.., width], of at least `least` rows each, on all cores; in a
/// page on the one there is.
pub(in crate::kernels) fn by_rows(
    out: &mut [f32],
    width: usize,
    least: usize,
    work: impl Fn(usize, &mut [f32]) + Sync,
) {
    let rows = out.len() / width;
    let cores = if cfg!(target_arch = "wasm32") {
        1
    } else {
        std::thread::available_parallelism().map_or(1, Into::into)
    };
    let part = rows.div_ceil(cores).max(least);
    if part >= rows {
        return work(0, out);
    }
    std::thread::scope(|scope| {
        for (number, out) in out.chunks_mut(part * width).enumerate() {
            let work = &work;
            scope.spawn(move || work(number * part, out));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_those_of_libm() {
        for step in -4000..4000 {
            let x = step as f32 * 0.02;
            let (wide, exact) = (f64::from(x), f64::from(x).exp());
            assert!(
                (f64::from(exp(x)) - exact).abs() <= 2.5e-7 * exact,
                "exp {x}"
            );
            let exact = 0.5 * wide * (1.0 + libm::erf(wide / 2f64.sqrt()));
            assert!(
                (f64::from(gelu(x)) - exact).abs() <= 3e-7 * wide.abs().max(1.0),
                "gelu {x}"
            );
            let exact = wide / (1.0 + (-wide).exp());
            assert!(
                (f64::from(silu(x)) - exact).abs() <= 4e-7 * exact.abs().max(1e-6),
                "silu {x}"
            );
        }
        assert_eq!(
            (exp(-100.0), exp(f32::NEG_INFINITY), exp(0.0)),
            (0.0, 0.0, 1.0)
        );
        assert!(exp(1000.0).is_finite());
    }

    #[test]
    fn every_finite_f16_is_its_f32() {
        for bits in 0..=u16::MAX {
            let half = f16::from_bits(bits);
            if half.is_finite() {
                assert_eq!(widen(half).to_bits(), half.to_f32().to_bits(), "{half:?}");
            }
        }
    }

    #[test]
    fn rows_are_each_worked_on_once() {
        for rows in [1, 7, 64, 1025] {
            let mut out = vec![0.0; rows * 3];
            by_rows(&mut out, 3, 2, |first, part| {
                for (row, values) in part.chunks_exact_mut(3).enumerate() {
                    values
                        .iter_mut()
                        .for_each(|v| *v += (first + row + 1) as f32);
                }
            });
            for (row, values) in out.chunks_exact(3).enumerate() {
                assert_eq!(values, [(row + 1) as f32; 3]);
            }
        }
    }
}
