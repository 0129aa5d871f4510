//! Every file of a store, damaged in every way: opening refuses, or a read fails, or what comes back
//! is what was stored, and never anything else; and `verify` names the file, unless all is as it was.
//! The one exception is the end of the log, where an append that was under way looks the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use common::copy;
use common::store::{append, call};
use esdb_log::verify::{Checked, Damage, Report, store};
use esdb_log::{OpenError, Options, ReadOnlyDisk, Replica, WalOptions};
use esdb_store::{Direction, Expected};
use tempfile::TempDir;

/// Stream, version, position and data of an event.
type Seen = (String, u64, u64, Vec<u8>);

fn options() -> Options {
    let wal = WalOptions {
        first_segment: 4096,
        largest_segment: 16_384,
        recent_bytes: 0,
    };
    Options {
        wal,
        ..Options::default()
    }
}

/// Events in the checkpoint, and many more in the log only, after a crash.
struct Stored {
    dir: TempDir,
    /// All events, in order.
    truth: Vec<Seen>,
    /// The same before the last append.
    all_but_last: usize,
}

fn stored(seed: u8) -> Stored {
    let dir = tempfile::tempdir().unwrap();
    let mut all_but_last = 0;
    let mut truth = Vec::new();
    for round in 0..2u8 {
        let replica = Replica::open(dir.path(), options()).unwrap();
        for n in 0..40u8 {
            all_but_last = everything(&replica).unwrap().len();
            let data: Vec<u8> = (0..100 + usize::from(n) * 7)
                .map(|k| (k as u8).wrapping_mul(31) ^ n ^ seed)
                .collect();
            let (name, count) = (format!("s{}", n % 5), 1 + usize::from(n % 3));
            call(&replica, append(&name, Expected::Any, count, &data)).unwrap();
        }
        truth = everything(&replica).unwrap();
        if round == 0 {
            replica.shutdown();
        }
    }
    Stored {
        dir,
        truth,
        all_but_last,
    }
}

/// The store that the tests damage copies of, and another one.
fn samples() -> &'static [Stored; 2] {
    static SAMPLES: OnceLock<[Stored; 2]> = OnceLock::new();
    SAMPLES.get_or_init(|| [stored(1), stored(2)])
}

/// All events, by position and by stream; the two must agree.
fn everything(replica: &Replica) -> Result<Vec<Seen>, String> {
    let view = replica.view();
    let mut by_position = Vec::new();
    let seen = |event: esdb_store::RecordedEvent<'_>| {
        let name = String::from_utf8(event.stream.to_vec()).unwrap();
        (name, event.version, event.position, event.data.to_vec())
    };
    view.read_all(0, usize::MAX, &mut |event| by_position.push(seen(event)))
        .map_err(|e| e.to_string())?;
    let mut by_stream = Vec::new();
    for name in view.streams().map_err(|e| e.to_string())? {
        let visit = &mut |event: esdb_store::RecordedEvent<'_>| by_stream.push(seen(event));
        view.read_stream(&name, 0, usize::MAX, Direction::Forward, visit)
            .map_err(|e| e.to_string())?;
    }
    by_stream.sort_by_key(|(_, _, position, _)| *position);
    assert!(by_stream == by_position, "two ways to the events disagree");
    Ok(by_position)
}

fn check(dir: &Path) -> (Checked, Vec<Damage>, Vec<String>) {
    let (mut damages, mut notes) = (Vec::new(), Vec::new());
    let checked = store(&ReadOnlyDisk, dir, &mut |report| match report {
        Report::Damage(damage) => damages.push(damage),
        Report::Note { path, what } => notes.push(format!("{}: {what}", path.display())),
        Report::Progress { .. } => {}
    });
    (checked.unwrap(), damages, notes)
}

/// Every file with a checksum, relative to the directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from("state.redb")];
    let log = fs::read_dir(dir.join("log")).unwrap();
    files.extend(log.map(|item| Path::new("log").join(item.unwrap().file_name())));
    files.sort();
    files
}

fn contents(dir: &Path) -> Vec<Vec<u8>> {
    let files = files(dir);
    files
        .iter()
        .map(|file| fs::read(dir.join(file)).unwrap())
        .collect()
}

/// Damages a copy in a file, and holds the three outcomes against each other. True if `verify` found
/// something.
fn judge(what: &str, file: &Path, damage: impl FnOnce(&Path)) -> bool {
    let [
        Stored {
            dir,
            truth,
            all_but_last,
        },
        _,
    ] = samples();
    let image = tempfile::tempdir().unwrap();
    copy(dir.path(), image.path());
    damage(&image.path().join(file));
    let before = contents(image.path());
    let (_, damages, notes) = check(image.path());
    assert!(
        before == contents(image.path()),
        "{what}: verify changed something"
    );
    let name = file.file_name().unwrap().to_string_lossy();
    let tail = notes.iter().find(|note| note.contains("torn tail"));
    if !damages.is_empty() {
        // Where two files do not belong together, either may be the one that is told of.
        let together = ["the log holds entries", "belongs to the store"];
        let named = |d: &Damage| {
            d.path.ends_with(file) || together.iter().any(|text| d.what.contains(text))
        };
        let named = damages.iter().any(named);
        assert!(named, "{what} of {name}: {damages:?}");
    }
    let opened = Replica::open(image.path(), options()).map_err(|error| error.to_string());
    let outcome = opened.and_then(|replica| {
        let events = everything(&replica)?;
        Ok((events, replica.status().torn_tail.is_some()))
    });
    match outcome {
        Ok((events, _)) if events == *truth => {}
        Ok((events, torn)) => {
            assert!(
                events[..] == truth[..*all_but_last],
                "{what} of {name}: other events came back"
            );
            assert!(
                torn && tail.is_some(),
                "{what} of {name}: events are gone, and nobody says so"
            );
        }
        Err(error) => {
            assert!(
                !damages.is_empty(),
                "{what} of {name}: {error}; verify found nothing"
            );
        }
    }
    // Nothing is lost with the witness of the log's end, and a power cut may take it.
    let witness = notes
        .iter()
        .any(|note| note.contains("end: ") && note.contains("known from the log alone"));
    assert!(!witness || file == Path::new("log/end"), "{what} of {name}");
    !damages.is_empty() || witness
}

/// A small generator, so that a failure can be seen again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn nothing_is_wrong_with_a_store_after_a_crash() {
    let [Stored { dir, truth, .. }, _] = samples();
    let image = tempfile::tempdir().unwrap();
    copy(dir.path(), image.path());
    let (checked, damages, notes) = check(image.path());
    assert_eq!((damages, notes), (vec![], vec![]));
    assert!(checked.checkpoint.events < truth.len() as u64);
    assert!(checked.log.entries >= 40 && checked.log.segments > 3);
    assert_eq!(checked.log.torn_tail, None);
    let replica = Replica::open(image.path(), options()).unwrap();
    assert_eq!(Some(replica.uuid()), checked.checkpoint.uuid);
    assert!(everything(&replica).unwrap() == *truth);
}

#[test]
fn a_store_that_is_open_is_not_checked() {
    let dir = tempfile::tempdir().unwrap();
    let replica = Replica::open(dir.path(), options()).unwrap();
    let error = store(&ReadOnlyDisk, dir.path(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("another server"), "{error}");
    drop(replica);
    assert_eq!(check(dir.path()).1, []);
}

#[test]
fn a_flipped_bit_in_any_file() {
    let [Stored { dir, .. }, _] = samples();
    let mut random = Random(0xb17);
    for file in files(dir.path()) {
        let bytes = fs::read(dir.path().join(&file)).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let mut found = 0;
        for nth in 0..12 {
            // Half of them where a file says how it is to be read.
            let at = random.below(if nth % 2 == 0 { used.min(104) } else { used });
            let bit = 1 << random.below(8);
            let damage = |path: &Path| change(path, |bytes| bytes[at] ^= bit);
            found += usize::from(judge(&format!("bit {bit:#x} at {at}"), &file, damage));
        }
        assert!(found > 1, "{found} of 12 in {}", file.display());
    }
}

#[test]
fn a_block_of_zeros_in_any_file() {
    let [Stored { dir, .. }, _] = samples();
    let mut random = Random(0x2e05);
    for file in files(dir.path()) {
        let bytes = fs::read(dir.path().join(&file)).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for (nth, length) in [64, 512, 4096, 512, 64].into_iter().enumerate() {
            let at = random.below(used.saturating_sub(length).max(1)) / 64 * 64;
            let at = match nth {
                0 => 0,
                1 => used.saturating_sub(length),
                _ => at,
            };
            let end = (at + length).min(used);
            let damage = |path: &Path| change(path, |bytes| bytes[at..end].fill(0));
            judge(&format!("zeros from {at} to {end}"), &file, damage);
        }
    }
}

#[test]
fn any_file_cut_short_emptied_or_taken_away() {
    let [Stored { dir, .. }, _] = samples();
    let mut random = Random(0xc07);
    for file in files(dir.path()) {
        let length = fs::metadata(dir.path().join(&file)).unwrap().len() as usize;
        for at in [
            0,
            1,
            63,
            length / 2,
            length - 1,
            random.below(length),
            random.below(length),
        ] {
            let damage = |path: &Path| change(path, |bytes| bytes.truncate(at));
            assert!(judge(&format!("cut at {at}"), &file, damage));
        }
        if file == Path::new("state.redb") {
            // Without it the log belongs to nobody: a new database has another uuid.
            let image = tempfile::tempdir().unwrap();
            copy(dir.path(), image.path());
            fs::remove_file(image.path().join(&file)).unwrap();
            assert!(!check(image.path()).1.is_empty());
            let error = Replica::open(image.path(), options()).unwrap_err();
            assert!(
                error.to_string().contains("belongs to the store"),
                "{error}"
            );
        } else {
            let remove = |path: &Path| fs::remove_file(path).unwrap();
            assert!(judge("removal", &file, remove));
        }
        let grow = |path: &Path| change(path, |bytes| bytes.resize(length + 4096, 0));
        assert!(judge("growth", &file, grow));
    }
}

#[test]
fn any_file_of_another_store_in_its_place() {
    let [Stored { dir, .. }, other] = samples();
    for file in files(dir.path()) {
        let from = other.dir.path().join(&file);
        let damage = |path: &Path| {
            fs::copy(&from, path).unwrap();
        };
        assert!(judge("replacement", &file, damage));
    }
}

/// Files of the same store, of an earlier time: a backup of one of them only.
#[test]
fn any_file_of_an_earlier_time_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let replica = Replica::open(dir.path(), options()).unwrap();
    let fill = |replica: &Replica| {
        for _ in 0..30 {
            call(replica, append("s", Expected::Any, 1, &[7; 300])).unwrap();
        }
    };
    fill(&replica);
    replica.shutdown();
    drop(replica);
    let early = tempfile::tempdir().unwrap();
    copy(dir.path(), early.path());
    let replica = Replica::open(dir.path(), options()).unwrap();
    fill(&replica);
    let truth = everything(&replica).unwrap();
    replica.shutdown();
    drop(replica);
    for file in files(early.path()) {
        let image = tempfile::tempdir().unwrap();
        copy(dir.path(), image.path());
        fs::copy(early.path().join(&file), image.path().join(&file)).unwrap();
        let (_, damages, _) = check(image.path());
        match Replica::open(image.path(), options()) {
            Ok(replica) => assert!(everything(&replica).unwrap() == truth, "{}", file.display()),
            Err(error) => assert!(!damages.is_empty(), "{}: {error}", file.display()),
        }
    }
    // The whole log, or the checkpoint, beside the other of a later time.
    for part in ["log", "state.redb"] {
        let image = tempfile::tempdir().unwrap();
        copy(dir.path(), image.path());
        match part {
            "log" => {
                fs::remove_dir_all(image.path().join(part)).unwrap();
                copy(&early.path().join(part), &image.path().join(part));
            }
            file => drop(fs::copy(early.path().join(file), image.path().join(file)).unwrap()),
        }
        let (_, damages, _) = check(image.path());
        let text = "one of the two was replaced";
        assert!(
            damages.len() == 1 && damages[0].what.contains(text),
            "{damages:?}"
        );
        let error = Replica::open(image.path(), options()).unwrap_err();
        assert!(
            matches!(error, OpenError::Mismatch { .. }),
            "{part}: {error}"
        );
    }
}

/// Each record of the log taken out, the others moved up; and two changed places.
#[test]
fn records_removed_and_moved() {
    let [Stored { dir, .. }, _] = samples();
    for file in files(dir.path()) {
        if file.extension().is_none_or(|extension| extension != "wal") {
            continue;
        }
        let records = records(&fs::read(dir.path().join(&file)).unwrap());
        let last_of_log = file == newest(dir.path());
        for (nth, range) in records.iter().enumerate() {
            let counts_as_torn = last_of_log && nth + 1 == records.len();
            let range = range.clone();
            let remove = |path: &Path| {
                change(path, |bytes| {
                    bytes.drain(range.clone());
                    bytes.resize(bytes.len() + range.len(), 0);
                });
            };
            let found = judge(&format!("removal of record {nth}"), &file, remove);
            assert_eq!(found, !counts_as_torn);
            let blank = |path: &Path| change(path, |bytes| bytes[range.clone()].fill(0));
            let found = judge(&format!("zeros over record {nth}"), &file, blank);
            assert_eq!(found, !counts_as_torn);
            let zeros = |path: &Path| change(path, |bytes| bytes[range.start..].fill(0));
            let found = judge(&format!("zeros from record {nth} on"), &file, zeros);
            assert_eq!(found, !counts_as_torn);
            let garbage = |path: &Path| change(path, |bytes| bytes[range.start..].fill(0xa5));
            let found = judge(&format!("garbage from record {nth} on"), &file, garbage);
            assert_eq!(found, !counts_as_torn);
        }
        let Some([first, second]) = records.first_chunk::<2>() else {
            continue;
        };
        let swap = |path: &Path| {
            change(path, |bytes| {
                bytes[first.start..second.end].rotate_left(first.len())
            });
        };
        assert!(judge("two records that changed places", &file, swap));
    }
}

/// The last record of the log: it may have been under way, and that is told.
#[test]
fn the_last_record_counts_as_torn_and_is_reported() {
    let [
        Stored {
            dir,
            truth,
            all_but_last,
        },
        _,
    ] = samples();
    let newest = newest(dir.path());
    let range = records(&fs::read(dir.path().join(&newest)).unwrap())
        .pop()
        .unwrap();
    for at in [
        range.start,
        range.start + 20,
        range.start + 47,
        range.start + 48,
        range.start + 140,
    ] {
        let image = tempfile::tempdir().unwrap();
        copy(dir.path(), image.path());
        change(&image.path().join(&newest), |bytes| bytes[at] ^= 0x40);
        let (checked, damages, notes) = check(image.path());
        assert_eq!(damages, []);
        let torn = checked.log.torn_tail.unwrap();
        assert!(torn.bytes > 0 && torn.bytes <= range.len() as u64);
        let place = format!("offset {}: torn tail of", range.start);
        assert!(notes.len() == 1 && notes[0].contains(&place), "{notes:?}");
        let replica = Replica::open(image.path(), options()).unwrap();
        assert_eq!(replica.status().torn_tail, Some(torn));
        assert!(everything(&replica).unwrap() == truth[..*all_but_last]);
        drop(replica);
        let (checked, damages, _) = check(image.path());
        assert_eq!((checked.log.torn_tail, damages), (None, vec![]));
    }
}

#[test]
fn each_of_several_damages_is_named() {
    let [Stored { dir, .. }, _] = samples();
    let image = tempfile::tempdir().unwrap();
    copy(dir.path(), image.path());
    let mut expected = Vec::new();
    for file in files(dir.path()) {
        if file.extension().is_some_and(|extension| extension == "wal") {
            let path = image.path().join(&file);
            let records = records(&fs::read(&path).unwrap());
            if let [_, second, _, fourth, _, ..] = &records[..] {
                for record in [second, fourth] {
                    change(&path, |bytes| bytes[record.start + 60] ^= 1);
                    expected.push((file.clone(), record.start as u64));
                }
            }
        }
    }
    assert!(expected.len() >= 4, "{expected:?}");
    let (_, damages, _) = check(image.path());
    let named = damages.iter().map(|damage| {
        let path = damage.path.strip_prefix(image.path()).unwrap().to_owned();
        (path, damage.offset.unwrap())
    });
    assert_eq!(named.collect::<Vec<_>>(), expected);
    assert!(damages.iter().all(|damage| {
        let place = damage.place.as_deref().unwrap();
        place.starts_with("entry ")
    }));
}

#[test]
fn what_does_not_belong_there_is_told() {
    let [Stored { dir, .. }, _] = samples();
    let image = tempfile::tempdir().unwrap();
    copy(dir.path(), image.path());
    fs::write(image.path().join("notes.txt"), "mine").unwrap();
    fs::write(image.path().join("log/segment.new"), [0; 100]).unwrap();
    let (_, damages, notes) = check(image.path());
    assert_eq!(damages, []);
    assert!(
        notes
            .iter()
            .any(|note| note.contains("notes.txt: is no file of a store"))
    );
    assert!(
        notes
            .iter()
            .any(|note| note.contains("segment.new: was left half made"))
    );
}

/// The newest segment, relative to the directory.
fn newest(dir: &Path) -> PathBuf {
    let wal = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wal");
    files(dir).into_iter().rfind(wal).unwrap()
}

/// Where each record of a segment stands.
fn records(segment: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = 64;
    while segment.get(at + 40).is_some_and(|kind| *kind != 0) {
        let length = u32::from_le_bytes(segment[at..at + 4].try_into().unwrap()) as usize;
        let end = at + 48 + length.next_multiple_of(8);
        found.push(at..end);
        at = end;
    }
    found
}
