//! The only file that touches the GPU API: composes a shader, binds tensors, dispatches.
//!
//! A kernel is a list of [`Fragment`]s (plain WGSL files, concatenated) and named `u32` constants written in front of
//! them. The pipeline key is made of exactly those names and constants, so a specialised kernel can never be served a
//! stale pipeline. Every buffer is bound `read_write` at 0..n in the order of the calls; the uniform `Params` come last,
//! at the generated constant `PARAMS`.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::backend::flex::FlexTensor;
use burn::backend::{Cube, CubeDevice, DispatchDevice, Flex};
use burn::tensor::{Bytes, DType, Device, Int, Shape, Tensor, TensorCreationOptions, TensorData};
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{NoUninit, Pod};
use cubecl::ir::metadata::Info;
use cubecl::ir::settings::{ExecutionMode, KernelSettings};
use cubecl::ir::{AddressType, ElemType, Scope, UIntKind};
use cubecl::prelude::{KernelDefinition, KernelId, KernelMetadata};
use cubecl::server::{KernelArguments, MetadataBindingInfo};
use cubecl::{CubeCount, CubeDim, CubeKernel, PrecompiledSource};

use crate::error::{Error, Result};

/// One WGSL file, named for the pipeline key.
#[derive(Clone, Copy, Debug)]
pub struct Fragment {
    /// File stem under `shaders/`.
    pub name: &'static str,
    /// The file's text.
    pub text: &'static str,
}

/// Makes a [`Fragment`] from its path under `shaders/`, without the extension.
macro_rules! fragment {
    ($path:literal) => {
        $crate::kernels::launch::Fragment {
            name: $path,
            text: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/shaders/",
                $path,
                ".wgsl"
            )),
        }
    };
}
pub(crate) use fragment;

/// A shader as it will be compiled: fragments plus constants.
#[derive(Clone, Debug)]
pub struct Shader {
    fragments: Vec<Fragment>,
    constants: Vec<(&'static str, u32)>,
}

impl Shader {
    /// A shader from its fragments, in the order in which they are concatenated.
    pub fn new(fragments: &[Fragment]) -> Self {
        Self {
            fragments: fragments.to_vec(),
            constants: Vec::new(),
        }
    }

    /// Writes `const name: u32 = value;` in front of the source and into the pipeline key.
    pub fn constant(mut self, name: &'static str, value: usize) -> Self {
        self.constants.push((
            name,
            u32::try_from(value).expect("shader constants fit u32"),
        ));
        self
    }

    /// The WGSL that is compiled.
    pub fn source(&self) -> String {
        let mut source = String::new();
        for (name, value) in &self.constants {
            let _ = writeln!(source, "const {name}: u32 = {value}u;");
        }
        for fragment in &self.fragments {
            source.push_str(fragment.text);
        }
        source
    }

    fn key(&self) -> (Vec<&'static str>, Vec<(&'static str, u32)>) {
        (
            self.fragments
                .iter()
                .map(|fragment| fragment.name)
                .collect(),
            self.constants.clone(),
        )
    }
}

impl KernelMetadata for Shader {
    fn name(&self) -> &'static str {
        self.fragments
            .last()
            .map_or("empty", |fragment| fragment.name)
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info(self.key())
    }

    fn address_type(&self) -> ElemType {
        UIntKind::U32.into()
    }
}

impl CubeKernel for Shader {
    fn define(&self) -> KernelDefinition {
        let settings = KernelSettings::new(
            CubeDim::new_1d(1).0,
            ExecutionMode::Checked,
            AddressType::U32,
        );
        KernelDefinition {
            body: Scope::root(settings.clone()),
            settings,
            info: Info::default(),
        }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        Some(PrecompiledSource {
            source: Shader::source(self),
            entrypoint_name: "main".to_owned(),
            lang: "wgsl",
        })
    }
}

/// True when the tensor lives on a GPU, false when on Burn's CPU device.
pub(crate) fn on_gpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    is_gpu(&tensor.device())
}

/// True for a GPU device.
pub(crate) fn is_gpu(device: &Device) -> bool {
    matches!(device.as_dispatch(), DispatchDevice::Cube(_))
}

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
fn gpu<const D: usize>(tensor: &Tensor<D>) -> CubeTensor {
    let primitive = tensor.clone().try_into_primitive::<Cube>();
    primitive.expect("a tensor on the GPU")
}

/// An integer tensor on a GPU as its buffer.
fn gpu_words(tensor: &Tensor<1, Int>) -> CubeTensor {
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
