//! Compiles `src/kernels/cpu/processor/relaxed_simd` to a WebAssembly module of its own, which the engine of the page carries.

use std::env;
use std::path::Path;
use std::process::Command;

const SOURCE: &str = "src/kernels/cpu/processor/relaxed_simd";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() != Ok("wasm32") {
        return;
    }
    let set = |name: &str| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let status = Command::new(set("RUSTC"))
        .args(["--edition", "2024", "--target", &set("TARGET")])
        .args([
            "--crate-name",
            "relaxed_simd",
            "--crate-type",
            "cdylib",
            "-C",
            "opt-level=3",
            "-C",
            "panic=abort",
        ])
        .args(["-C", "target-feature=+simd128,+relaxed-simd"])
        // Addresses stay constants beyond a pointer, which loads have room for.
        .args(["-C", "llvm-args=-disable-lsr"])
        .args(["-C", "strip=symbols", "-C", "link-arg=--import-memory"])
        .arg("-o")
        .arg(Path::new(&set("OUT_DIR")).join("relaxed_simd.wasm"))
        .arg(Path::new(SOURCE).join("lib.rs"))
        .status();
    match status {
        Ok(status) if status.success() => {}
        other => panic!("{SOURCE} was not compiled: {other:?}"),
    }
}
