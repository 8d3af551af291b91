//! The inputs that fuzzing has found, and mutations of them: the same ones in each run, on every system, with the compiler
//! that is there. `cargo xtask test fuzz` goes on from here with a fuzzer that sees what its inputs reach.
#![allow(clippy::unwrap_used)]

#[path = "../fuzz/inputs.rs"]
mod inputs;

use std::panic::catch_unwind;
use std::path::Path;

/// How many mutations each target gets.
const MUTATIONS: usize = 20_000;

/// The longest input; what is wrong with longer ones is wrong with these.
const LONGEST: usize = 4_000;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        // Bytes that mean something are tried more often.
        [0, 1, 2, 4, 5, 8, 9, 127, 128, 255, self.below(256) as u8][self.below(11)]
    }
}

fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, dice.byte()),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            4 => {
                let other = &others[dice.below(others.len())];
                bytes.extend_from_slice(&other[dice.below(other.len())..]);
            }
            _ if at < bytes.len() => bytes[at] = dice.byte(),
            _ => bytes.push(dice.byte()),
        }
    }
    bytes.truncate(LONGEST);
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 10, "the corpus is there");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[track_caller]
fn check(target: &str, run: fn(&[u8])) {
    let corpus = corpus(target);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mutations = (0..MUTATIONS).map(|_| {
        let mut bytes = corpus[dice.below(corpus.len())].clone();
        mutate(&mut bytes, &corpus, &mut dice);
        bytes
    });
    for input in corpus.iter().cloned().chain(mutations) {
        assert!(catch_unwind(|| run(&input)).is_ok(), "by b\"{}\"", input.escape_ascii());
    }
}

#[test]
fn the_corpus_and_its_mutations_do_no_harm_to_records() {
    check("records", inputs::records);
}

#[test]
fn the_corpus_and_its_mutations_do_no_harm_to_a_connection() {
    check("connection", inputs::connection);
}
