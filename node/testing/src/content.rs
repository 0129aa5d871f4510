//! A file's bytes, in pages that copies share until one of them is written.

use std::sync::Arc;

const PAGE: usize = 4096;

/// A file's bytes. What was never written is zero.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
    length: u64,
}

impl Content {
    pub fn len(&self) -> u64 {
        self.length
    }

    pub fn set_len(&mut self, length: u64) {
        self.pages
            .resize(length.div_ceil(PAGE as u64) as usize, None);
        let used = (length % PAGE as u64) as usize;
        if length < self.length
            && used > 0
            && let Some(Some(page)) = self.pages.last_mut()
        {
            Arc::make_mut(page)[used..].fill(0);
        }
        self.length = length;
    }

    pub fn write(&mut self, mut offset: u64, mut bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        if end > self.length {
            self.set_len(end);
        }
        while !bytes.is_empty() {
            let (nth, begin) = (
                (offset / PAGE as u64) as usize,
                (offset % PAGE as u64) as usize,
            );
            let (here, rest) = bytes.split_at(bytes.len().min(PAGE - begin));
            let page = &mut self.pages[nth];
            let zeros = page.is_none() && here.iter().all(|byte| *byte == 0);
            if !zeros {
                let page = page.get_or_insert_with(|| Arc::new([0; PAGE]));
                Arc::make_mut(page)[begin..begin + here.len()].copy_from_slice(here);
            }
            (offset, bytes) = (offset + here.len() as u64, rest);
        }
    }

    /// Fills `out`; false if the file ends before that.
    pub fn read(&self, mut offset: u64, mut out: &mut [u8]) -> bool {
        if offset + out.len() as u64 > self.length {
            return false;
        }
        while !out.is_empty() {
            let (nth, begin) = (
                (offset / PAGE as u64) as usize,
                (offset % PAGE as u64) as usize,
            );
            let length = out.len().min(PAGE - begin);
            let (here, rest) = out.split_at_mut(length);
            match &self.pages[nth] {
                Some(page) => here.copy_from_slice(&page[begin..begin + length]),
                None => here.fill(0),
            }
            (offset, out) = (offset + length as u64, rest);
        }
        true
    }

    /// All of it.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length as usize];
        self.read(0, &mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_what_a_vector_is(
            writes in prop::collection::vec((0..20_000u64, 0..9_000usize, any::<u8>(), any::<bool>()), 1..20),
        ) {
            let (mut content, mut vector) = (Content::default(), Vec::new());
            for (at, length, byte, cut) in writes {
                if cut {
                    content.set_len(at);
                    vector.resize(at as usize, 0);
                } else {
                    let before = content.clone();
                    content.write(at, &vec![byte; length]);
                    prop_assert_eq!(before.to_vec(), &vector[..]);
                    vector.resize(vector.len().max(at as usize + length), 0);
                    vector[at as usize..at as usize + length].fill(byte);
                }
                prop_assert_eq!(content.to_vec(), &vector[..]);
            }
        }
    }
}
