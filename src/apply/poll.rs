//! Asks a CA again and again how an order stands.

use std::time::Duration;

use tokio::time::Instant;

use crate::apply::Stop;
use crate::apply::wave::Halt;
use crate::fault::Fault;
use crate::journal::Status;

/// The first poll comes at once, the second after a quarter of a second, then ever later, at most so far apart.
const FIRST: Duration = Duration::from_millis(250);
const LAST: Duration = Duration::from_secs(5);

/// Looks while the order has this status, until it changes, so long at most, or until a stop's grace is over. A look
/// gives the status, and how long the CA asks to be left alone.
pub async fn poll_while(
    status: &Status,
    most: Duration,
    stop: &Stop,
    mut look: impl AsyncFnMut() -> Result<(Option<Status>, Duration), Halt>,
) -> Result<(), Halt> {
    let deadline = Instant::now() + most;
    let mut pause = FIRST;
    loop {
        let (found, rest) = look().await?;
        if found.as_ref() != Some(status) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let text = format!("the CA has not finished the order after {} s", most.as_secs());
            return Err(Fault::new("acme:timeout", text).hint("the next run goes on with the same order").into());
        }
        stop.answer(tokio::time::sleep(pause.max(rest))).await.ok_or(Halt::Stopped)?;
        pause = (pause * 2).min(LAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::CA_DEADLINE;

    /// How it ends when the CA gives these answers, the last one first, and how many are left.
    async fn polled(mut answers: Vec<Status>, most: Duration) -> (Result<(), String>, usize) {
        let (_sender, stop) = Stop::new();
        let look = async || Ok((answers.pop(), Duration::ZERO));
        let ended = poll_while(&Status::Pending, most, &stop, look).await;
        let code = |halt| match halt {
            Halt::Failed(fault) => fault.code,
            Halt::Stopped => "stopped".to_owned(),
        };
        (ended.map_err(code), answers.len())
    }

    #[tokio::test]
    async fn an_order_that_stays_pending_is_left_when_the_time_is_over() {
        assert_eq!(polled(vec![Status::Pending; 3], Duration::ZERO).await, (Err("acme:timeout".into()), 2));
    }

    #[tokio::test]
    async fn what_the_ca_decides_is_known_at_the_next_look_also_when_the_time_is_over() {
        assert_eq!(polled(vec![Status::Ready, Status::Pending], CA_DEADLINE).await, (Ok(()), 0));
        assert_eq!(polled(vec![Status::Ready], Duration::ZERO).await, (Ok(()), 0));
    }
}
