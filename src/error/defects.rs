//! What can be wrong with other people's files, by the kind of file.

use thiserror::Error;

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
    pub(crate) fn of(self, file: &str) -> super::Error {
        super::Error::Header {
            file: file.into(),
            defect: self,
        }
    }
}

impl GgufDefect {
    pub(crate) fn of(self, file: &str) -> super::Error {
        super::Error::Gguf {
            file: file.into(),
            defect: self,
        }
    }
}

impl VocabularyDefect {
    pub(crate) fn of(self, file: &str) -> super::Error {
        super::Error::Vocabulary {
            file: file.into(),
            defect: self,
        }
    }
}

impl TensorDefect {
    pub(crate) fn of(self, file: &str, tensor: &str) -> super::Error {
        super::Error::Tensor {
            file: file.into(),
            tensor: tensor.into(),
            defect: self,
        }
    }
}

impl PackDefect {
    pub(crate) fn of(self, file: &str) -> super::Error {
        super::Error::Pack {
            file: file.into(),
            defect: self,
        }
    }
}
