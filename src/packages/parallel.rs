//! The same work on many things, a few at a time, in order.
//!
//! Threads of their own and not rayon's: one that waits for inner work of rayon's takes up further outer work, and
//! so might come to hold any number of wheels in memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Does `work` on each of `items`, on `at_once` of them at the same time. After an error nothing new is begun; of
/// several errors that of the foremost item is told.
pub(super) fn each<T: Sync, R: Send, E: Send>(
    at_once: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results = Mutex::new(items.iter().map(|_| None).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(items.len()) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(item);
                    failed.fetch_or(result.is_err(), Ordering::Relaxed);
                    results.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().flatten().collect()
}

/// An amount that is shared out to threads, and that they wait for.
pub(super) struct Share {
    all: u64,
    left: Mutex<u64>,
    given_back: Condvar,
}

impl Share {
    pub fn of(all: u64) -> Share {
        Share { all, left: Mutex::new(all), given_back: Condvar::new() }
    }

    /// Does `work` when so much is left; whoever wants more than there is gets all of it.
    pub fn with<R>(&self, wanted: u64, work: impl FnOnce() -> R) -> R {
        let wanted = wanted.min(self.all);
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.given_back.wait_while(left, |left| *left < wanted);
        *left.unwrap_or_else(PoisonError::into_inner) -= wanted;
        let _taken = Taken { share: self, amount: wanted };
        work()
    }
}

/// Gives back what was taken, also when the work panics.
struct Taken<'a> {
    share: &'a Share,
    amount: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.share.left.lock().unwrap_or_else(PoisonError::into_inner) += self.amount;
        self.share.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_shared_out_than_there_is() {
        let (share, out, most) = (Share::of(10), AtomicUsize::new(0), AtomicUsize::new(0));
        let wanted: Vec<usize> = (0..200).map(|n| n % 14).collect();
        let done = each(8, &wanted, |wanted| {
            share.with(*wanted as u64, || {
                let taken = (*wanted).min(10);
                most.fetch_max(out.fetch_add(taken, Ordering::SeqCst) + taken, Ordering::SeqCst);
                std::thread::yield_now();
                out.fetch_sub(taken, Ordering::SeqCst);
            });
            Ok::<_, ()>(())
        });
        assert_eq!(done.map(|done| done.len()), Ok(200));
        assert!((5..=10).contains(&most.into_inner()));
    }

    #[test]
    fn results_keep_the_order_and_an_error_ends_the_work() {
        let items: Vec<u32> = (0..100).collect();
        assert_eq!(
            each(4, &items, |item| Ok::<_, ()>(item * 2)),
            Ok((0..100).map(|item| item * 2).collect())
        );
        let begun = AtomicUsize::new(0);
        let failing = |item: &u32| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *item == 3 { Err(*item) } else { Ok(()) }
        };
        assert_eq!(each(1, &items, failing), Err(3));
        assert_eq!(begun.into_inner(), 4);
        assert_eq!(each(4, &[], |_: &u32| Ok::<(), ()>(())), Ok(Vec::new()));
    }
}
