//! A browser of its own for a test, and what a person does with it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Program, eventually};

/// The names of keys, as the WebDriver protocol has them.
pub(super) const TAB: &str = "\u{e004}";
pub(super) const ENTER: &str = "\u{e007}";
pub(super) const ESCAPE: &str = "\u{e00c}";
pub(super) const RIGHT: &str = "\u{e014}";
const SHIFT: char = '\u{e008}';

/// One running browser; it ends when it is dropped.
pub(super) struct Browser {
    pub(super) page: Client,
    session: String,
    driver: Program,
    profile: PathBuf,
}

impl Browser {
    pub(super) async fn new() -> Self {
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("browser-{}", Uuid::new_v4().simple()));
        let (driver, port) = start_driver().await;
        let driver_url = format!("http://127.0.0.1:{port}");
        let mut options = json!({"args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--window-size=1280,800",
            format!("--user-data-dir={}", profile.display()),
        ]});
        let mut name = "chrome";
        if let Some(shell) = shell() {
            options["binary"] = json!(shell);
            name = "chrome-headless-shell";
        }
        let Value::Object(capabilities) = json!({
            "browserName": name,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": options,
            // The longest look at the longest page takes 2 s alone, and as many times that as others want the cores.
            "timeouts": {"script": 300_000},
        }) else {
            unreachable!("an object was written");
        };
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver_url)
            .await
            .expect("a browser should start");
        let id = page.session_id().await.unwrap().expect("a session");
        Self {
            page,
            session: format!("{driver_url}/session/{id}"),
            driver,
            profile,
        }
    }

    /// With a page of `gateway` open.
    pub(super) async fn at(gateway: &Program, path: &str) -> Self {
        let browser = Self::new().await;
        let address = format!("http://{}{path}", gateway.address());
        browser.page.goto(&address).await.unwrap();
        browser
    }

    /// Runs the body of a function in the page, and gives what it returns.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.page.execute(script, vec![]).await.unwrap()
    }

    /// Waits until this expression is true in the page; it is not while an element that it looks at is not there.
    pub(super) async fn shows(&self, expression: &str) {
        let script = format!(
            "try {{ return Boolean({expression}); }} catch (error) {{
                if (error instanceof TypeError) return false;
                throw error;
            }}"
        );
        eventually(expression, async || self.run(&script).await == json!(true)).await;
    }

    /// Presses keys, one after another, wherever the focus is.
    pub(super) async fn press(&self, keys: &str) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for value in keys.chars() {
            actions = actions
                .then(KeyAction::Down { value })
                .then(KeyAction::Up { value });
        }
        self.page.perform_actions(actions).await.unwrap();
    }

    /// Goes back to what had the focus before.
    pub(super) async fn press_shift_tab(&self) {
        let tab = TAB.chars().next().expect("one key");
        let actions = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value: SHIFT })
            .then(KeyAction::Down { value: tab })
            .then(KeyAction::Up { value: tab })
            .then(KeyAction::Up { value: SHIFT });
        self.page.perform_actions(actions).await.unwrap();
    }

    /// What the browser has complained about since this was last asked: errors, warnings, violations of the policy.
    pub(super) async fn complaints(&self) -> Vec<String> {
        let entries = self
            .command("se/log", json!({"type": "browser"}))
            .await
            .as_array()
            .cloned()
            .expect("a list");
        entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            .map(ToString::to_string)
            .collect()
    }

    /// Makes the page as large as a phone's screen, or of any other size.
    pub(super) async fn resize(&self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": true});
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
    }

    /// Shows pages as somebody has them who likes the dark.
    pub(super) async fn darken(&self) {
        let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
        self.devtools("Emulation.setEmulatedMedia", dark).await;
    }

    /// Cuts the device off from every network.
    pub(super) async fn cut_off(&self) {
        self.network(
            json!({"offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}),
        )
        .await;
    }

    /// Gives it back.
    pub(super) async fn reconnect(&self) {
        self.network(json!({"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}))
            .await;
    }

    async fn network(&self, conditions: Value) {
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.emulateNetworkConditions", conditions)
            .await;
    }

    /// What is wrong with the page for those who cannot see it, or not well, or have no mouse, as axe finds it.
    pub(super) async fn barriers(&self) -> Vec<String> {
        let axe = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/contract/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).expect("run script/bootstrap --tests");
        self.run(&format!("if (!window.axe) {{ {axe} }}")).await;
        // What comes into view is judged as it is to stay.
        let found = "
            for (const animation of document.getAnimations())
                if (animation.effect.getComputedTiming().endTime !== Infinity) animation.finish();
            return axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
                .filter(({ impact }) => impact === 'serious' || impact === 'critical').flatMap(({ id, nodes }) =>
                nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`)));";
        let found = self.run(found).await;
        serde_json::from_value(found).unwrap()
    }

    /// The hosts that anything was asked of since this was last asked, other than that of the page.
    pub(super) async fn other_hosts(&self) -> Vec<String> {
        let host = self.run("return location.host;").await;
        let entries = self
            .command("se/log", json!({"type": "performance"}))
            .await
            .as_array()
            .cloned()
            .expect("a list");
        let mut asked = Vec::new();
        for entry in entries {
            let entry: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let event = &entry["message"];
            let url = match event["method"].as_str() {
                Some("Network.requestWillBeSent") => &event["params"]["request"]["url"],
                Some("Network.webSocketCreated") => &event["params"]["url"],
                _ => continue,
            };
            let url = reqwest::Url::parse(url.as_str().unwrap()).unwrap();
            if matches!(url.scheme(), "data" | "about" | "chrome") {
                continue;
            }
            let port = url.port().map_or(String::new(), |port| format!(":{port}"));
            let asked_of = format!("{}{port}", url.host_str().unwrap_or_default());
            if host != asked_of.as_str() {
                asked.push(url.to_string());
            }
        }
        asked
    }

    /// A picture of what is to be seen.
    pub(super) async fn picture(&self) -> Vec<u8> {
        self.page.screenshot().await.unwrap()
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let command = json!({"cmd": command, "params": parameters});
        self.command("goog/cdp/execute", command).await
    }

    /// A command that the client has no method for.
    async fn command(&self, path: &str, body: Value) -> Value {
        let mut answer: Value = reqwest::Client::new()
            .post(format!("{}/{path}", self.session))
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        answer["value"].take()
    }
}

/// The browser without all that is around a page, if it is here: it starts in a sixth of the time.
fn shell() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("chromium-headless-shell"))
        .find(|shell| shell.exists())
}

/// A driver, and its port. It looks for one that is free in one family of addresses, and ends when that is taken in the
/// other; then another one is started.
async fn start_driver() -> (Program, u16) {
    loop {
        // The browser belongs to the driver's process group, so that both can be killed together.
        let driver = Program::spawn(
            Command::new("chromedriver")
                .arg("--port=0")
                .process_group(0),
        );
        let started = driver
            .printed_one_of(&["started successfully on port", "port not available"])
            .await;
        let port = started.rsplit(' ').next();
        let port = port.and_then(|port| port.trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            return (driver, port);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = format!("-{}", self.driver.pid());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
