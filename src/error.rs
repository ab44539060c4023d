//! What can be wrong with the user's thing. Panics are kept for what is wrong with our code.

use thiserror::Error;

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

/// What is wrong with a safetensors file as a whole.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum HeaderDefect {
    /// The declared header length is above the limit.
    #[error("a header of {bytes} bytes is above the limit of {limit}")]
    TooLarge {
        /// Declared length.
        bytes: u64,
        /// Largest accepted.
        limit: u64,
    },
    /// The file ends inside its header.
    #[error("the file ends inside its header, after {found} of {needed} bytes")]
    Truncated {
        /// Bytes up to the end of the header.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The header is not the JSON it must be.
    #[error("malformed header: {0}")]
    Json(String),
    /// Bytes that belong to no tensor.
    #[error("the bytes {start}..{end} of the data belong to no tensor")]
    Gap {
        /// First such byte, from the start of the data.
        start: u64,
        /// The first that belongs to a tensor again, or the end.
        end: u64,
    },
}

/// What is wrong with a GGUF file as a whole.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum GgufDefect {
    /// The file does not begin with `GGUF`.
    #[error("not a GGUF file")]
    Magic,
    /// A version that is not read; a big-endian file shows as a large one.
    #[error("GGUF version {0} is not supported; versions 2 and 3 are")]
    Version(u32),
    /// More tensors, metadata entries or array elements than any model has.
    #[error("{count} tensors, metadata entries or array elements are above the limit of {limit}")]
    Count {
        /// Declared.
        count: u64,
        /// Largest accepted.
        limit: u64,
    },
    /// The header is above the limit.
    #[error("the header is above the limit of {limit} bytes")]
    TooLarge {
        /// Largest accepted.
        limit: u64,
    },
    /// The file ends inside its header.
    #[error("the file ends inside its header, after {found} of {needed} bytes")]
    Truncated {
        /// Bytes up to the end of what is being read.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// A string that is no text.
    #[error("the string at byte {at} is not UTF-8")]
    Utf8 {
        /// Where it begins.
        at: usize,
    },
    /// A metadata type that the format does not have.
    #[error("metadata type {0} does not exist")]
    ValueType(u32),
    /// An array of arrays, which no model has.
    #[error("an array of arrays is not supported")]
    NestedArray,
    /// A flag that is neither 0 nor 1.
    #[error("a flag is {0}, neither 0 nor 1")]
    Bool(u8),
    /// A metadata key that is there twice.
    #[error("metadata key {0} is there twice")]
    DuplicateKey(String),
    /// A tensor that is there twice.
    #[error("tensor {0} is there twice")]
    DuplicateTensor(String),
    /// A number of dimensions that no tensor has.
    #[error("tensor {tensor} has {dimensions} dimensions; 1 to 4 are supported")]
    Dimensions {
        /// The tensor.
        tensor: String,
        /// Declared.
        dimensions: u32,
    },
    /// An alignment that is no power of two, or too large.
    #[error("an alignment of {0} is not supported; powers of two up to 65536 are")]
    Alignment(String),
    /// A split file that is not opened by its first part.
    #[error(
        "a model in {count} parts (at most 1024) is opened by its first, NAME-00001-of-{count:05}.gguf"
    )]
    SplitName {
        /// Parts the metadata names.
        count: u64,
    },
    /// A part that says it is another one.
    #[error("its metadata does not say that it is part {} of {count}", part + 1)]
    SplitPart {
        /// Which it should be, from 0.
        part: u64,
        /// Of how many.
        count: u64,
    },
    /// The parts do not add up.
    #[error("the parts hold {found} tensors, the first part says {expected}")]
    SplitTensors {
        /// By the first part.
        expected: u64,
        /// In all parts.
        found: u64,
    },
}

/// What is wrong with a vocabulary: tokenizer.model, vocab.json with merges.txt, or a GGUF file's.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum VocabularyDefect {
    /// The file ends inside a field.
    #[error("the message ends inside a field, at byte {at}")]
    Truncated {
        /// Where what is missing would begin, from the start of its message.
        at: usize,
    },
    /// Bytes that are no field of a protocol buffer.
    #[error("malformed field at byte {at}")]
    Wire {
        /// Where it begins, from the start of its message.
        at: usize,
    },
    /// Text that is none.
    #[error("the text at byte {at} is not UTF-8")]
    Utf8 {
        /// Where it begins.
        at: usize,
    },
    /// A kind of piece that does not exist.
    #[error("piece kind {0} does not exist")]
    Kind(u64),
    /// A setting of SentencePiece's that is not implemented.
    #[error("it asks for {0}, which is not implemented")]
    Unsupported(&'static str),
    /// A score that is not a number.
    #[error("the score of piece {0:?} is not a finite number")]
    Score(String),
    /// No unknown piece.
    #[error("it has no unknown piece")]
    NoUnknown,
    /// A list that must be there.
    #[error("metadata key {key} is missing or not the list it must be")]
    MissingList {
        /// Its key.
        key: String,
    },
    /// Lists by id that differ in length.
    #[error("its tokens, types and scores differ in number")]
    Lengths,
    /// An id without a token, or beyond what a model can have.
    #[error("no token has, or can have, the id {id}")]
    Id {
        /// The id.
        id: usize,
    },
    /// A token with two ids.
    #[error("token {0:?} has two ids")]
    Duplicate(String),
    /// A merge that is not two tokens.
    #[error("merge {0:?} is not two tokens")]
    Merge(String),
}

/// What is wrong with one tensor of a file.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TensorDefect {
    /// An element type that is not read.
    #[error("dtype {0} is not supported")]
    Dtype(String),
    /// The end lies before the begin.
    #[error("its data offsets run backwards")]
    Offsets,
    /// The byte range does not hold the shape.
    #[error("it occupies {found} bytes, its shape and dtype need {expected}")]
    Bytes {
        /// By shape and dtype; `u64::MAX` where that overflows.
        expected: u64,
        /// By the offsets.
        found: u64,
    },
    /// A row that is not a whole number of blocks.
    #[error("its rows of {columns} are not whole blocks of {elements}")]
    Blocks {
        /// Row length.
        columns: u64,
        /// Elements of a block.
        elements: usize,
    },
    /// It does not begin where the file's alignment lets tensors begin.
    #[error("its offset {offset} is not a multiple of {alignment}")]
    Misaligned {
        /// From the start of the data.
        offset: u64,
        /// By the metadata.
        alignment: u64,
    },
    /// It claims bytes of another tensor.
    #[error("it overlaps {0}")]
    Overlap(String),
    /// The file ends before the tensor does: a truncated download.
    #[error("it ends at byte {end} of a file of {size}")]
    Truncated {
        /// End of the tensor in the file.
        end: u64,
        /// Size of the file, or what could be read of it.
        size: u64,
    },
    /// Not the shape that the config asks for.
    #[error("its shape is {found:?}, expected {expected:?}")]
    Shape {
        /// By the config.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<u64>,
    },
    /// The config asks for no such tensor: part of a model PageLens does not implement.
    #[error("unexpected tensor")]
    Unexpected,
    /// The same name was in this file before.
    #[error("it is also in {0}")]
    Duplicate(String),
    /// The index or manifest promises it in this file.
    #[error("the index places it here, but the file does not hold it")]
    NotInShard,
}

/// What is wrong with a file of a pack.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PackDefect {
    /// A manifest of another format.
    #[error("format {found}; this build reads format {supported}")]
    Format {
        /// In the manifest.
        found: u64,
        /// Read by this build.
        supported: u64,
    },
    /// A digest that is not 64 lower-case hex digits.
    #[error("{0:?} is not a SHA-256")]
    Digest(String),
    /// As many chunk digests as no file of this size has.
    #[error("{found} chunk digests, its size needs {expected}")]
    Chunks {
        /// By the size.
        expected: u64,
        /// In the manifest.
        found: u64,
    },
    /// Not the size that the manifest states.
    #[error("{found} bytes, the manifest says {expected}")]
    Size {
        /// By the manifest.
        expected: u64,
        /// As read.
        found: u64,
    },
    /// Not the file that the manifest was written for.
    #[error("SHA-256 {found}, the manifest says {expected}")]
    Hash {
        /// By the manifest.
        expected: String,
        /// As read.
        found: String,
    },
}

impl HeaderDefect {
    pub(crate) fn of(self, file: &str) -> Error {
        Error::Header {
            file: file.into(),
            defect: self,
        }
    }
}

impl GgufDefect {
    pub(crate) fn of(self, file: &str) -> Error {
        Error::Gguf {
            file: file.into(),
            defect: self,
        }
    }
}

impl VocabularyDefect {
    pub(crate) fn of(self, file: &str) -> Error {
        Error::Vocabulary {
            file: file.into(),
            defect: self,
        }
    }
}

impl TensorDefect {
    pub(crate) fn of(self, file: &str, tensor: &str) -> Error {
        Error::Tensor {
            file: file.into(),
            tensor: tensor.into(),
            defect: self,
        }
    }
}

impl PackDefect {
    pub(crate) fn of(self, file: &str) -> Error {
        Error::Pack {
            file: file.into(),
            defect: self,
        }
    }
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
            Self::Stopped => "aborted",
            Self::ContextFull { .. } => "context-full",
        }
    }
}
