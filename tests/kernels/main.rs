//! Every kernel against a naive f64 loop, on the CPU device and on a GPU adapter. The same checks run in Chromium through
//! `web.rs`. A software Vulkan driver is adapter enough; without any the GPU half fails, it is never skipped.
#![expect(
    clippy::print_stdout,
    reason = "a failing test shows what was printed before it"
)]

mod attention;
mod attention_causal;
mod attention_decode;
mod attention_merge;
mod check;
mod copy;
mod embed;
mod layer_norm;
mod matmul;
mod matmul_blocks;
mod matmul_registers;
mod matvec;
mod multiply_add;
mod normalise;
mod patches;
mod pixel_shuffle;
mod positions;
mod qk_norm;
mod registry;
mod resize;
mod rms_norm;
mod rope;
mod sample;

use pagelens::gpu::{Compute, DeviceChoice};

fn run(choice: DeviceChoice) {
    let compute = pollster::block_on(Compute::open(choice)).expect("a device to test on");
    println!(
        "kernels on the {compute}, quantized weights beside f32 in {:?}",
        compute.factors
    );
    for name in registry::NAMES {
        println!("{name}");
        pollster::block_on(registry::check(name, &compute.device));
    }
}

#[test]
fn cpu() {
    run(DeviceChoice::Cpu);
}

#[test]
fn gpu() {
    run(DeviceChoice::Gpu);
}

#[test]
fn each_kernel_has_its_three_files() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let stems = |folder: &str, extension: &str, others: &[&str]| {
        let mut stems: Vec<String> = std::fs::read_dir(root.join(folder))
            .expect("a folder of the crate")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .map(|path| {
                path.file_stem()
                    .expect("a stem")
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|stem| !others.contains(&stem.as_str()))
            .collect();
        stems.sort();
        stems
    };
    let shaders = stems("shaders", "wgsl", &[]);
    assert_eq!(
        shaders,
        stems("src/kernels", "rs", &["mod"]),
        "shaders/ against src/kernels/"
    );
    assert_eq!(
        shaders,
        stems("tests/kernels", "rs", &["main", "check", "registry", "web"]),
        "shaders/ against tests/kernels/"
    );
    assert_eq!(shaders, registry::NAMES, "shaders/ against the registry");
}
