//! An orderly end: what is under way may take a few seconds more, then it is left to the next run.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How long answers are waited for after a stop was asked for. Taking the TXT records away comes after that.
pub const GRACE: Duration = Duration::from_secs(5);

/// Tells a run to come to an orderly end.
#[derive(Clone)]
pub struct Stop {
    asked: watch::Receiver<bool>,
    deadline: Arc<OnceLock<Instant>>,
}

impl Stop {
    /// The sender asks for the end by sending `true`.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, asked) = watch::channel(false);
        (sender, Self { asked, deadline: Arc::default() })
    }

    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Waits until the end is asked for.
    pub async fn asked(&self) {
        let mut receiver = self.asked.clone();
        if receiver.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for an answer from outside. `None` if it did not come before the grace after a stop was over: whether
    /// the other side did what it was asked is then open, and the journal tells the next run to look.
    pub async fn answer<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            answer = answer => Some(answer),
            () = self.grace_is_over() => None,
        }
    }

    /// Waits for something that is of no use to a run that ends.
    pub async fn unless_asked<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.asked() => None,
            done = wait => Some(done),
        }
    }

    async fn grace_is_over(&self) {
        self.asked().await;
        let deadline = *self.deadline.get_or_init(|| Instant::now() + GRACE);
        tokio::time::sleep_until(deadline).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn an_answer_that_is_there_counts_even_after_a_stop() {
        let (sender, stop) = Stop::new();
        sender.send_replace(true);
        assert_eq!(stop.answer(ready(1)).await, Some(1));
    }

    #[tokio::test]
    async fn all_answers_share_one_grace() {
        let (sender, stop) = Stop::new();
        sender.send_replace(true);
        stop.deadline.set(Instant::now()).unwrap();
        assert_eq!(stop.answer(pending::<()>()).await, None);
        assert_eq!(stop.clone().answer(pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn a_wait_ends_at_once() {
        let (sender, stop) = Stop::new();
        sender.send_replace(true);
        assert_eq!(stop.unless_asked(pending::<()>()).await, None);
    }
}
