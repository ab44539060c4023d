//! Pages and messages -> text: the whole model, a conversation, and its trace.

pub mod model;
pub mod session;
pub mod trace;

pub use model::Model;
pub use session::{GenerateOptions, Picture, Session, Started, Step, StopReason, Usage};
