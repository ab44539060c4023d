//! Pages and messages -> text: the whole model, a conversation, and its trace.

pub mod answer;
pub mod bench;
pub mod fit;
pub mod model;
pub mod pictures;
pub mod session;
pub mod trace;

pub use answer::{GenerateOptions, Step, StopReason, Usage};
pub use model::{Model, Parts};
pub use pictures::{Encode, Picture};
pub use session::{Session, Started};
