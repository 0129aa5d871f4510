//! A process that is killed between giving a segment its name and noting it, and the next one at the
//! same point of the next segment: the log opens, with every entry that was acknowledged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{append, assert_holds, open_on};
use esdb_testing::crash::Walk;
use esdb_testing::disk::{Image, MemoryDisk, Step};

const LENGTH: usize = 1000;

/// What is on the disk when a segment got its name and the note of it is not begun; and how many
/// entries the log holds then.
fn killed(image: &Image, dir: &Path, held: u64) -> (Image, u64) {
    let disk = MemoryDisk::traced(image.clone());
    let (mut wal, _) = open_on(Arc::new(disk.clone()), dir).unwrap();
    assert_holds(&wal, 0..held, LENGTH);
    let mut next = held;
    let begun = |steps: &[Step]| {
        let named = |step: &Step| matches!(step, Step::Rename(_, to) if to.extension().is_some_and(|e| e == "wal"));
        steps.iter().rposition(named)
    };
    let opened = disk.trace().len();
    while begun(&disk.trace()[opened..]).is_none() {
        append(&mut wal, next..next + 1, LENGTH);
        next += 1;
    }
    let trace = disk.trace();
    // The name, and the sync of the directory.
    let end = opened + begun(&trace[opened..]).unwrap() + 2;
    let mut walk = Walk::from(image.clone());
    trace[..end].iter().for_each(|step| walk.take(step));
    // The entry that asked for the segment came after it.
    (walk.kept(), next - 1)
}

#[test]
fn the_log_opens() {
    let dir = Path::new("/log");
    let (image, held) = killed(&Image::with_directory(dir), dir, 0);
    let (image, held) = killed(&image, dir, held);
    let (image, held) = killed(&image, dir, held);
    assert!(held > 6, "{held} entries in several segments");
    let (wal, _) = open_on(Arc::new(MemoryDisk::from(image)), dir).unwrap();
    assert_holds(&wal, 0..held, LENGTH);
}
