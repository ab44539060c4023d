//! Lint of every composed shader: naga validates it, its bindings have no gaps and are all used, its workgroups and
//! workgroup memory stay within every adapter's limits.

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module};

/// WebGPU's guaranteed limits.
const MAX_INVOCATIONS: u32 = 256;
const MAX_WORKGROUP_BYTES: u32 = 16 * 1024;
const MAX_STORAGE_BUFFERS: usize = 8;

#[test]
fn every_shader_is_valid_and_within_limits() {
    let shaders = pagelens::kernels::all_shaders();
    assert!(
        shaders.len() > 50,
        "only {} shaders are listed",
        shaders.len()
    );
    for (shader, workgroup) in shaders {
        // The launch adds the binding of the uniform parameters; here it is found by trying.
        let linted = (1..=MAX_STORAGE_BUFFERS).find_map(|params| {
            lint(
                &shader.clone().constant("PARAMS", params).source(),
                workgroup,
                params,
            )
            .transpose()
        });
        match linted {
            Some(Ok(())) => {}
            Some(Err(reason)) => panic!("{reason}\n{}", shader.source()),
            None => panic!("bindings have gaps or are unused\n{}", shader.source()),
        }
    }
}

/// `Ok(None)` where the bindings do not end at `params`.
fn lint(source: &str, workgroup: usize, params: usize) -> Result<Option<()>, String> {
    let module =
        naga::front::wgsl::parse_str(source).map_err(|error| error.emit_to_string(source))?;
    let info = match Validator::new(
        ValidationFlags::all(),
        Capabilities::SHADER_FLOAT16_IN_FLOAT32 | Capabilities::SHADER_FLOAT16,
    )
    .validate(&module)
    {
        Ok(info) => info,
        // Two buffers on one index: not this number of parameters.
        Err(error) if format!("{error:?}").contains("BindingCollision") => return Ok(None),
        Err(error) => return Err(error.emit_to_string(source)),
    };
    let entry = module.entry_points.first().ok_or("no entry point")?;
    let used = info.get_entry_point(0);
    let mut bindings: Vec<usize> = Vec::new();
    let mut uniforms = 0;
    for (handle, variable) in module.global_variables.iter() {
        let Some(binding) = &variable.binding else {
            continue;
        };
        if used[handle].is_empty() {
            return Err(format!(
                "binding {} ({:?}) is never used",
                binding.binding, variable.name
            ));
        }
        uniforms += usize::from(variable.space == AddressSpace::Uniform);
        bindings.push(binding.binding as usize);
    }
    bindings.sort_unstable();
    if bindings != (0..=params).collect::<Vec<_>>() {
        return Ok(None);
    }
    if uniforms != 1 || entry.name != "main" {
        return Err(
            "one uniform Params and an entry point called main are the convention".to_owned(),
        );
    }
    let invocations: u32 = entry.workgroup_size.iter().product();
    if invocations > MAX_INVOCATIONS || invocations as usize != workgroup {
        return Err(format!(
            "{invocations} invocations, the wrapper says {workgroup}"
        ));
    }
    let bytes = workgroup_bytes(&module);
    if bytes > MAX_WORKGROUP_BYTES {
        return Err(format!("{bytes} bytes of workgroup memory"));
    }
    Ok(Some(()))
}

fn workgroup_bytes(module: &Module) -> u32 {
    let variables = module
        .global_variables
        .iter()
        .filter(|(_, variable)| variable.space == AddressSpace::WorkGroup);
    variables
        .map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
        .sum()
}
