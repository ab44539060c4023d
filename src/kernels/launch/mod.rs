//! The only files that touch the GPU API: compose a shader, bind tensors, dispatch.
//!
//! A kernel is a list of [`Fragment`]s (plain WGSL files, concatenated) and named `u32` constants written in front of
//! them. The pipeline key is made of exactly those names and constants, so a specialised kernel can never be served a
//! stale pipeline. Every buffer is bound `read_write` at 0..n in the order of the calls; the uniform `Params` come last,
//! at the generated constant `PARAMS`.

mod shader;
mod tensors;

use std::sync::atomic::{AtomicUsize, Ordering};

use burn::backend::Cube;
use burn::tensor::{DType, Int, Shape, Tensor};
use burn_cubecl::tensor::CubeTensor;
use bytemuck::NoUninit;
use cubecl::CubeCount;
use cubecl::server::{KernelArguments, MetadataBindingInfo};

pub(crate) use shader::fragment;
pub use shader::{Fragment, Shader};
pub(crate) use tensors::{
    cpu, cpu_words, edit, elements, fill, fill_words, is_gpu, on_gpu, read, read_words, unwritten,
    upload, upload_words,
};

use self::tensors::{gpu, gpu_words};
use crate::error::{Error, Result};

/// One dispatch being put together.
pub(crate) struct Launch {
    shader: Shader,
    buffers: Vec<CubeTensor>,
}

impl Launch {
    /// Starts a dispatch of `shader`.
    pub(crate) fn new(shader: Shader) -> Self {
        Self {
            shader,
            buffers: Vec::new(),
        }
    }

    /// Binds a float tensor at the next index.
    pub(crate) fn tensor<const D: usize>(self, tensor: &Tensor<D>) -> Self {
        self.push(gpu(tensor))
    }

    /// Binds an integer tensor (ids, packed words) at the next index.
    pub(crate) fn ints(self, tensor: &Tensor<1, Int>) -> Self {
        self.push(gpu_words(tensor))
    }

    /// Binds a new float buffer of this shape at the next index; it is what [`Self::run`] returns.
    pub(crate) fn output<const D: usize>(self, shape: [usize; D]) -> Self {
        let buffer = self.empty(Shape::from(shape), DType::F32);
        self.push(buffer)
    }

    /// Binds a new u32 buffer at the next index.
    pub(crate) fn int_output(self, len: usize) -> Self {
        let buffer = self.empty(Shape::from([len]), DType::U32);
        self.push(buffer)
    }

    fn push(mut self, buffer: CubeTensor) -> Self {
        assert!(buffer.is_contiguous(), "no kernel reads strides");
        self.buffers.push(buffer);
        self
    }

    fn empty(&self, shape: Shape, dtype: DType) -> CubeTensor {
        let like = self
            .buffers
            .first()
            .expect("an input is bound before the output");
        let handle = like.client.empty(shape.num_elements() * 4);
        CubeTensor::new_contiguous(
            like.client.clone(),
            like.device.clone(),
            shape,
            handle,
            dtype,
        )
    }

    /// Dispatches `grid` workgroups. `Params` must be the Rust twin of the shader's struct.
    pub(crate) fn run<P: NoUninit>(mut self, params: &P, grid: [usize; 3]) {
        self.dispatch(params, grid);
    }

    /// Dispatches and returns buffer `index`, a float tensor.
    pub(crate) fn run_into<P: NoUninit, const D: usize>(
        mut self,
        params: &P,
        grid: [usize; 3],
        index: usize,
    ) -> Tensor<D> {
        self.dispatch(params, grid);
        Tensor::from_primitive::<Cube>(self.buffers.swap_remove(index))
    }

    /// Dispatches and returns two buffers, float tensors.
    pub(crate) fn run_into_both<P: NoUninit, const D: usize>(
        mut self,
        params: &P,
        grid: [usize; 3],
        indices: [usize; 2],
    ) -> (Tensor<D>, Tensor<D>) {
        self.dispatch(params, grid);
        let [first, second] =
            indices.map(|index| Tensor::from_primitive::<Cube>(self.buffers[index].clone()));
        (first, second)
    }

    /// Dispatches and returns buffer `index`, an integer tensor.
    pub(crate) fn run_into_ints<P: NoUninit>(
        mut self,
        params: &P,
        grid: [usize; 3],
        index: usize,
    ) -> Tensor<1, Int> {
        self.dispatch(params, grid);
        Tensor::from_primitive::<Cube>(self.buffers.swap_remove(index))
    }

    fn dispatch<P: NoUninit>(&mut self, params: &P, grid: [usize; 3]) {
        let count = grid.map(|n| u32::try_from(n).expect("workgroup count fits u32"));
        assert!(
            count.iter().all(|&n| n <= MAX_WORKGROUPS as u32),
            "{grid:?} workgroups exceed WebGPU's limit"
        );
        let mut words = vec![0u64; size_of::<P>().div_ceil(8)];
        bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..size_of::<P>()]
            .copy_from_slice(bytemuck::bytes_of(params));
        let mut arguments = KernelArguments::new().with_buffers(
            self.buffers
                .iter()
                .map(|b| b.handle.clone().binding())
                .collect(),
        );
        arguments.info = MetadataBindingInfo::custom(words);
        let shader = self.shader.clone().constant("PARAMS", self.buffers.len());
        let client = self.buffers[0].client.clone();
        DISPATCHES.fetch_add(1, Ordering::Relaxed);
        client.launch(
            Box::new(shader),
            CubeCount::Static(count[0], count[1], count[2]),
            arguments,
        );
    }
}

static DISPATCHES: AtomicUsize = AtomicUsize::new(0);

/// Kernels dispatched so far, by all threads.
pub fn dispatches() -> usize {
    DISPATCHES.load(Ordering::Relaxed)
}

/// Hands what is dispatched so far to the GPU, so that no submission grows long; nothing on the CPU.
pub(crate) fn submit<const D: usize>(tensor: &Tensor<D>) {
    if on_gpu(tensor) {
        // A failed device is reported where a result is read.
        let _ = gpu(tensor).client.flush();
    }
}

/// Waits until the GPU has made a tensor, by reading its first word: nothing on the CPU.
///
/// # Errors
///
/// As [`read`].
pub(crate) async fn finish<const D: usize>(tensor: &Tensor<D>) -> Result<()> {
    if !on_gpu(tensor) {
        return Ok(());
    }
    let CubeTensor { client, handle, .. } = gpu(tensor);
    let rest = handle.size_in_used() - size_of::<f32>() as u64;
    let read = client.read_async(vec![handle.offset_end(rest)]).await;
    read.map(drop).map_err(|_| Error::DeviceLost)
}

/// WebGPU's limit of workgroups in one dimension.
const MAX_WORKGROUPS: usize = 65_535;

/// Spreads `count` workgroups over two dimensions; shaders undo it with `flat_workgroup` and guard the tail.
pub(crate) fn grid(count: usize) -> [usize; 3] {
    let y = count.div_ceil(MAX_WORKGROUPS).max(1);
    [count.div_ceil(y), y, 1]
}
