//! A NATS server of a test's own.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::system::{free_port, program};
use super::{Program, eventually};

/// Killed when it is dropped.
pub(crate) struct NatsServer {
    program: Program,
    port: u16,
    /// Where it tells of itself.
    told: u16,
    arguments: Vec<String>,
}

impl NatsServer {
    /// With these arguments; none where there is no `nats-server`, and then it says so.
    pub(crate) async fn start(arguments: &[&str]) -> Option<Self> {
        let (port, told) = (free_port(), free_port());
        let arguments: Vec<String> = arguments.iter().map(|&it| it.to_owned()).collect();
        let program = start(port, told, &arguments).await?;
        Some(Self {
            program,
            port,
            told,
            arguments,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The subjects that are heard here.
    pub(crate) async fn subjects(&self) -> BTreeSet<String> {
        let url = format!("http://127.0.0.1:{}/connz?subs=1", self.told);
        let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        let connections = answer["connections"].as_array().into_iter().flatten();
        let subjects = connections.filter_map(|it| it["subscriptions_list"].as_array());
        let subjects = subjects.flatten().filter_map(Value::as_str);
        subjects.map(str::to_owned).collect()
    }

    /// Waits until so many gateways, and the same number of workers or more, hear their hints here.
    pub(crate) async fn is_heard(&self, gateways: usize) {
        eventually("hints should be heard", async || {
            let subjects = self.subjects().await;
            let done = subjects.iter().filter(|it| it.contains(".ringback_done_"));
            let ready = subjects.iter().filter(|it| it.ends_with(".ringback_ready"));
            done.count() == gateways && ready.count() > 0
        })
        .await;
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// Starts it again, on the same port.
    pub(crate) async fn restart(&mut self) {
        let program = start(self.port, self.told, &self.arguments).await;
        self.program = program.expect("it was there before");
    }
}

#[expect(
    clippy::print_stderr,
    reason = "whoever reads of a test should know that it had nothing to test with"
)]
async fn start(port: u16, told: u16, arguments: &[String]) -> Option<Program> {
    let Some(program) = program("nats-server") else {
        eprintln!("there is no nats-server here: not tested");
        return None;
    };
    let mut command = Command::new(program);
    command
        .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
        .args(["--http_port", &told.to_string()])
        .args(arguments);
    let server = Program::spawn(&mut command);
    server.printed("Server is ready").await;
    Some(server)
}
