//! What can be wrong with the user's thing. Panics are kept for what is wrong with our code.

mod defects;

use thiserror::Error;

pub use self::defects::{GgufDefect, HeaderDefect, PackDefect, TensorDefect, VocabularyDefect};

/// The one result type of the library.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong with a file, a picture, a checkpoint or a machine; each variant names the thing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    // --- files
    /// A file could not be read or written.
    #[error("{path}: {reason}")]
    Io {
        /// Path or URL as the user gave it.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// A file that must be there is not.
    #[error("{file} is missing")]
    MissingFile {
        /// Name inside the checkpoint folder or pack.
        file: String,
    },

    /// A file could not be fetched.
    #[error("{url}: {reason}")]
    Network {
        /// Where it was looked for.
        url: String,
        /// What went wrong, or what the server answered.
        reason: String,
    },
    /// A fetched file is not the one that its publisher lists, or became another while it was fetched.
    #[error("{file} {reason}; nothing of it was used")]
    Unverified {
        /// Its name.
        file: String,
        /// What gave it away.
        reason: String,
    },
    /// Text that names no model.
    #[error("{text:?} names no model: {reason}")]
    ModelName {
        /// As the user gave it.
        text: String,
        /// What it would have to be.
        reason: String,
    },

    // --- device
    /// The wanted device cannot be had.
    #[error("no usable {wanted} device: {reason}")]
    Device {
        /// `gpu` or `cpu`.
        wanted: String,
        /// Why not.
        reason: String,
    },

    /// The device went away while it was working.
    #[error(
        "the GPU was lost while it was working; start again, with fewer tiles if it happens twice"
    )]
    DeviceLost,

    /// A model that the device cannot hold, known before any weight was read.
    #[error("this model does not fit: {reason}; {advice}")]
    DoesNotFit {
        /// What would be needed and what there is.
        reason: String,
        /// What to do instead.
        advice: String,
    },

    // --- pages and chat
    /// A picture file without a single byte.
    #[error("{file} is empty")]
    ImageEmpty {
        /// Name of the file.
        file: String,
    },
    /// A file that is no picture, or a picture of a kind that is not read.
    #[error(
        "{file} is {format}, which is not supported yet; PNG, JPEG, WebP, GIF, BMP and TIFF pictures are"
    )]
    ImageFormat {
        /// Name of the file.
        file: String,
        /// What it is, with its article.
        format: String,
    },
    /// A picture file that ends before its picture does.
    #[error("{file} is cut off: the file ends before the picture does")]
    ImageTruncated {
        /// Name of the file.
        file: String,
    },
    /// A picture file that breaks its format's rules.
    #[error("{file} is damaged: {reason}")]
    ImageDamaged {
        /// Name of the file.
        file: String,
        /// What the decoder said.
        reason: String,
    },
    /// A picture above the limits; nothing of it was decoded.
    #[error(
        "{file} is too large: {width} x {height} pixels, {megabytes} MB decoded; at most {limit}"
    )]
    ImageTooLarge {
        /// Name of the file.
        file: String,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Size once decoded, rounded up.
        megabytes: u64,
        /// The limit it breaks, in words.
        limit: String,
    },
    /// A PDF document, or a page of it, that cannot be shown.
    #[error("{file}: {reason}")]
    Pdf {
        /// Name of the file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A message that shows a picture the conversation does not have.
    #[error("a message shows picture {number}, but the conversation has {images}")]
    ImageIndex {
        /// Which picture, counted from 1.
        number: usize,
        /// Pictures there are.
        images: usize,
    },
    /// A tokenizer.json that does not parse, or asks for something that is not implemented.
    #[error("tokenizer.json: {reason}")]
    Tokenizer {
        /// What is wrong with it.
        reason: String,
    },
    /// A vocabulary from which no tokenizer can be made.
    #[error("{file}: {defect}")]
    Vocabulary {
        /// The file it is in.
        file: String,
        /// What is wrong.
        defect: VocabularyDefect,
    },
    /// A checkpoint's chat template that does not compile, does not end, or refuses the conversation.
    #[error("the checkpoint's chat template: {reason}")]
    ChatTemplate {
        /// What is wrong with it.
        reason: String,
    },

    // --- weights and configs
    /// A JSON file does not parse, or not to what it must be.
    #[error("{file} is malformed: {reason}")]
    Json {
        /// File name.
        file: String,
        /// What the parser said.
        reason: String,
    },
    /// A config key is missing, of the wrong type, or holds an impossible number.
    #[error("config key {key}: {reason}")]
    ConfigValue {
        /// Dotted path of the key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A config asks for something that changes the numbers and that PageLens does not implement.
    #[error("config key {key} is {value}, which is not implemented; supported: {supported}")]
    Unsupported {
        /// Dotted path of the key.
        key: String,
        /// The value found.
        value: String,
        /// What would be accepted.
        supported: String,
    },
    /// The checkpoint is of a kind PageLens does not know.
    #[error("{key} names the architecture {found}, which is not supported")]
    UnknownArchitecture {
        /// Dotted path of the key.
        key: String,
        /// The name found.
        found: String,
    },
    /// A token the prompt needs is not in the tokenizer.
    #[error("the tokenizer has no token {token}")]
    MissingToken {
        /// The token's content.
        token: String,
    },
    /// Neither the config nor a template file says how a conversation becomes text.
    #[error("the checkpoint names no conversation template and brings no chat_template")]
    MissingChatTemplate,
    /// No token would ever end an answer.
    #[error("the checkpoint names no end-of-answer token that its tokenizer knows")]
    MissingStopToken,
    /// A safetensors file that breaks its format.
    #[error("{file}: {defect}")]
    Header {
        /// Shard.
        file: String,
        /// What is wrong.
        defect: HeaderDefect,
    },
    /// A GGUF file that breaks its format.
    #[error("{file}: {defect}")]
    Gguf {
        /// The file, or the part of a split one.
        file: String,
        /// What is wrong.
        defect: GgufDefect,
    },
    /// A tensor that breaks its format, or is not what the config asks for.
    #[error("{file}: tensor {tensor}: {defect}")]
    Tensor {
        /// Shard.
        file: String,
        /// Tensor.
        tensor: String,
        /// What is wrong.
        defect: TensorDefect,
    },
    /// A tensor the config calls for is in no file.
    #[error("tensor {tensor} is missing")]
    MissingTensor {
        /// Tensor.
        tensor: String,
    },
    /// A weight that is infinite or not a number, as stored or once rounded to f16.
    #[error("tensor {tensor} holds a value that is not finite at the wanted precision")]
    NotFinite {
        /// Tensor.
        tensor: String,
    },
    /// An index or manifest names a file outside its folder.
    #[error("{file} names {name:?}, which is not a plain file name")]
    ShardName {
        /// The index or manifest.
        file: String,
        /// The name found.
        name: String,
    },
    /// A file of a pack that is not what the pack was made with.
    #[error("{file}: {defect}")]
    Pack {
        /// The file.
        file: String,
        /// What is wrong.
        defect: PackDefect,
    },
    /// A pack was given where only an original checkpoint can be converted.
    #[error("{name} is already a pack; give the original checkpoint to pack it again")]
    AlreadyPacked {
        /// The pack's name.
        name: String,
    },

    /// Pictures for a model that has no encoder.
    #[error("this model reads no pictures: it is a language model without an encoder")]
    NoEncoder,

    // --- engine
    /// A call from the page that does not have the agreed shape.
    #[error("{what}: {reason}")]
    Request {
        /// Which argument.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A JSON Schema that an answer cannot be held to.
    #[error("{file}: {reason}")]
    Schema {
        /// The file it is in.
        file: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// The caller asked to stop before the first token.
    #[error("stopped")]
    Stopped,
    /// The conversation does not fit the model's context.
    #[error(
        "the conversation needs {needed} tokens, but the model's context holds {context}; use fewer tiles or pages, or start a new conversation"
    )]
    ContextFull {
        /// Prompt tokens plus the tokens asked for.
        needed: usize,
        /// Positions the model has.
        context: usize,
    },
}

impl Error {
    /// A stable, machine-readable name of the kind of error, for JSON and JavaScript.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::MissingFile { .. } => "missing-file",
            Self::Network { .. } => "network",
            Self::Unverified { .. } => "unverified",
            Self::ModelName { .. } => "model-name",
            Self::Device { .. } => "device",
            Self::DeviceLost => "device-lost",
            Self::DoesNotFit { .. } => "does-not-fit",
            Self::ImageEmpty { .. } => "image-empty",
            Self::ImageFormat { .. } => "image-format",
            Self::ImageTruncated { .. } => "image-truncated",
            Self::ImageDamaged { .. } => "image-decode",
            Self::ImageTooLarge { .. } => "image-too-large",
            Self::Pdf { .. } => "pdf",
            Self::ImageIndex { .. } => "image-index",
            Self::Tokenizer { .. } => "tokenizer",
            Self::Vocabulary { .. } => "malformed-vocabulary",
            Self::ChatTemplate { .. } => "chat-template",
            Self::Json { .. } => "json",
            Self::ConfigValue { .. } => "config-value",
            Self::Unsupported { .. } => "unsupported",
            Self::UnknownArchitecture { .. } => "unknown-architecture",
            Self::MissingToken { .. } => "missing-token",
            Self::MissingChatTemplate => "missing-chat-template",
            Self::MissingStopToken => "missing-stop-token",
            Self::Header { .. } => "malformed-shard",
            Self::Gguf { .. } => "malformed-gguf",
            Self::Tensor { .. } => "malformed-tensor",
            Self::MissingTensor { .. } => "missing-tensor",
            Self::NotFinite { .. } => "not-finite",
            Self::ShardName { .. } => "shard-name",
            Self::Pack { .. } => "malformed-pack",
            Self::AlreadyPacked { .. } => "already-packed",
            Self::NoEncoder => "no-encoder",
            Self::Request { .. } => "request",
            Self::Schema { .. } => "schema",
            Self::Stopped => "aborted",
            Self::ContextFull { .. } => "context-full",
        }
    }
}
