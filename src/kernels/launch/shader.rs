//! A shader as text, and what the runtime wants to know of it.

use std::fmt::Write as _;

use cubecl::ir::metadata::Info;
use cubecl::ir::settings::{ExecutionMode, KernelSettings};
use cubecl::ir::{AddressType, ElemType, Scope, UIntKind};
use cubecl::prelude::{KernelDefinition, KernelId, KernelMetadata};
use cubecl::{CubeDim, CubeKernel, PrecompiledSource};

/// One WGSL file, named for the pipeline key.
#[derive(Clone, Copy, Debug)]
pub struct Fragment {
    /// File stem under `shaders/`.
    pub name: &'static str,
    /// The file's text.
    pub text: &'static str,
}

impl Fragment {
    /// The directives with which it begins, and the rest.
    fn halves(&self) -> (&'static str, &'static str) {
        let lines = self.text.split_inclusive('\n');
        let directives = lines.take_while(|line| line.starts_with("enable "));
        self.text.split_at(directives.map(str::len).sum())
    }
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

    /// The WGSL that is compiled, in which directives have to come first.
    pub fn source(&self) -> String {
        let mut source = String::new();
        for fragment in &self.fragments {
            source.push_str(fragment.halves().0);
        }
        for (name, value) in &self.constants {
            let _ = writeln!(source, "const {name}: u32 = {value}u;");
        }
        for fragment in &self.fragments {
            source.push_str(fragment.halves().1);
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
