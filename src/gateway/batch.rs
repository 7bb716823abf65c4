//! Natural batches: what arrived while the last one was being written is the next.

use tokio::sync::mpsc;

use crate::shutdown::Stop;

/// Waits for the next batch, of at most `widest`. After `last` nothing more is taken in; when all that was is given
/// out, there is none.
pub(super) async fn next<T>(
    waiting: &mut mpsc::Receiver<T>,
    widest: usize,
    last: &Stop,
) -> Option<Vec<T>> {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            biased;
            received = waiting.recv_many(&mut batch, widest) => {
                return (received > 0).then_some(batch);
            }
            () = last.cancelled(), if !waiting.is_closed() => waiting.close(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_taken_in_is_given_out_after_the_end() {
        let (send, mut waiting) = mpsc::channel(10);
        let last = Stop::new();
        for number in 0..5 {
            send.send(number).await.unwrap();
        }
        assert_eq!(next(&mut waiting, 3, &last).await, Some(vec![0, 1, 2]));
        last.cancel();
        assert_eq!(next(&mut waiting, 3, &last).await, Some(vec![3, 4]));
        assert_eq!(next(&mut waiting, 3, &last).await, None);
        assert!(send.send(5).await.is_err());
    }
}
