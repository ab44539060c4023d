//! What every kernel check needs: hostile data, read-back, and a comparison that cannot pass on nothing.

use burn::tensor::{Int, Tensor, TensorData};

pub(crate) use burn::tensor::Device;

/// Deterministic values in -1..1, with an outlier of up to 20 every 61 values and exact zeros every 17.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..len)
        .map(|index| {
            let value = random.f32() * 2.0 - 1.0;
            match index {
                _ if index % 61 == 60 => value * 20.0,
                _ if index % 17 == 16 => 0.0,
                _ => value,
            }
        })
        .collect()
}

/// A tensor on `device`.
pub(crate) fn tensor<const D: usize>(
    values: &[f32],
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// A tensor's elements.
pub(crate) async fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data_async()
        .await
        .expect("read back")
        .convert::<f32>()
        .try_to_vec::<f32>()
        .expect("f32")
}

/// An integer tensor's elements.
pub(crate) async fn words(tensor: Tensor<1, Int>) -> Vec<u32> {
    tensor
        .into_data_async()
        .await
        .expect("read back")
        .convert::<u32>()
        .try_to_vec::<u32>()
        .expect("u32")
}

/// `got` equals `want` within `tolerance` of its largest element, and `want` is no heap of zeros.
pub(crate) fn close(label: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{label}: length");
    let largest = want.iter().fold(0f64, |top, v| top.max(v.abs()));
    assert!(
        largest > 1e-2,
        "{label}: the reference is trivially small ({largest:e})"
    );
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        let difference = (f64::from(got) - want).abs();
        assert!(
            difference <= tolerance * largest,
            "{label}: element {index} is {got}, the reference says {want}; difference {difference:e} of {largest:e}"
        );
    }
}

/// Whether this is the CPU device, which multiplies in integers of 16 bits and less.
pub(crate) fn on_cpu(device: &Device) -> bool {
    *device == Device::flex()
}

/// As f64.
pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}
