//! Checkpoints and packs: what they become, and every way they can be wrong.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "format/config.rs"]
mod config;
#[path = "format/fixture.rs"]
mod fixture;
#[path = "format/gguf.rs"]
mod gguf;
#[path = "format/import.rs"]
mod import;
#[path = "format/pack.rs"]
mod pack;
#[path = "format/safetensors.rs"]
mod safetensors_files;
#[path = "format/vocabulary.rs"]
mod vocabulary;

/// Asserts that a result is an error of the pattern, and that its message names each of the strings.
macro_rules! assert_error {
    ($result:expr, $pattern:pat $(if $guard:expr)?, $($word:expr),+ $(,)?) => {{
        let error = $result.err().expect("an error");
        assert!(matches!(&error, $pattern $(if $guard)?), "another error: {error:?}");
        let message = error.to_string();
        $(assert!(message.contains($word), "{message:?} does not say {:?}", $word);)+
    }};
}
pub(crate) use assert_error;
