//! The house rules that a linter cannot see.

#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each line may use the lines above it, and nothing else of ours (`src/lib.rs` has it as a table).
const LAYERS: [&[&str]; 10] = [
    &["auth", "shards"],
    &["ids", "config", "shutdown", "telemetry"],
    &["postgres", "wire", "task"],
    &["nats"],
    &[
        "queue", "session", "notice", "ticket", "asyncapi", "openapi",
    ],
    &["sweeper"],
    &["worker", "gateway"],
    &["bench", "testing"],
    &["cli"],
    &["main", "lib"],
];

/// Where a crate may be used; the others are at home everywhere.
const HOMES: [(&str, &[&str]); 33] = [
    ("apalis", &["worker"]),
    ("apalis_core", &["worker"]),
    ("async_nats", &["nats"]),
    ("axum", &["gateway"]),
    ("base64", &["task"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("comfy_table", &["cli"]),
    ("command_fds", &["task"]),
    ("croner", &["queue"]),
    ("form_urlencoded", &["gateway"]),
    ("hmac", &["task"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("prometheus_client", &["telemetry"]),
    ("hyper", &["gateway"]),
    ("hyper_util", &["gateway"]),
    ("indicatif", &["cli"]),
    ("ipnet", &["config", "gateway"]),
    ("jsonwebtoken", &["auth"]),
    ("reqwest", &["auth", "cli", "task"]),
    ("rustix", &["cli", "task"]),
    ("tower_http", &["gateway"]),
    ("socket2", &["gateway"]),
    ("tokio_rustls", &["gateway"]),
    ("tracing_opentelemetry", &["telemetry"]),
    ("tracing_subscriber", &["telemetry"]),
    ("tokio_tungstenite", &["bench", "testing"]),
    ("clap", &["config", "cli", "main"]),
    ("jsonschema", &["task"]),
    ("serde_path_to_error", &["task"]),
    ("schemars", &["ids", "wire", "task", "asyncapi", "openapi"]),
];

/// Only here is there SQL.
const SQL_HOMES: [&str; 5] = ["queue", "session", "notice", "ticket", "postgres"];

/// Past this, look for the second noun in a file.
const LONG: usize = 300;

/// All sources, with the module at the top of each.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&root).unwrap().to_owned();
                let top = inside.iter().next().unwrap().to_str().unwrap();
                let module = top.trim_end_matches(".rs").to_owned();
                sources.push((module, inside, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources
}

fn layer(module: &str) -> usize {
    let layer = LAYERS.iter().position(|layer| layer.contains(&module));
    layer.unwrap_or_else(|| panic!("the module {module} has no place in LAYERS of tests/tidy.rs and the table of src/lib.rs"))
}

/// The code, without comments and without its tests.
fn code(source: &str) -> String {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_module_uses_only_the_modules_above_it() {
    for (module, file, source) in sources() {
        let code = code(&source);
        for used in code.split("crate::").skip(1) {
            let used: String = used
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if used == module || used.is_empty() || module == "main" || module == "lib" {
                continue;
            }
            assert!(
                layer(&used) < layer(&module),
                "{} uses crate::{used}, which is not above it; see the table in src/lib.rs",
                file.display()
            );
        }
    }
}

#[test]
fn a_crate_is_used_only_at_its_home() {
    for (module, file, source) in sources() {
        let code = code(&source);
        for (name, homes) in HOMES {
            let used =
                code.contains(&format!("use {name}::")) || code.contains(&format!(" {name}::"));
            assert!(
                !used || homes.contains(&module.as_str()),
                "{} uses {name}, whose home is {homes:?}; see HOMES in tests/tidy.rs",
                file.display()
            );
        }
    }
}

#[test]
fn sql_is_only_where_its_tables_are_owned() {
    for (module, file, source) in sources() {
        let code = code(&source);
        assert!(
            !code.contains("sqlx::query") || SQL_HOMES.contains(&module.as_str()),
            "{} has SQL; its homes are {SQL_HOMES:?}",
            file.display()
        );
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    for (_, file, source) in sources() {
        assert!(
            source.starts_with("//! "),
            "{} does not begin with //!",
            file.display()
        );
    }
}

#[test]
fn no_file_is_long() {
    for (_, file, source) in sources() {
        if file.ends_with("tests.rs") {
            continue;
        }
        let own = source.split("#[cfg(test)]").next().unwrap();
        let lines = own.lines().count();
        assert!(
            lines <= LONG,
            "{} has {lines} lines: look for the second noun in it",
            file.display()
        );
    }
}

#[test]
fn the_example_environment_lists_every_setting() {
    let config: String = sources()
        .into_iter()
        .filter(|(module, _, _)| module == "config")
        .map(|(_, _, source)| source)
        .collect();
    let mut settings: BTreeSet<&str> = config
        .split("env = \"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    // Like PATH, it is for whoever looks for programs; the tests look as well.
    settings.insert("PG_BIN");
    // The exporter of spans reads these by itself, as its standard has it.
    settings.extend([
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_SERVICE_NAME",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
    ]);
    let example =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".env.example")).unwrap();
    let listed: BTreeSet<&str> = example
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect();
    assert_eq!(
        settings, listed,
        "src/config.rs and .env.example should have the same settings"
    );
}

#[test]
fn every_file_of_the_pages_is_served_and_none_is_long() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let serves = fs::read_to_string(root.join("src/gateway/pages.rs")).unwrap();
    let mut folders = vec![root.join("static")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root.join("static")).unwrap();
            let name = name.to_str().unwrap();
            assert!(
                serves.contains(&format!("\"{name}\""))
                    || serves.contains(&format!("static/{name}\"")),
                "static/{name} is not served; see FILES in src/gateway/pages.rs"
            );
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(
                lines <= LONG || !name.ends_with(".js"),
                "static/{name} has {lines} lines: look for the second noun in it"
            );
        }
    }
}
