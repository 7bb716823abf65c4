//! The image: nobody special runs it, it says how it is, and it is built from what the build reads.

use std::path::Path;
use std::process::Command;

use super::{finds_nothing, installed, is_a_command, is_ignored, read, root, scratch};

/// The instructions of the Dockerfile, each with what follows its name, in the stages in which they stand.
fn stages() -> Vec<Vec<(String, String)>> {
    let text = read("Dockerfile");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let whole = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let mut stages: Vec<Vec<(String, String)>> = Vec::new();
    for line in whole.lines().filter(|line| !line.is_empty()) {
        let (name, rest) = line.split_once(' ').unwrap();
        if name == "FROM" {
            stages.push(Vec::new());
        }
        let stage = stages.last_mut().expect("it begins with FROM");
        stage.push((name.to_owned(), rest.trim().to_owned()));
    }
    stages
}

/// What follows an instruction that is once in a stage.
fn one(stage: &[(String, String)], name: &str) -> String {
    let found: Vec<_> = stage.iter().filter(|(it, _)| it == name).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0].1.clone()
}

/// The words of an instruction that stands there as JSON.
fn words(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// What is copied from the checkout.
fn copied() -> Vec<String> {
    let stages = stages();
    let copies = stages.iter().flatten().filter(|(name, _)| name == "COPY");
    let mut paths = Vec::new();
    for (_, rest) in copies.filter(|(_, rest)| !rest.contains("--from=")) {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (_, sources) = words.split_last().unwrap();
        paths.extend(sources.iter().map(|&source| source.to_owned()));
    }
    assert!(paths.len() > 5, "{paths:?}");
    paths
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    if !from.is_dir() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

#[test]
fn hadolint_finds_no_fault_with_the_image() {
    finds_nothing(installed("hadolint").arg("Dockerfile"));
}

#[test]
fn the_image_is_run_by_nobody_special_and_is_a_gateway_unless_told_otherwise() {
    let stages = stages();
    let last = stages.last().unwrap();
    let user = one(last, "USER");
    let user: u32 = user.split(':').next().unwrap().parse().unwrap();
    assert!(user >= 1_000, "{user}");
    assert_eq!(words(&one(last, "ENTRYPOINT")), ["ringback"]);
    let verb = words(&one(last, "CMD"));
    assert_eq!(verb, ["serve"]);
    assert!(is_a_command(&["serve"]));
    // Where others can reach it, so that it does not start without authentication.
    let port = one(last, "EXPOSE");
    assert_eq!(one(last, "ENV"), format!("RINGBACK_LISTEN=0.0.0.0:{port}"));
}

#[test]
fn the_image_is_asked_how_it_is_by_a_command_of_the_program() {
    let stages = stages();
    let last = stages.last().unwrap();
    let check = one(last, "HEALTHCHECK");
    let words = words(check.split_once("CMD ").unwrap().1);
    let (program, arguments) = words.split_first().unwrap();
    assert_eq!(program, "ringback");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert!(is_a_command(&arguments), "{arguments:?}");
    assert!(check.contains(&format!("127.0.0.1:{}", one(last, "EXPOSE"))));
}

#[test]
fn the_image_stands_on_versions_and_its_toolchain_is_the_projects() {
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| {
        let version = line.strip_prefix("channel = \"")?;
        version.strip_suffix('"')
    });
    let channel = channel.unwrap();
    let stages = stages();
    let bases: Vec<String> = stages.iter().map(|stage| one(stage, "FROM")).collect();
    assert!(
        bases[0].starts_with(&format!("rust:{channel}-")),
        "{bases:?}"
    );
    for base in &bases {
        let (_, tag) = base.split_once(':').expect("a tag");
        assert!(
            tag.starts_with(|c: char| c.is_ascii_digit()) && tag.contains('.'),
            "{base}"
        );
    }
    assert!(one(&stages[0], "RUN").contains(" --locked "));
}

#[test]
fn what_is_copied_into_the_image_is_there_and_nothing_else_is_sent() {
    let rules = read(".dockerignore");
    for path in copied() {
        assert!(root().join(&path).exists(), "{path} is not there");
        assert!(!is_ignored(&path, &rules), "{path} is in .dockerignore");
    }
    for path in [
        ".env",
        ".git",
        ".ringback",
        "deploy/secrets/jwt.key",
        "target",
        "tests",
    ] {
        assert!(
            is_ignored(path, &rules),
            "{path} would be sent to the builder"
        );
    }
}

#[test]
fn what_is_copied_into_the_image_is_what_a_build_reads() {
    let (_folder, path) = scratch();
    for source in copied() {
        copy(&root().join(&source), &path.join(&source));
    }
    // It looks for the sources of every target that the manifest names.
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--locked"])
        .args(["--format-version", "1"])
        .current_dir(&path)
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{metadata:?}");
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let targets = metadata["packages"][0]["targets"].as_array().unwrap();
    let built = targets
        .iter()
        .filter(|target| target["kind"][0] != "test" && target["kind"][0] != "bench");
    for target in built {
        let source = target["src_path"].as_str().unwrap();
        assert!(Path::new(source).exists(), "{source}");
    }

    // And these are read by the compiler.
    let mut folders = vec![path.join("src")];
    let mut included = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            if file.is_dir() {
                folders.push(file);
                continue;
            }
            let source = std::fs::read_to_string(&file).unwrap();
            // Its tests are not built there.
            let source = source.split("#[cfg(test)]").next().unwrap();
            for part in source.split("include_str!(\"").skip(1) {
                let name = part.split('"').next().unwrap();
                let read = file.parent().unwrap().join(name);
                assert!(read.exists(), "{} reads {name}", file.display());
                included += 1;
            }
        }
    }
    assert!(included > 3, "{included}");
    for folder in ["static", "migrations", ".sqlx"] {
        assert!(path.join(folder).is_dir(), "{folder}");
    }
}
