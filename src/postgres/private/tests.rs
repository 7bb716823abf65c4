//! The private database, with real servers in throwaway folders.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::*;

/// A folder of its own for a test, stopped and removed at its end, failed or not.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("ringback-private-{}", uuid::Uuid::new_v4().simple());
        Self(std::env::temp_dir().join(name))
    }

    fn dir(&self) -> PathBuf {
        self.0.join("pg")
    }

    fn ensure(&self) -> Cluster {
        ensure(&self.dir(), Durability::Off, &Stop::new()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A failed test may leave a server that only its next user would stop.
        let _ = discard(&self.dir());
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a statement the way any user of the URL would.
fn ask(cluster: &Cluster, statement: &str) -> Result<String, String> {
    let user = cluster.place.user();
    let programs = Programs::find(user, None).unwrap();
    let output = user
        .command(programs.path("psql"))
        .args(["-X", "-A", "-t", "-c", statement, cluster.url()])
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

fn port(cluster: &Cluster) -> u16 {
    let (before, _) = cluster.url().rsplit_once('/').unwrap();
    before.rsplit_once(':').unwrap().1.parse().unwrap()
}

fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn pid_path(cluster: &Cluster) -> PathBuf {
    cluster.place.cluster().join("data/postmaster.pid")
}

fn pid(cluster: &Cluster) -> String {
    let text = fs::read_to_string(pid_path(cluster)).unwrap();
    text.lines().next().unwrap().to_owned()
}

/// Ends a server the hard way and waits until its port is closed.
fn kill(cluster: &Cluster) {
    let killed = Command::new("kill").args(["-9", &pid(cluster)]).status();
    assert!(killed.unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_open(port(cluster)) {
        assert!(Instant::now() < deadline, "the server survived SIGKILL");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Gives the seat back without looking after the server, as a SIGKILL of its user does.
fn vanish(mut cluster: Cluster) {
    cluster.seat = None;
}

#[test]
fn the_first_start_gives_a_url_to_log_in_with() {
    let scratch = Scratch::new();
    let cluster = scratch.ensure();
    let facts = "select concat_ws(' ', current_user, current_database(), usesuper,
        current_setting('timezone'), current_setting('server_encoding'), datcollate,
        current_setting('listen_addresses'), '[' || current_setting('unix_socket_directories') || ']',
        current_setting('max_connections'), current_setting('fsync'), current_setting('password_encryption'))
        from pg_user, pg_database where usename = current_user and datname = current_database()";
    assert_eq!(
        ask(&cluster, facts).unwrap(),
        "ringback ringback t UTC UTF8 C 127.0.0.1 [] 200 off scram-sha-256"
    );
    cluster.leave().unwrap();
}

#[test]
fn a_wrong_password_is_refused() {
    let scratch = Scratch::new();
    let mut cluster = scratch.ensure();
    cluster.url = cluster.url.replacen("ringback:", "ringback:wrong", 1);
    let refusal = ask(&cluster, "select 1").unwrap_err();
    assert!(refusal.contains("authentication failed"), "{refusal}");
    cluster.leave().unwrap();
}

#[test]
fn the_server_is_shared_and_stops_with_the_last_one_to_leave() {
    let scratch = Scratch::new();
    let first = scratch.ensure();
    let second = scratch.ensure();
    let third = find(&scratch.dir(), &Stop::new()).unwrap();
    assert_eq!(first.url(), second.url());
    assert_eq!(first.url(), third.url());

    first.leave().unwrap();
    drop(third);
    assert_eq!(ask(&second, "select 1").unwrap(), "1");

    let port = port(&second);
    let pid_path = pid_path(&second);
    second.leave().unwrap();
    assert!(!is_open(port));
    assert!(!pid_path.exists());
}

#[test]
fn what_was_committed_is_there_after_a_restart_on_the_same_port() {
    let scratch = Scratch::new();
    let cluster = scratch.ensure();
    let url = cluster.url().to_owned();
    ask(&cluster, "create table kept as select 42 as answer").unwrap();
    cluster.leave().unwrap();

    let cluster = find(&scratch.dir(), &Stop::new()).unwrap();
    assert_eq!(cluster.url(), url);
    assert_eq!(ask(&cluster, "select answer from kept").unwrap(), "42");
    assert_eq!(ask(&cluster, "show fsync").unwrap(), "off");
    cluster.leave().unwrap();

    let cluster = ensure(&scratch.dir(), Durability::Full, &Stop::new()).unwrap();
    assert_eq!(ask(&cluster, "show fsync").unwrap(), "on");
    cluster.leave().unwrap();
}

#[test]
fn a_killed_server_is_started_again_by_the_next_ensure() {
    let scratch = Scratch::new();
    let bereft = scratch.ensure();
    kill(&bereft);
    let cluster = scratch.ensure();
    assert_eq!(ask(&cluster, "select 1").unwrap(), "1");

    // The one who was there before still counts.
    cluster.leave().unwrap();
    assert!(is_open(port(&bereft)));
    let port = port(&bereft);
    bereft.leave().unwrap();
    assert!(!is_open(port));
}

#[test]
fn leaving_a_server_that_died_is_no_error() {
    let scratch = Scratch::new();
    let cluster = scratch.ensure();
    kill(&cluster);
    cluster.leave().unwrap();
}

#[test]
fn a_leftover_server_is_adopted() {
    let scratch = Scratch::new();
    let cluster = scratch.ensure();
    let (left, port) = (pid(&cluster), port(&cluster));
    vanish(cluster);
    assert!(is_open(port));

    let cluster = scratch.ensure();
    assert_eq!(pid(&cluster), left);
    cluster.leave().unwrap();
    assert!(!is_open(port));
}

#[test]
fn a_process_that_a_stale_pid_file_names_is_left_alone() {
    let scratch = Scratch::new();
    let cluster = scratch.ensure();
    let pid_path = pid_path(&cluster);
    let cluster_user = cluster.place.user().clone();
    // It runs as the server's user, so that PostgreSQL itself takes it for a server.
    let mut bystander = cluster_user
        .command("sleep")
        .arg("600")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let true_text = fs::read_to_string(&pid_path).unwrap();
    kill(&cluster);
    let stale = true_text.replacen(
        true_text.lines().next().unwrap(),
        &bystander.id().to_string(),
        1,
    );

    fs::write(&pid_path, &stale).unwrap();
    cluster.leave().unwrap();
    assert!(bystander.try_wait().unwrap().is_none());

    fs::write(&pid_path, &stale).unwrap();
    cluster_user.give(&pid_path).unwrap();
    let cluster = scratch.ensure();
    assert_eq!(ask(&cluster, "select 1").unwrap(), "1");
    cluster.leave().unwrap();
    assert!(bystander.try_wait().unwrap().is_none());

    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn a_copy_of_a_running_cluster_does_not_touch_the_original() {
    let scratch = Scratch::new();
    let original = scratch.ensure();
    let copy_dir = scratch.0.join("copy");
    let copied = Command::new("cp")
        .arg("-a")
        .args([&scratch.dir(), &copy_dir])
        .status()
        .unwrap();
    assert!(copied.success());

    let copy = ensure(&copy_dir, Durability::Off, &Stop::new()).unwrap();
    assert_ne!(copy.url(), original.url());
    copy.leave().unwrap();
    assert_eq!(ask(&original, "select 1").unwrap(), "1");
    original.leave().unwrap();
}

#[test]
fn a_taken_port_is_given_up() {
    let scratch = Scratch::new();
    let cluster = scratch.ensure();
    let old = port(&cluster);
    cluster.leave().unwrap();

    let stranger = std::net::TcpListener::bind(("127.0.0.1", old)).unwrap();
    let cluster = scratch.ensure();
    assert_ne!(port(&cluster), old);
    cluster.leave().unwrap();
    drop(stranger);
}

#[test]
fn what_interrupted_first_starts_left_is_swept_up_by_any_later_one() {
    let scratch = Scratch::new();
    let half_made = scratch.dir().join("making-long-ago/data");
    for _ in ["the one that makes it", "one that finds it"] {
        fs::create_dir_all(&half_made).unwrap();
        let cluster = scratch.ensure();
        assert!(!half_made.exists());
        cluster.leave().unwrap();
    }
}

#[test]
fn a_throwaway_cluster_is_discarded_when_nobody_uses_it() {
    let scratch = Scratch::new();
    let left = scratch.ensure();
    let refusal = discard(&scratch.dir()).unwrap_err().to_string();
    assert!(refusal.contains("in use"), "{refusal}");
    assert_eq!(ask(&left, "select 1").unwrap(), "1");

    let (port, cluster) = (port(&left), left.place.cluster());
    vanish(left);
    fs::write(scratch.dir().join("of-somebody-else"), "").unwrap();
    discard(&scratch.dir()).unwrap();
    assert!(!is_open(port));
    assert!(!cluster.exists());
    let rest: Vec<_> = fs::read_dir(scratch.dir()).unwrap().collect();
    assert_eq!(rest.len(), 1, "{rest:?}");
}

#[test]
fn a_cluster_of_another_version_is_left_as_it_is() {
    let scratch = Scratch::new();
    let cluster = scratch.ensure();
    let version = cluster.place.cluster().join("data/PG_VERSION");
    let true_version = fs::read_to_string(&version).unwrap();
    cluster.leave().unwrap();

    fs::write(&version, "9\n").unwrap();
    let message = format!(
        "{:#}",
        ensure(&scratch.dir(), Durability::Off, &Stop::new()).unwrap_err()
    );
    for word in [
        "/pg",
        "PostgreSQL 9, which made this database",
        "PG_BIN",
        "DATABASE_URL",
        "passed over",
    ] {
        assert!(message.contains(word), "{word}: {message}");
    }
    fs::write(&version, true_version).unwrap();
    scratch.ensure().leave().unwrap();
}

#[test]
fn a_server_that_cannot_start_is_heard_to_its_last_words() {
    let scratch = Scratch::new();
    let cluster = scratch.ensure();
    ask(
        &cluster,
        "alter system set shared_preload_libraries = 'no_such_library'",
    )
    .unwrap();
    let settings = cluster.place.cluster().join("data/postgresql.auto.conf");
    cluster.leave().unwrap();

    for _ in ["the first time", "and again"] {
        let message = format!(
            "{:#}",
            ensure(&scratch.dir(), Durability::Off, &Stop::new()).unwrap_err()
        );
        for word in ["cannot start PostgreSQL", "no_such_library", "server.log"] {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
    fs::write(settings, "").unwrap();
    scratch.ensure().leave().unwrap();
}

#[test]
fn a_database_that_was_dropped_is_made_again() {
    let scratch = Scratch::new();
    let mut first = scratch.ensure();
    first.url = first.url.replace("/ringback?", "/postgres?");
    ask(&first, "drop database ringback").unwrap();
    let second = scratch.ensure();
    assert_eq!(
        ask(&second, "select current_database()").unwrap(),
        "ringback"
    );
    second.leave().unwrap();
    first.leave().unwrap();
}

#[test]
fn many_threads_share_one_server_and_leave_none_behind() {
    let scratch = Scratch::new();
    let ports: Vec<u16> = std::thread::scope(|scope| {
        let users: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = 0;
                    for _ in 0..3 {
                        let cluster = scratch.ensure();
                        assert_eq!(ask(&cluster, "select 1").unwrap(), "1");
                        last = port(&cluster);
                        cluster.leave().unwrap();
                    }
                    last
                })
            })
            .collect();
        users.into_iter().map(|user| user.join().unwrap()).collect()
    });
    assert!(ports.iter().all(|port| !is_open(*port)), "{ports:?}");
}

#[test]
fn finding_what_was_never_made_says_what_to_do() {
    let scratch = Scratch::new();
    let message = find(&scratch.dir(), &Stop::new()).unwrap_err().to_string();
    for word in ["/pg", "ringback dev", "DATABASE_URL"] {
        assert!(message.contains(word), "{message}");
    }
    assert!(!scratch.0.exists());
}

#[test]
fn a_folder_has_one_cluster_however_it_is_spelled() {
    let scratch = Scratch::new();
    fs::create_dir(&scratch.0).unwrap();
    // Of this path, the first part is not there yet.
    let roundabout = scratch.0.join("not-there/../pg");
    let first = ensure(&roundabout, Durability::Off, &Stop::new()).unwrap();
    std::os::unix::fs::symlink(scratch.dir(), scratch.0.join("link")).unwrap();
    for other in [
        scratch.dir(),
        scratch.0.join("link"),
        scratch.0.join("link/../link/."),
    ] {
        let again = find(&other, &Stop::new()).unwrap();
        assert_eq!(again.url(), first.url(), "{}", other.display());
        again.leave().unwrap();
    }
    let port = port(&first);
    first.leave().unwrap();
    assert!(!is_open(port));
}

#[test]
fn what_is_no_folder_is_refused() {
    let scratch = Scratch::new();
    fs::create_dir(&scratch.0).unwrap();
    fs::write(scratch.0.join("file"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", scratch.0.join("link")).unwrap();
    for name in ["file", "link", "file/under"] {
        let dir = scratch.0.join(name);
        let message = format!(
            "{:#}",
            ensure(&dir, Durability::Off, &Stop::new()).unwrap_err()
        );
        assert!(message.contains("not a folder"), "{name}: {message}");
    }
}

#[test]
fn a_link_in_the_clusters_folder_is_not_written_through() {
    let scratch = Scratch::new();
    let cluster = scratch.ensure();
    let folder = cluster.place.cluster();
    cluster.leave().unwrap();
    let victim = scratch.0.join("victim");
    fs::write(&victim, "mine").unwrap();
    std::os::unix::fs::symlink(&victim, folder.join("port.new")).unwrap();
    scratch.ensure().leave().unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
}

#[test]
fn who_is_told_to_stop_does_not_wait_for_the_turn() {
    let scratch = Scratch::new();
    let cluster = scratch.ensure();
    let turn = cluster
        .place
        .take_turn(Duration::ZERO, &Stop::new())
        .unwrap();
    let stop = Stop::new();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ensure(&scratch.dir(), Durability::Off, &stop));
        stop.cancel();
        // It ends although the turn is never given back.
        assert!(waiting.join().unwrap().is_err());
    });
    drop(turn);
    cluster.leave().unwrap();
}

#[test]
fn a_folder_that_the_servers_user_cannot_enter_is_replaced_by_another() {
    use std::os::unix::fs::PermissionsExt as _;

    let scratch = Scratch::new();
    fs::create_dir(&scratch.0).unwrap();
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o700)).unwrap();
    let cluster = scratch.ensure();
    let replaced = cluster.place.cluster().starts_with("/var/lib/ringback");
    assert_eq!(replaced, !cluster.place.user().is_us());
    // Also when it can be entered later.
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
    let again = find(&scratch.dir(), &Stop::new()).unwrap();
    assert_eq!(again.url(), cluster.url());
    again.leave().unwrap();
    cluster.leave().unwrap();
}
