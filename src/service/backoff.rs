//! How long a service that has crashed is left alone before it is started again.

use std::time::Duration;

/// After one that ran this long the waiting begins anew.
const GOOD_RUN: Duration = Duration::from_secs(60);

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// The pauses between one run and the next: twice as long each time, up to five minutes.
#[derive(Debug, Default)]
pub struct Backoff {
    last: Option<Duration>,
    in_a_row: u32,
}

impl Backoff {
    /// The pause after a run that took this long.
    pub fn after(&mut self, run: Duration) -> Duration {
        let pause = match self.last.filter(|_| run < GOOD_RUN) {
            Some(last) => (last * 2).min(LONGEST),
            None => {
                self.in_a_row = 0;
                SHORTEST
            }
        };
        self.in_a_row += 1;
        self.last = Some(pause);
        pause
    }

    /// How many runs have ended since the last good one.
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes_and_a_good_run_forgets_them() {
        let mut backoff = Backoff::default();
        let crash = Duration::from_secs(2);
        let pauses: Vec<u64> = (0..11).map(|_| backoff.after(crash).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(backoff.in_a_row(), 11);
        assert_eq!((backoff.after(GOOD_RUN).as_secs(), backoff.in_a_row()), (1, 1));
        assert_eq!(backoff.after(crash).as_secs(), 2);
    }
}
