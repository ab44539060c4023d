//! Tensors as buffers: to a device, back from it, and in place.

use burn::backend::flex::FlexTensor;
use burn::backend::{Cube, CubeDevice, DispatchDevice, Flex};
use burn::tensor::{Bytes, DType, Device, Int, Tensor, TensorCreationOptions, TensorData};
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{NoUninit, Pod};

use crate::error::{Error, Result};

/// True when the tensor lives on a GPU, false when on Burn's CPU device.
pub(crate) fn on_gpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    is_gpu(&tensor.device())
}

/// True for a GPU device.
pub(crate) fn is_gpu(device: &Device) -> bool {
    matches!(device.as_dispatch(), DispatchDevice::Cube(_))
}

/// Uploads 32-bit words (ids, packed weights, packed pixels).
pub(crate) fn upload_words(words: Vec<u32>, device: &Device) -> Tensor<1, Int> {
    let len = words.len();
    let data = TensorData::new(words, [len]);
    match device.as_dispatch() {
        DispatchDevice::Cube(device) => Tensor::from_primitive::<Cube>(place(data, device)),
        _ => Tensor::from_primitive::<Flex>(FlexTensor::from_data(data)),
    }
}

/// Uploads floats.
pub(crate) fn upload<const D: usize>(
    data: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    let data = TensorData::new(data, shape);
    match device.as_dispatch() {
        DispatchDevice::Cube(device) => Tensor::from_primitive::<Cube>(place(data, device)),
        _ => Tensor::from_primitive::<Flex>(FlexTensor::from_data(data)),
    }
}

/// Beside Burn's own way, which brings all that quantized tensors need.
fn place(data: TensorData, device: &CubeDevice) -> CubeTensor {
    let (bytes, shape, dtype) = data.into_parts();
    let client = device.client();
    let handle = client.create(bytes);
    CubeTensor::new_contiguous(client, device.clone(), shape, handle, dtype)
}

/// Writes words over those from `at` on of a tensor that nothing else holds.
pub(crate) fn fill_words(tensor: &mut Tensor<1, Int>, at: usize, words: &[u32]) {
    if is_gpu(&tensor.device()) {
        return write(&gpu_words(tensor), at, words);
    }
    let empty = Tensor::empty([0], (&tensor.device(), DType::U32));
    let mut primitive = std::mem::replace(tensor, empty)
        .try_into_primitive::<Flex>()
        .expect("a tensor on the CPU");
    primitive.storage_mut::<u32>()[at..at + words.len()].copy_from_slice(words);
    *tensor = Tensor::from_primitive::<Flex>(primitive);
}

/// Writes floats over those from `at` on of a tensor that nothing else holds.
pub(crate) fn fill(tensor: &mut Tensor<2>, at: usize, values: &[f32]) {
    if on_gpu(tensor) {
        return write(&gpu(tensor), at, values);
    }
    edit(tensor, |all: &mut [f32]| {
        all[at..at + values.len()].copy_from_slice(values);
    });
}

/// Writes 32-bit values over those from `at` on, at once: the runtime keeps a copy of what it has not handed over.
fn write<E: NoUninit>(tensor: &CubeTensor, at: usize, values: &[E]) {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    let start = at as u64 * 4;
    let rest = tensor.handle.size_in_used() - start - bytes.len() as u64;
    let part = tensor.handle.clone().offset_start(start).offset_end(rest);
    tensor
        .client
        .write(&part, Bytes::from_bytes_vec(bytes.to_vec()));
    // A failed device is reported where a result is read.
    let _ = tensor.client.flush();
}

/// A float tensor whose elements are whatever was there before on a GPU, 0 on the CPU: to be written before it is read.
pub(crate) fn unwritten<const D: usize>(
    shape: [usize; D],
    options: impl Into<TensorCreationOptions>,
) -> Tensor<D> {
    Tensor::empty(shape, options)
}

/// The elements of a float tensor.
///
/// # Errors
///
/// [`Error::DeviceLost`] where the device fails to hand them back.
pub(crate) async fn read<const D: usize>(tensor: &Tensor<D>) -> Result<Vec<f32>> {
    if on_gpu(tensor) {
        return fetch(gpu(tensor)).await;
    }
    Ok(elements(&cpu(tensor)).to_vec())
}

/// The elements of an integer tensor.
///
/// # Errors
///
/// As [`read`].
pub(crate) async fn read_words(tensor: &Tensor<1, Int>) -> Result<Vec<u32>> {
    if is_gpu(&tensor.device()) {
        return fetch(gpu_words(tensor)).await;
    }
    Ok(elements(&cpu_words(tensor)).to_vec())
}

async fn fetch<E: Pod>(tensor: CubeTensor) -> Result<Vec<E>> {
    let read = tensor.client.read_async(vec![tensor.handle]).await;
    let bytes = read.ok().and_then(|mut all| all.pop());
    let bytes = bytes.ok_or(Error::DeviceLost)?;
    Ok(bytemuck::pod_collect_to_vec(
        &bytes[..tensor.meta.shape.num_elements() * size_of::<E>()],
    ))
}

/// A float tensor on a GPU as its buffer.
pub(super) fn gpu<const D: usize>(tensor: &Tensor<D>) -> CubeTensor {
    let primitive = tensor.clone().try_into_primitive::<Cube>();
    primitive.expect("a tensor on the GPU")
}

/// An integer tensor on a GPU as its buffer.
pub(super) fn gpu_words(tensor: &Tensor<1, Int>) -> CubeTensor {
    let primitive = tensor.clone().try_into_primitive::<Cube>();
    primitive.expect("a tensor on the GPU")
}

/// The contiguous storage of a float tensor on the CPU device; see [`elements`].
pub(crate) fn cpu<const D: usize>(tensor: &Tensor<D>) -> FlexTensor {
    tensor
        .clone()
        .try_into_primitive::<Flex>()
        .expect("a tensor on the CPU")
        .to_contiguous()
}

/// The contiguous storage of an integer tensor on the CPU device.
pub(crate) fn cpu_words(tensor: &Tensor<1, Int>) -> FlexTensor {
    tensor
        .clone()
        .try_into_primitive::<Flex>()
        .expect("a tensor on the CPU")
        .to_contiguous()
}

/// The elements of a contiguous CPU tensor.
pub(crate) fn elements<E: burn::tensor::Element + Pod>(tensor: &FlexTensor) -> &[E] {
    let start = tensor.layout().start_offset();
    &tensor.storage::<E>()[start..start + tensor.layout().num_elements()]
}

/// Writes to the elements of a CPU tensor in place. The caller owns the tensor's buffer (a cache, or a fresh result).
pub(crate) fn edit<E: burn::tensor::Element + Pod, const D: usize>(
    tensor: &mut Tensor<D>,
    change: impl FnOnce(&mut [E]),
) {
    let device = tensor.device();
    let mut primitive = std::mem::replace(tensor, Tensor::empty([0; D], &device))
        .try_into_primitive::<Flex>()
        .expect("a tensor on the CPU");
    change(primitive.storage_mut::<E>());
    *tensor = Tensor::from_primitive::<Flex>(primitive);
}
