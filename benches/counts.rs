//! How many instructions the hot paths take: `just counts`. That is the same on a busy machine as on a quiet one, so it
//! is checked wherever the tests are run; `benches/README.md` says what to do when a limit is passed.

#![allow(
    clippy::exit,
    missing_docs,
    unused_qualifications,
    reason = "the macros make it so"
)]

use std::hint::black_box;

use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use ringback::gateway::apart::Sockets;
use ringback::wire::{Request, parse};

const SUBMISSION: &str = r#"{"action":"system_message","payload":{"task_type":"translate","content":"Hello, my dear friend!"},"ref":"17"}"#;

/// No more than so many.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::default().hard_limits([(EventKind::Ir, instructions)]));
    config
}

#[library_benchmark(config = at_most(27_300))]
fn parse_a_submission() -> Request {
    parse(black_box(SUBMISSION))
}

#[library_benchmark(config = at_most(1_048_000))]
#[bench::thousand_sockets(args = (1_000), setup = Sockets::new)]
fn notify_and_take(mut sockets: Sockets) -> (Sockets, usize) {
    sockets.notify(black_box("Maintenance in five minutes"));
    let taken = sockets.take();
    (sockets, taken)
}

#[library_benchmark(config = at_most(8_878_000))]
#[bench::thousand_sockets(args = (1_000), setup = Sockets::new)]
fn deliver_and_take(sockets: Sockets) -> (Sockets, usize) {
    sockets.deliver();
    let taken = sockets.take();
    (sockets, taken)
}

library_benchmark_group!(
    name = hot_paths,
    benchmarks = [parse_a_submission, notify_and_take, deliver_and_take]
);
main!(library_benchmark_groups = hot_paths);
