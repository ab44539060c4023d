//! The kernels by name, in the order of the files.

use crate::check::Device;

macro_rules! registry {
    ($($name:ident),* $(,)?) => {
        /// Every kernel's stem.
        pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Runs one kernel's check; panics where it fails.
        pub(crate) async fn check(name: &str, device: &Device) {
            match name {
                $(stringify!($name) => crate::$name::check(device).await,)*
                other => panic!("no kernel is called {other}"),
            }
        }
    };
}

registry!(
    attention,
    attention_causal,
    attention_decode,
    attention_merge,
    copy,
    embed,
    layer_norm,
    matmul,
    matmul_blocks,
    matmul_registers,
    matvec,
    multiply_add,
    normalise,
    patches,
    pixel_shuffle,
    positions,
    qk_norm,
    resize,
    rms_norm,
    rope,
    sample,
);
