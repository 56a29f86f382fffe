//! How table data is cut into pieces of work and in which order they are done; pure.
//!
//! A piece is what one connection reads in one go. Most tables are one piece. A table that is large
//! against the share of one connection is cut into ranges of pages (`ctid`), so that the last of the
//! work does not hang on one connection; its pieces still end up in one data entry, in page order.
//! Pieces are done largest first, as pg_dump does with tables, because a long piece begun last is
//! waited for by everybody.

use serde::Serialize;

/// Nothing smaller than this is cut off a table: below it a query's start costs more than it wins.
const SMALLEST_PIECE_BYTES: u64 = 32 << 20;

/// Nothing larger than this is one piece of a table that can be cut: it bounds what a lost connection
/// makes us read again.
const LARGEST_PIECE_BYTES: u64 = 2 << 30;

/// How many pieces a connection's share of the work has: the last piece to end keeps the others waiting
/// for about this fraction of the whole.
const PIECES_PER_SHARE: u64 = 6;

/// What is known about a table before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableSize {
    /// Bytes of the main fork.
    pub(super) main_bytes: u64,
    /// Bytes of the TOAST table's main fork.
    pub(super) toast_bytes: u64,
    /// Bytes of a page.
    pub(super) page_bytes: u64,
    /// Whether ranges of pages can be read one by one.
    pub(super) divisible: bool,
}

impl TableSize {
    /// Returns the bytes on disk, which stand for the time that reading takes.
    pub(super) fn cost(&self) -> u64 {
        self.main_bytes.saturating_add(self.toast_bytes)
    }
}

/// The rows that a piece covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PieceRange {
    /// All rows of the table.
    Whole,
    /// The rows in a range of pages.
    Pages {
        /// The first page; `None` for the first piece, so that nothing can lie before it.
        first: Option<u64>,
        /// The page after the last; `None` for the last piece, so that pages that came after the size
        /// was asked for are read as well.
        end: Option<u64>,
    },
    /// Some of the large objects of an entry, by their places in it.
    LargeObjects {
        /// The first one.
        first: usize,
        /// The one after the last.
        end: usize,
    },
}

impl PieceRange {
    /// Returns the condition on `ctid` that selects the range, empty for all rows.
    pub(super) fn condition(self) -> String {
        let PieceRange::Pages { first, end } = self else { return String::new() };
        let lower = first.map(|page| format!("ctid >= '({page},0)'::pg_catalog.tid"));
        let upper = end.map(|page| format!("ctid < '({page},0)'::pg_catalog.tid"));
        lower.into_iter().chain(upper).collect::<Vec<_>>().join(" and ")
    }
}

/// Whose data a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The table at this place in the plan.
    Table(usize),
    /// The entry of large objects at this place in the plan.
    LargeObjects(usize),
}

/// A piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// Whose data it is.
    pub source: Source,
    /// Its place among the pieces of its source.
    pub index: usize,
    /// What of them it covers.
    pub range: PieceRange,
    /// The bytes on disk that stand for the time it takes.
    pub cost: u64,
}

/// Cuts tables into pieces for `jobs` connections and returns them in the order they are begun.
pub(super) fn cut(tables: &[TableSize], jobs: usize) -> Vec<Piece> {
    let total = tables.iter().map(TableSize::cost).fold(0, u64::saturating_add);
    let share = total / jobs.max(1) as u64;
    let target = (share / PIECES_PER_SHARE).clamp(SMALLEST_PIECE_BYTES, LARGEST_PIECE_BYTES);
    let mut pieces = Vec::with_capacity(tables.len());
    for (table, size) in tables.iter().enumerate() {
        let large = size.cost() > share / 2 && size.cost() >= 2 * SMALLEST_PIECE_BYTES;
        if jobs > 1 && size.divisible && (large || size.cost() >= 2 * LARGEST_PIECE_BYTES) {
            divide(table, size, target, &mut pieces);
        } else {
            let source = Source::Table(table);
            pieces.push(Piece { source, index: 0, range: PieceRange::Whole, cost: size.cost() });
        }
    }
    sort(&mut pieces);
    pieces
}

/// Brings pieces into the order in which they are begun.
pub(super) fn sort(pieces: &mut [Piece]) {
    pieces.sort_by_key(|piece| (std::cmp::Reverse(piece.cost), piece.source, piece.index));
}

/// Cuts the large objects of entries with so many objects each, `bytes` in all, into pieces for `jobs`
/// connections.
///
/// What one object has is known only when it is read, so every object counts alike.
pub(super) fn large_objects(counts: &[usize], bytes: u64, jobs: usize) -> Vec<Piece> {
    let total = counts.iter().sum::<usize>().max(1) as u64;
    let share = bytes / jobs.max(1) as u64;
    let target = (share / PIECES_PER_SHARE).clamp(SMALLEST_PIECE_BYTES, LARGEST_PIECE_BYTES);
    let each = bytes / total;
    let together = usize::try_from(target / each.max(1)).unwrap_or(usize::MAX).max(1);
    let mut pieces = Vec::new();
    for (entry, &count) in counts.iter().enumerate() {
        let together = if jobs > 1 { together } else { count.max(1) };
        for (index, first) in (0..count).step_by(together).enumerate() {
            let end = count.min(first.saturating_add(together));
            // An object costs a file and a look into an index even when it is empty.
            let cost = (each + 4096).saturating_mul((end - first) as u64);
            let (source, range) =
                (Source::LargeObjects(entry), PieceRange::LargeObjects { first, end });
            pieces.push(Piece { source, index, range, cost });
        }
    }
    pieces
}

/// Cuts one table into ranges of as many pages each as make `target` bytes together with their TOAST.
fn divide(table: usize, size: &TableSize, target: u64, pieces: &mut Vec<Piece>) {
    let pages = (size.main_bytes / size.page_bytes.max(1)).max(1);
    let count = size.cost().div_ceil(target).clamp(1, pages);
    let cost = size.cost() / count;
    for index in 0..count {
        // Multiplied before divided, so that the ranges differ by one page at most.
        let bound = |index: u64| (u128::from(pages) * u128::from(index) / u128::from(count)) as u64;
        let first = (index > 0).then(|| bound(index));
        let end = (index + 1 < count).then(|| bound(index + 1));
        let range = if count == 1 { PieceRange::Whole } else { PieceRange::Pages { first, end } };
        pieces.push(Piece { source: Source::Table(table), index: index as usize, range, cost });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(mebibytes: u64) -> TableSize {
        TableSize { main_bytes: mebibytes << 20, toast_bytes: 0, page_bytes: 8192, divisible: true }
    }

    #[test]
    fn small_tables_are_one_piece_and_largest_first() {
        let pieces = cut(&[size(1), size(3), size(2)], 4);
        let order: Vec<_> = pieces.iter().map(|piece| piece.source).collect();
        assert_eq!(order, [1, 2, 0].map(Source::Table));
        assert!(pieces.iter().all(|piece| piece.range == PieceRange::Whole));
    }

    #[test]
    fn a_table_that_towers_over_the_rest_is_cut() {
        let pieces = cut(&[size(10), size(1000), size(20)], 2);
        assert_eq!(pieces.iter().filter(|piece| piece.source == Source::Table(1)).count(), 12);
        assert_eq!(pieces.iter().filter(|piece| piece.source == Source::Table(0)).count(), 1);
        assert_eq!(pieces.last().map(|piece| piece.source), Some(Source::Table(0)));
    }

    #[test]
    fn one_connection_and_indivisible_tables_get_whole_tables() {
        assert_eq!(cut(&[size(4000)], 1).len(), 1);
        assert_eq!(cut(&[TableSize { divisible: false, ..size(4000) }], 8).len(), 1);
    }

    #[test]
    fn the_outer_bounds_are_open() {
        let ranges: Vec<_> =
            cut(&[size(64)], 2).iter().map(|piece| piece.range.condition()).collect();
        assert_eq!(
            ranges,
            ["ctid < '(4096,0)'::pg_catalog.tid", "ctid >= '(4096,0)'::pg_catalog.tid"]
        );
    }

    #[test]
    fn large_objects_are_cut_by_their_average() {
        let shape = |pieces: Vec<Piece>| -> Vec<_> {
            pieces.iter().map(|piece| (piece.source, piece.index, piece.range)).collect()
        };
        let piece = |entry, index, first, end| {
            (Source::LargeObjects(entry), index, PieceRange::LargeObjects { first, end })
        };
        let small = large_objects(&[1000, 3], 1 << 20, 4);
        assert_eq!(shape(small), [piece(0, 0, 0, 1000), piece(1, 0, 0, 3)]);
        let large = large_objects(&[5], 5 << 34, 2);
        assert_eq!(shape(large), [0, 1, 2, 3, 4].map(|at| piece(0, at, at, at + 1)));
        assert_eq!(shape(large_objects(&[5], 5 << 34, 1)), [piece(0, 0, 0, 5)]);
    }

    proptest! {
        #[test]
        fn the_ranges_of_a_table_touch_and_cover_everything(
            main in 0u64..200_000, toast in 0u64..200_000, jobs in 1usize..32, others in 0u64..100_000,
        ) {
            let table = TableSize { toast_bytes: toast << 20, ..size(main) };
            let mut pieces = cut(&[table, size(others)], jobs);
            pieces.retain(|piece| piece.source == Source::Table(0));
            pieces.sort_by_key(|piece| piece.index);
            let mut next = None;
            for (index, piece) in pieces.iter().enumerate() {
                prop_assert_eq!(piece.index, index);
                match piece.range {
                    PieceRange::Whole => prop_assert_eq!(pieces.len(), 1),
                    PieceRange::LargeObjects { .. } => prop_assert!(false),
                    PieceRange::Pages { first, end } => {
                        prop_assert_eq!(first, next);
                        prop_assert_eq!(end.is_none(), index + 1 == pieces.len());
                        if let (Some(first), Some(end)) = (first, end) { prop_assert!(first < end); }
                        next = end;
                    }
                }
            }
        }
    }
}
