//! The tasks that the demonstration has, and a program of one's own does not.

mod analyze;
mod fallback;
mod generate;
mod pretend;
mod translate;

use std::time::Duration;

use super::{FALLBACK, Tasks};
use pretend::Pretend;

/// All of them; their pretended work takes `delay_scale` times as long as it says.
pub(super) fn tasks(delay_scale: f64) -> Tasks {
    let pretend = Pretend { delay_scale };
    let seconds = Duration::from_secs;
    Tasks::new()
        .with(pretend.task("translate", seconds(2), translate::translate))
        .with(pretend.task("analyze", seconds(3), analyze::analyze))
        .with(pretend.streaming("generate", seconds(4), generate::generate))
        .with(pretend.task(FALLBACK, seconds(1), fallback::process))
}
