//! The composition: what it is made of, what is kept from strangers, and in which order it starts.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{
    default_of, finds_nothing, installed, is_a_command, is_ignored, longest_stop, read, settings,
    time,
};

/// `compose.yaml` as compose reads it.
fn composition() -> Value {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    let mut child = installed("python")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(read("compose.yaml").as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_str().unwrap()).collect()
}

/// The services that are this program, with their names.
fn ours(composition: &Value) -> Vec<(&String, &Value)> {
    let services = composition["services"].as_object().unwrap().iter();
    let ours: Vec<_> = services
        .filter(|(_, service)| service["image"].as_str().unwrap().starts_with("ringback:"))
        .collect();
    assert_eq!(ours.len(), 3);
    ours
}

#[test]
fn the_composition_is_one_by_the_specification() {
    finds_nothing(installed("check-jsonschema").args([
        "--quiet",
        "--builtin-schema",
        "vendor.compose-spec",
        "compose.yaml",
    ]));
}

#[test]
fn two_gateways_and_two_workers_are_behind_a_balancer_and_nothing_else_is_published() {
    let composition = composition();
    let services = composition["services"].as_object().unwrap();
    for name in ["gateway", "worker"] {
        assert_eq!(services[name]["deploy"]["replicas"], 2, "{name}");
    }
    for (name, service) in services {
        assert_eq!(service["ports"].is_array(), name == "balancer", "{name}");
        assert_eq!(service["network_mode"], Value::Null, "{name}");
        // Whatever is wrong in one of them, it is not wrong as root.
        if name != "postgres" {
            assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
            assert_eq!(service["read_only"], true, "{name}");
        }
    }
    // And that for this host.
    for port in texts(&services["balancer"]["ports"]) {
        assert!(port.starts_with("127.0.0.1:"), "{port}");
    }
    assert_eq!(services["postgres"]["networks"], json!(["database"]));
    assert_eq!(composition["networks"]["database"]["internal"], true);
    assert!(!texts(&services["balancer"]["networks"]).contains(&"database"));
}

#[test]
fn everything_waits_for_the_schema_and_the_schema_for_postgres() {
    let composition = composition();
    let services = &composition["services"];
    let waits_for = |name: &str, what: &str, condition: &str| {
        let condition = json!({ what: { "condition": condition } });
        assert_eq!(services[name]["depends_on"], condition, "{name}");
    };
    waits_for("migrate", "postgres", "service_healthy");
    waits_for("gateway", "migrate", "service_completed_successfully");
    waits_for("worker", "migrate", "service_completed_successfully");
    waits_for("balancer", "gateway", "service_healthy");
    assert_eq!(services["migrate"]["command"], json!(["migrate"]));
    assert_eq!(services["migrate"]["restart"], "no");
    // A gateway's health is what the image says.
    assert_eq!(services["gateway"]["healthcheck"], Value::Null);
    for name in ["postgres", "balancer"] {
        assert!(services[name]["healthcheck"]["test"].is_array(), "{name}");
    }
}

#[test]
fn strangers_are_kept_out_and_no_secret_stands_in_the_composition() {
    let composition = composition();
    let services = &composition["services"];
    let made = |text: &str| text.starts_with("${POSTGRES_PASSWORD:?") && text.ends_with('}');
    let password = services["postgres"]["environment"]["POSTGRES_PASSWORD"].as_str();
    assert!(password.is_some_and(made), "{password:?}");
    for (name, service) in ours(&composition) {
        let url = service["environment"]["DATABASE_URL"].as_str().unwrap();
        let rest = url.strip_prefix("postgres://ringback:");
        let password = rest.and_then(|rest| rest.strip_suffix("@postgres/ringback"));
        assert!(password.is_some_and(made), "{name}: {url}");
    }
    let gateway = &services["gateway"];
    assert_eq!(gateway["environment"]["RINGBACK_AUTH"], "jwt");
    assert_eq!(gateway["secrets"], json!(["jwt_key"]));
    assert_eq!(
        gateway["environment"]["RINGBACK_JWT_KEY"],
        "/run/secrets/jwt_key"
    );
    let key = composition["secrets"]["jwt_key"]["file"].as_str().unwrap();
    for path in [key, ".env"] {
        assert!(is_ignored(path, &read(".gitignore")), "{path}");
        assert!(
            read("docs/deploy.md").contains(path),
            "{path} is not explained"
        );
    }
}

#[test]
fn the_balancer_is_believed_for_whom_it_speaks() {
    let composition = composition();
    let gateway = &composition["services"]["gateway"];
    let subnet = &composition["networks"]["front"]["ipam"]["config"][0]["subnet"];
    assert!(subnet.is_string());
    assert_eq!(gateway["environment"]["RINGBACK_TRUSTED_PROXIES"], *subnet);
    assert_eq!(
        composition["services"]["balancer"]["networks"],
        json!(["front"])
    );
    let volumes = &composition["services"]["balancer"]["volumes"];
    assert!(
        texts(volumes)[0].starts_with("./deploy/haproxy.cfg:"),
        "{volumes}"
    );
}

#[test]
fn every_image_of_the_composition_is_of_one_version() {
    let composition = composition();
    for (name, service) in composition["services"].as_object().unwrap() {
        let image = service["image"].as_str().unwrap();
        let (_, tag) = image.split_once(':').expect("a tag");
        assert!(
            tag.starts_with(|c: char| c.is_ascii_digit()) && tag.contains('.'),
            "{name}: {image}"
        );
    }
    for (name, service) in ours(&composition) {
        let image = concat!("ringback:", env!("CARGO_PKG_VERSION"));
        assert_eq!(service["image"], image, "{name}");
        // One of them builds it for all, and nobody looks for it elsewhere.
        let policy = if name == "migrate" { "build" } else { "never" };
        assert_eq!(service["pull_policy"], policy, "{name}");
        assert_eq!(service["build"].is_string(), name == "migrate", "{name}");
    }
}

#[test]
fn every_setting_and_command_in_the_composition_is_one_of_the_program() {
    let composition = composition();
    let settings = settings();
    for (name, service) in ours(&composition) {
        for setting in service["environment"].as_object().unwrap().keys() {
            assert!(settings.contains(setting), "{name}: {setting}");
        }
        let command = texts(&service["command"]);
        assert!(is_a_command(&command), "{name}: {command:?}");
        assert_eq!(
            service["env_file"],
            json!([{"path": ".env", "required": false}])
        );
    }
    // Besides them, the image of Postgres has settings of its own.
    for setting in composition["services"]["postgres"]["environment"]
        .as_object()
        .unwrap()
        .keys()
    {
        assert!(setting.starts_with("POSTGRES_"), "{setting}");
    }
}

#[test]
fn containers_are_given_the_time_and_the_files_that_the_program_takes() {
    let composition = composition();
    for (name, service) in ours(&composition) {
        let grace = time(service["stop_grace_period"].as_str().unwrap());
        assert!(grace >= longest_stop(), "{name}: {grace:?}");
    }
    let connections: u64 = default_of("RINGBACK_MAX_CONNECTIONS").parse().unwrap();
    for name in ["gateway", "balancer"] {
        let files = &composition["services"][name]["ulimits"]["nofile"];
        assert!(files.as_u64().unwrap() > 2 * connections, "{name}: {files}");
    }
}
