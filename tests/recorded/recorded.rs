//! Reads the files of this folder, for the tests of several crates.

/// Names and bytes of the file of that name.
pub fn recorded(file: &str) -> Vec<(String, Vec<u8>)> {
    let path = format!("{}/../../tests/recorded/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("it is part of the sources");
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("digits")
    };
    let item = |line: &str| {
        let (name, digits) = line.split_once(' ').expect("a name and digits");
        let bytes = digits.as_bytes().chunks(2).map(byte).collect();
        (name.to_owned(), bytes)
    };
    text.lines().map(item).collect()
}

/// How many mutations a test tries: `RS_ESDB_MUTATIONS`, or 100,000.
pub fn mutations() -> usize {
    std::env::var("RS_ESDB_MUTATIONS").map_or(100_000, |n| n.parse().expect("a number"))
}
