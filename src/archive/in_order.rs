//! Values that come in any order and leave in a given one.

use std::collections::{HashMap, VecDeque};

use crate::model::DumpId;

/// What waits for its turn.
#[derive(Debug)]
pub(super) struct InOrder<T> {
    order: VecDeque<DumpId>,
    waiting: HashMap<DumpId, T>,
}

impl<T> InOrder<T> {
    /// Makes an empty queue with the order in which values will leave it.
    pub(super) fn new(order: impl IntoIterator<Item = DumpId>) -> Self {
        InOrder { order: order.into_iter().collect(), waiting: HashMap::new() }
    }

    /// Takes a value in.
    pub(super) fn push(&mut self, id: DumpId, value: T) {
        self.waiting.insert(id, value);
    }

    /// Returns the value whose turn it is, when it has come.
    pub(super) fn pop(&mut self) -> Option<(DumpId, T)> {
        let &id = self.order.front()?;
        let value = self.waiting.remove(&id)?;
        self.order.pop_front();
        Some((id, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_early_waits() {
        let mut queue = InOrder::new([DumpId(3), DumpId(1), DumpId(2)]);
        queue.push(DumpId(1), "b");
        assert_eq!(queue.pop(), None);
        queue.push(DumpId(3), "a");
        assert_eq!(queue.pop(), Some((DumpId(3), "a")));
        assert_eq!(queue.pop(), Some((DumpId(1), "b")));
        assert_eq!(queue.pop(), None);
    }
}
