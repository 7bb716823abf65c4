//! The demonstration's work: a function from text to text, after a delay that pretends work.

use std::time::Duration;

use crate::task::{Context, Kind, from_fn};

/// In how many pieces a text is sent, at most.
const PIECES: usize = 100;

/// Makes tasks out of functions from text to text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pretend {
    /// The pretended work takes so many times as long as it says.
    pub(super) delay_scale: f64,
}

impl Pretend {
    pub(super) fn task(self, name: &str, delay: Duration, work: fn(&str) -> String) -> Kind {
        let delay = delay.mul_f64(self.delay_scale);
        from_fn(name, move |content: String, _: Context| async move {
            sleep(delay).await;
            Ok(work(&content))
        })
    }

    /// One that sends its text word by word while it works, to whoever wants that.
    pub(super) fn streaming(self, name: &str, delay: Duration, work: fn(&str) -> String) -> Kind {
        let delay = delay.mul_f64(self.delay_scale);
        from_fn(name, move |content: String, context: Context| async move {
            let answer = work(&content);
            if !context.stream {
                sleep(delay).await;
                return Ok(answer);
            }
            let words: Vec<&str> = answer.split_inclusive(' ').collect();
            let pieces = words.chunks(words.len().div_ceil(PIECES));
            let count = u32::try_from(pieces.len()).expect("there are not so many pieces");
            for (number, piece) in (1..=count).zip(pieces) {
                sleep(delay / count).await;
                context.chunk(&piece.concat()).await;
                let percent = 100.0 * f64::from(number) / f64::from(count);
                context.progress(percent.round(), &format!("{number} of {count} pieces"));
            }
            Ok(answer)
        })
    }
}

async fn sleep(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
