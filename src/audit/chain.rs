//! Reading and lengthening the chain.

use serde::Serialize;
use time::OffsetDateTime;

use super::{Entry, Head, Kind, Record};
use crate::name::{CommitId, Digest};

/// A log as it was read. What is wrong with it is data: a broken log is shown, and lengthened, never rewritten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The entries that can be read.
    pub entries: Vec<Entry>,
    pub breaks: Vec<Break>,
    /// Bytes behind the last newline: a write that was cut short.
    pub torn: usize,
    /// The end of the chain as of each line.
    heads: Vec<Head>,
}

/// A place where the chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// Counts from 1.
    pub line: usize,
    pub why: String,
}

/// Whether the bytes are the whole log or begin somewhere inside it, at the start of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    Tail,
}

impl Chain {
    pub fn read(bytes: &[u8], extent: Extent) -> Self {
        let mut chain = Self::default();
        let mut lines = bytes.split(|byte| *byte == b'\n');
        chain.torn = lines.next_back().map_or(0, <[u8]>::len);
        for (index, line) in lines.enumerate() {
            chain.take(index + 1, line, extent);
        }
        chain
    }

    pub fn head(&self) -> Option<&Head> {
        self.heads.last()
    }

    /// Whether the chain had this end at some time, so that it contains everything the end stands for.
    pub fn contains(&self, head: &Head) -> bool {
        self.heads.contains(head)
    }

    /// Whether this log goes on for another one that ended here and is lost, as an operator said.
    pub fn replaces(&self, head: &Head) -> bool {
        self.of_kind(Kind::Restored).any(|entry| entry.record.replaces.as_ref() == Some(head))
    }

    /// The commit on which the last run with a verified list was based.
    ///
    /// What is about a version names the commit that asked for it, which may be much older.
    pub fn last_commit(&self) -> Option<&CommitId> {
        let of_a_run = [Kind::Verified, Kind::Ordering, Kind::Stashed, Kind::Unstashed, Kind::Forced];
        let entries = self.entries.iter().rev().filter(|entry| of_a_run.contains(&entry.record.kind));
        entries.filter_map(|entry| entry.record.by.as_ref()).map(|by| &by.commit).next()
    }

    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.record.kind == kind)
    }

    fn take(&mut self, number: usize, line: &[u8], extent: Extent) {
        let before = self.heads.last();
        let expected = match (before, extent) {
            (Some(head), _) => Some((head.seq + 1, head.digest.clone())),
            (None, Extent::Whole) => Some((1, Digest::of(b""))),
            (None, Extent::Tail) => None,
        };
        let digest = Digest::of(line);
        let mut wrong = |why: String| self.breaks.push(Break { line: number, why });
        let seq = match serde_json::from_slice::<Entry>(line) {
            Ok(entry) => {
                if let Some((seq, prev)) = &expected {
                    if entry.seq != *seq {
                        wrong(format!("it is entry {}, after {} others", entry.seq, seq - 1));
                    }
                    if entry.prev != *prev {
                        wrong("the line before is not the one that it was chained to".into());
                    }
                }
                let seq = entry.seq;
                self.entries.push(entry);
                seq
            }
            Err(_) => {
                wrong("it is no entry".into());
                expected.map_or(1, |(seq, _)| seq)
            }
        };
        self.heads.push(Head { seq, digest });
    }
}

/// The lines, each with its newline, that lengthen a chain, and its new end.
pub fn link(head: Option<&Head>, records: &[Record], time: OffsetDateTime) -> (String, Option<Head>) {
    let mut head = head.cloned();
    let mut lines = String::new();
    for record in records {
        let (seq, prev) = head.map_or_else(|| (1, Digest::of(b"")), |head| (head.seq + 1, head.digest));
        let entry = Entry { seq, prev, time, record: record.clone() };
        let line = serde_json::to_string(&entry).expect("an entry is plain data");
        head = Some(Head { seq, digest: Digest::of(line.as_bytes()) });
        lines.push_str(&line);
        lines.push('\n');
    }
    (lines, head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-06-01 02:00 UTC);

    fn log(kinds: &[Kind]) -> String {
        let records: Vec<Record> = kinds.iter().copied().map(Record::new).collect();
        link(None, &records, NOW).0
    }

    fn whole(bytes: &[u8]) -> Chain {
        Chain::read(bytes, Extent::Whole)
    }

    #[test]
    fn what_was_linked_is_read_back_whole() {
        let chain = whole(log(&[Kind::Verified, Kind::Ordering, Kind::Issued]).as_bytes());
        assert_eq!((chain.breaks.len(), chain.torn, chain.head().unwrap().seq), (0, 0, 3));
        let kinds: Vec<Kind> = chain.entries.iter().map(|entry| entry.record.kind).collect();
        assert_eq!(kinds, [Kind::Verified, Kind::Ordering, Kind::Issued]);
    }

    #[test]
    fn a_line_that_was_taken_out_breaks_the_chain_where_it_stood() {
        let log = log(&[Kind::Verified, Kind::Ordering, Kind::Issued]);
        let lines: Vec<&str> = log.split_inclusive('\n').collect();
        let chain = whole([lines[0], lines[2]].concat().as_bytes());
        assert_eq!(chain.breaks.iter().map(|found| found.line).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn a_log_without_its_beginning_is_broken() {
        let log = log(&[Kind::Verified, Kind::Ordering]);
        let rest = log.split_once('\n').unwrap().1;
        assert_eq!(whole(rest.as_bytes()).breaks[0].line, 1);
        assert!(Chain::read(rest.as_bytes(), Extent::Tail).breaks.is_empty());
    }

    #[test]
    fn an_end_that_the_chain_once_had_is_contained_and_a_foreign_one_is_not() {
        let chain = whole(log(&[Kind::Verified, Kind::Ordering]).as_bytes());
        let earlier = whole(log(&[Kind::Verified]).as_bytes());
        assert!(chain.contains(earlier.head().unwrap()));
        let other = whole(log(&[Kind::Refused]).as_bytes());
        assert!(!chain.contains(other.head().unwrap()));
    }

    #[test]
    fn a_chain_goes_on_after_a_line_that_nobody_can_read() {
        let broken = log(&[Kind::Verified]) + "noise\n";
        let (more, _) = link(whole(broken.as_bytes()).head(), &[Record::new(Kind::Issued)], NOW);
        let chain = whole((broken + &more).as_bytes());
        assert_eq!((chain.breaks.len(), chain.breaks[0].line, chain.head().unwrap().seq), (1, 2, 3));
    }

    proptest! {
        #[test]
        fn any_changed_byte_but_one_of_the_last_line_shows(at in 0_usize..2000, to in any::<u8>()) {
            let log = log(&[Kind::Verified, Kind::Refused, Kind::Ordering, Kind::Issued]);
            let last = log.trim_end().rfind('\n').unwrap();
            let mut bytes = log.clone().into_bytes();
            let at = at % last;
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            prop_assert!(!whole(&bytes).breaks.is_empty());
        }

        #[test]
        fn a_changed_last_line_is_another_end(at in 0_usize..2000, to in any::<u8>()) {
            let log = log(&[Kind::Verified, Kind::Issued]);
            let first = log.find('\n').unwrap() + 1;
            let mut bytes = log.clone().into_bytes();
            let at = first + at % (bytes.len() - 1 - first);
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            prop_assert!(!whole(&bytes).contains(whole(log.as_bytes()).head().unwrap()));
        }

        #[test]
        fn a_log_that_was_cut_anywhere_is_torn_or_whole_and_never_broken(cut in 0_usize..2000) {
            let log = log(&[Kind::Verified, Kind::Ordering, Kind::Issued]);
            let cut = cut % log.len();
            let chain = whole(&log.as_bytes()[..cut]);
            prop_assert!(chain.breaks.is_empty());
            prop_assert_eq!(chain.torn > 0, cut > 0 && log.as_bytes()[cut - 1] != b'\n');
        }
    }
}
