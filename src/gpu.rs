//! Which device runs the model: a real GPU through WebGPU, or the CPU.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;

use crate::error::{Error, Result};
use crate::kernels::product::{Factors, Trial, avoid_barriers, fastest, multiply_on_gpu_in};

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A real GPU where there is one, else the CPU; never a software adapter, which is far slower than the CPU device.
    #[default]
    Auto,
    /// WebGPU, on whatever adapter there is.
    Gpu,
    /// The CPU.
    Cpu,
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "gpu" => Ok(Self::Gpu),
            "cpu" => Ok(Self::Cpu),
            other => Err(Error::Device {
                wanted: other.to_owned(),
                reason: "the choices are auto, gpu and cpu".to_owned(),
            }),
        }
    }
}

/// A device that is ready for tensors.
#[derive(Clone, Debug)]
pub struct Compute {
    /// Burn's handle.
    pub device: Device,
    /// The adapter's name on a GPU, `None` on the CPU.
    pub adapter: Option<String>,
    /// What it can hold.
    pub limits: Limits,
    /// What it can multiply quantized weights in beside f32, on a GPU.
    pub factors: Vec<Factors>,
    /// A GPU's adapter that is a program.
    software: bool,
}

/// What a device can hold, as far as it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the largest buffer: a matrix that has more is cut by rows.
    pub tensor: u64,
    /// Bytes in all. WebGPU does not tell: four times the largest buffer stands for it, since drivers make that a part of
    /// the memory there is.
    pub memory: u64,
}

impl Limits {
    /// A WebAssembly module's address space.
    #[cfg(target_arch = "wasm32")]
    fn cpu() -> Self {
        Self {
            tensor: 2 << 30,
            memory: 4 << 30,
        }
    }

    /// The memory that is free, where the system tells.
    #[cfg(not(target_arch = "wasm32"))]
    fn cpu() -> Self {
        let told = std::fs::read_to_string("/proc/meminfo").ok();
        let free = told.as_deref().and_then(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("MemAvailable:"))?;
            let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kib << 10)
        });
        Self {
            tensor: u64::MAX,
            memory: free.unwrap_or(u64::MAX),
        }
    }

    fn gpu(limits: &wgpu::Limits) -> Self {
        let buffer = limits.max_buffer_size;
        Self {
            tensor: buffer.min(limits.max_storage_buffer_binding_size),
            memory: buffer.saturating_mul(4),
        }
    }
}

impl fmt::Display for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.adapter {
            Some(adapter) => write!(f, "GPU ({adapter})"),
            None => f.write_str("CPU"),
        }
    }
}

impl Compute {
    /// The CPU.
    pub fn cpu() -> Self {
        Self {
            device: Device::flex(),
            adapter: None,
            limits: Limits::cpu(),
            factors: Vec::new(),
            software: false,
        }
    }

    /// Opens the device for `choice`.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] where a GPU is asked for and there is no adapter.
    pub async fn open(choice: DeviceChoice) -> Result<Self> {
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu()),
            DeviceChoice::Gpu => gpu().await,
            DeviceChoice::Auto => match gpu().await {
                Ok(compute) if !compute.software => Ok(compute),
                _ => Ok(Self::cpu()),
            },
        }
    }

    /// Finds out what a GPU multiplies quantized weights in fastest, and does so from then on: for who loads a model.
    pub async fn choose_factors(&self) {
        if !self.factors.is_empty() && !self.software {
            let trial = Trial::new(Trial::ROWS, &self.device);
            multiply_on_gpu_in(fastest(&self.factors, &trial).await);
        }
    }
}

/// The runtime can be set up once a process: later calls get the same device.
#[cfg(not(target_arch = "wasm32"))]
async fn gpu() -> Result<Compute> {
    use std::sync::{Mutex, PoisonError};
    static OPENED: Mutex<Option<Compute>> = Mutex::new(None);
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if opened.is_none() {
        *opened = Some(pollster::block_on(set_up())?);
    }
    Ok(opened.clone().expect("just set up"))
}

/// The runtime can be set up once a worker: later calls get the same device.
#[cfg(target_arch = "wasm32")]
async fn gpu() -> Result<Compute> {
    use std::cell::RefCell;
    thread_local!(static OPENED: RefCell<Option<Compute>> = const { RefCell::new(None) });
    if let Some(opened) = OPENED.with_borrow(Clone::clone) {
        return Ok(opened);
    }
    let opened = set_up().await?;
    OPENED.set(Some(opened.clone()));
    Ok(opened)
}

/// Dispatches of a submission at most: a token's are one. What takes longer is submitted layer by layer.
const SUBMISSION: usize = 512;

async fn set_up() -> Result<Compute> {
    let (device, setup) = Device::wgpu_options()
        .tasks_max(SUBMISSION)
        .init_with_setup_async()
        .await
        .map_err(|error| Error::Device {
            wanted: "gpu".to_owned(),
            reason: error.to_string(),
        })?;
    let info = setup.adapter.get_info();
    let words = format!("{} {} {}", info.name, info.driver, info.driver_info).to_lowercase();
    let software = info.device_type == wgpu::DeviceType::Cpu
        || ["swiftshader", "llvmpipe", "lavapipe", "software"]
            .iter()
            .any(|word| words.contains(word));
    avoid_barriers(software);
    let name = [&info.name, &info.driver]
        .into_iter()
        .find(|name| !name.is_empty());
    let adapter = Some(name.map_or_else(|| "WebGPU".to_owned(), Clone::clone));
    Ok(Compute {
        device,
        adapter,
        limits: Limits::gpu(&setup.device.limits()),
        factors: factors(&setup),
        software,
    })
}

/// What shaders may be made of: f16 arithmetic, and the language's dot products of bytes.
fn factors(setup: &WgpuSetup) -> Vec<Factors> {
    let features = setup.instance.wgsl_language_features();
    if !features.contains(wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct) {
        return Vec::new();
    }
    let f16 = setup.device.features().contains(wgpu::Features::SHADER_F16);
    let f16 = f16.then_some(Factors::F16);
    f16.into_iter().chain([Factors::Bytes]).collect()
}
