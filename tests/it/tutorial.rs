//! `docs/tasks.md`, block by block: files are written, commands run, and what they print is what stands there.
//!
//! The word after a block's language is the file that it is, or how its commands run: `running` ones stay, those that run
//! `instead` end what ran of Ringback before, and of those that `fail` it is shown that they do.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{DataDir, Program, eventually, example, free_port};

/// What a block is for.
#[derive(Debug, PartialEq)]
enum Kind {
    File(String),
    Run,
    Fails,
    Stays,
    Instead,
    Printed,
}

struct Block {
    kind: Kind,
    text: String,
    line: usize,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((line, opening)) = lines.next() {
        let Some(info) = opening.strip_prefix("```") else {
            continue;
        };
        let text = lines.by_ref().map(|(_, line)| line);
        let text: Vec<&str> = text.take_while(|line| *line != "```").collect();
        let kind = match info.split_once(' ').unwrap_or((info, "")) {
            ("sh", "") => Kind::Run,
            ("sh", "fails") => Kind::Fails,
            ("sh", "running") => Kind::Stays,
            ("sh", "running instead") => Kind::Instead,
            ("text", "") => Kind::Printed,
            (_, name) if !name.is_empty() => Kind::File(name.to_owned()),
            _ => panic!("line {}: nobody runs {info:?}", line + 1),
        };
        blocks.push(Block {
            kind,
            text: text.join("\n") + "\n",
            line: line + 1,
        });
    }
    blocks
}

/// A shell in the reader's folder.
struct Shell {
    folder: PathBuf,
    gateway: String,
    function: String,
}

impl Shell {
    fn new(folder: &Path) -> Self {
        let free = || format!("127.0.0.1:{}", free_port());
        Self {
            folder: folder.to_owned(),
            gateway: free(),
            function: free(),
        }
    }

    /// The same text for the ports that are free here.
    fn here(&self, text: &str) -> String {
        let port = self.function.rsplit_once(':').unwrap().1;
        text.replace("127.0.0.1:8000", &self.gateway)
            .replace("127.0.0.1:9000", &self.function)
            .replace("(\"127.0.0.1\", 9000)", &format!("(\"127.0.0.1\", {port})"))
    }

    /// What runs these lines. What cargo would build, it has built: the same program, as an example.
    fn command(&self, text: &str) -> Command {
        let tests = std::env::current_exe().unwrap();
        let program = example("shout");
        let text = self
            .here(text)
            .replace("cargo run --", &program.display().to_string())
            .replace("cargo test", &format!("{} shout::tests", tests.display()));
        let programs = Path::new(env!("CARGO_BIN_EXE_ringback")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", &text])
            .current_dir(&self.folder)
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("RINGBACK_LISTEN", &self.gateway)
            .env_remove("DATABASE_URL");
        command
    }

    fn run(&self, text: &str) -> Output {
        self.command(text).output().unwrap()
    }

    /// Starts what stays, and waits until it is there.
    async fn start(&self, text: &str) -> Program {
        let (before, last) = text
            .trim_end()
            .rsplit_once('\n')
            .unwrap_or(("", text.trim_end()));
        let program = Program::spawn(&mut self.command(&format!("{before}\nexec {last}")));
        if last.contains(" worker") {
            program.printed("working").await;
        } else if last.contains("python3") {
            eventually("it should listen", async || {
                std::net::TcpStream::connect(&self.function).is_ok()
            })
            .await;
        } else {
            program.printed("serving").await;
        }
        program
    }
}

#[tokio::test]
async fn the_tutorial_does_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/tasks.md")).unwrap();
    let folder = DataDir::new();
    std::fs::create_dir_all(folder.path().join("src")).unwrap();
    let shell = Shell::new(folder.path());
    let mut running: Vec<(String, Program)> = Vec::new();
    let mut printed = String::new();
    let mut ran = 0;
    for Block { kind, text, line } in blocks(&document) {
        match kind {
            Kind::File(name) => {
                if name == "src/main.rs" {
                    let example = std::fs::read_to_string(root.join("examples/shout.rs")).unwrap();
                    assert_eq!(text, example, "line {line}: it should be the example");
                }
                std::fs::write(folder.path().join(name), shell.here(&text)).unwrap();
            }
            Kind::Run => {
                let output = shell.run(&text);
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "line {line}: {said}");
                printed = String::from_utf8(output.stdout).unwrap();
            }
            Kind::Fails => {
                let output = shell.run(&text);
                assert!(!output.status.success(), "line {line}: it should fail");
            }
            Kind::Stays => running.push((text.clone(), shell.start(&text).await)),
            Kind::Instead => {
                let ours = |text: &str| text.contains("ringback ") || text.contains("cargo run");
                for (_, mut program) in running.extract_if(.., |(text, _)| ours(text)) {
                    program.signal("INT");
                    program.ended().await;
                }
                running.push((text.clone(), shell.start(&text).await));
            }
            Kind::Printed => assert_eq!(printed, text, "line {line}"),
        }
        ran += 1;
    }
    assert!(ran > 20, "{ran} blocks were found");
    for (text, mut program) in running {
        if !text.contains("python3") {
            program.signal("INT");
            program.ended().await;
        }
    }
}

/// What the example is built with here is what the tutorial's `Cargo.toml` asks for.
#[test]
fn the_project_of_the_tutorial_finds_what_it_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/tasks.md")).unwrap();
    let manifest = blocks(&document)
        .into_iter()
        .find(|block| block.kind == Kind::File("Cargo.toml".to_owned()))
        .unwrap();
    let folder = DataDir::new();
    std::fs::create_dir_all(folder.path().join("src")).unwrap();
    let here = format!("path = {:?}", root.display().to_string());
    let text = manifest.text.replace("path = \"../ringback\"", &here);
    std::fs::write(folder.path().join("Cargo.toml"), text).unwrap();
    std::fs::write(folder.path().join("src/main.rs"), "").unwrap();
    std::fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let compiler = Command::new("rustc").arg("-vV").output().unwrap();
    let compiler = String::from_utf8(compiler.stdout).unwrap();
    let host = compiler
        .lines()
        .find_map(|line| line.strip_prefix("host: "));
    let output = Command::new(env!("CARGO"))
        // Of other systems' packages there may be none here.
        .args(["metadata", "--format-version", "1", "--filter-platform"])
        .arg(host.unwrap())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
