//! `pagelens-schema`: holds one answer of `pagelens ask` to a JSON Schema.
//!
//! stdin is little-endian words of 32 bits and bytes: how many tokens there are, each token as its length and its bytes; the
//! ids that end an answer, as a list of their number; the schema as its length and its text; then the id of each token that
//! came. stdout gets, first and after each of those, which tokens may come next: one bit each, in as many words as it takes.
//! Exit codes: 0 the answer is over; 1 failed, with one line on stderr.

use std::io::{self, Read, Write as _};
use std::process::ExitCode;

use pagelens_schema::Vocabulary;

fn main() -> ExitCode {
    match run(&mut io::stdin().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(input: &mut impl Read) -> Result<(), Box<dyn std::error::Error>> {
    let tokens = word(input)?;
    let words = (0..tokens)
        .map(|_| bytes(input))
        .collect::<io::Result<_>>()?;
    let stops = word(input)?;
    let stops = (0..stops)
        .map(|_| word(input))
        .collect::<io::Result<Vec<_>>>()?;
    let schema = String::from_utf8(bytes(input)?)?;
    let mut held = Vocabulary::new(words, &stops).hold(&schema)?;
    let mut output = io::stdout().lock();
    loop {
        for allowed in held.allowed()? {
            output.write_all(&allowed.to_le_bytes())?;
        }
        output.flush()?;
        let Ok(id) = word(input) else {
            return Ok(());
        };
        held.accept(id)?;
    }
}

fn word(input: &mut impl Read) -> io::Result<u32> {
    let mut word = [0; 4];
    input.read_exact(&mut word)?;
    Ok(u32::from_le_bytes(word))
}

fn bytes(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; word(input)? as usize];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}
