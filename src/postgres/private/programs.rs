//! Finding `PostgreSQL`'s own programs on this machine.

use std::cmp::Reverse;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};

use super::user::User;

/// The oldest version that the queue's SQL is written for.
const OLDEST: u32 = 15;

/// The newest version that the tests were run on, for systems where one has to choose.
const NEWEST: u32 = 18;

/// What must be in the folder.
const NEEDED: [&str; 4] = ["initdb", "pg_ctl", "postgres", "psql"];

/// Folders where systems put the programs; a star stands for the rest of a name.
const USUAL: [&str; 7] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// One folder with all the programs, of a version that will do.
#[derive(Debug)]
pub(super) struct Programs {
    bin: PathBuf,
    major: u32,
}

impl Programs {
    /// Finds programs that this user can run; of one major version, if a cluster already asks for it.
    pub(super) fn find(user: &User, wanted: Option<u32>) -> Result<Self> {
        let named = std::env::var_os("PG_BIN").filter(|bin| !bin.is_empty());
        let (looked, folders) = match named {
            Some(bin) => {
                let bin = PathBuf::from(bin);
                (format!("PG_BIN, which is {}", bin.display()), vec![bin])
            }
            None => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let usual = USUAL.iter().flat_map(|pattern| expand(pattern));
                let folders = std::env::split_paths(&path).chain(usual).collect();
                (format!("PATH, {}", USUAL.join(", ")), folders)
            }
        };
        Self::first(&folders, user, wanted).map_err(|passed_over| {
            let version = match wanted {
                Some(major) => format!(
                    "PostgreSQL {major}, which made this database (to start anew with another version, remove its folder)"
                ),
                None => format!("PostgreSQL {OLDEST} or newer"),
            };
            let passed_over: String = passed_over
                .iter()
                .map(|reason| format!("passed over {reason}\n"))
                .collect();
            anyhow!(
                "cannot find {version}\n\
                 looked in {looked}\n\
                 {passed_over}\
                 Do one of these:\n\
                 - set DATABASE_URL to the URL of a PostgreSQL that runs already\n\
                 - install one: {}\n\
                 - set PG_BIN to the folder that has {}",
                install_line(wanted),
                NEEDED.join(", ")
            )
        })
    }

    /// The first folder that will do, or why those with something in them will not.
    fn first(folders: &[PathBuf], user: &User, wanted: Option<u32>) -> Result<Self, Vec<String>> {
        let mut passed_over = Vec::new();
        for folder in folders {
            if !folder.join("initdb").exists() {
                continue;
            }
            let reason = match Self::at(folder, user) {
                Ok(found) if found.major < OLDEST => {
                    format!("PostgreSQL {} is older than {OLDEST}", found.major)
                }
                Ok(found) => match wanted {
                    Some(major) if major != found.major => {
                        format!("it is PostgreSQL {}", found.major)
                    }
                    _ => return Ok(found),
                },
                Err(error) => format!("{error:#}"),
            };
            let reason = format!("{}: {reason}", folder.display());
            if !passed_over.contains(&reason) {
                passed_over.push(reason);
            }
        }
        Err(passed_over)
    }

    fn at(folder: &Path, user: &User) -> Result<Self> {
        // A folder of links may hold only some of the programs; the one they lead to has them all.
        let initdb = folder
            .join("initdb")
            .canonicalize()
            .context("cannot follow initdb")?;
        let folder = folder.canonicalize().context("cannot follow the folder")?;
        let homes = [initdb.parent().unwrap_or(&folder), &folder];
        let whole = |home: &&Path| NEEDED.iter().all(|name| home.join(name).is_file());
        let Some(bin) = homes.into_iter().find(whole) else {
            bail!("it has not all of {}", NEEDED.join(", "));
        };
        if !user.can_enter(bin)? {
            bail!("{} cannot enter it", user.name());
        }
        let said = user
            .command(bin.join("postgres"))
            .arg("--version")
            .output()
            .context("cannot run its `postgres --version`")?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let major = major_of(&said)
            .with_context(|| format!("its `postgres --version` says {:?}", said.trim()))?;
        Ok(Self {
            bin: bin.to_owned(),
            major,
        })
    }

    /// Where one of the programs is.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.bin.join(program)
    }
}

impl fmt::Display for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {} from {}", self.major, self.bin.display())
    }
}

/// Reads `postgres (PostgreSQL) 15.8 (Debian 15.8-0)` and `postgres (PostgreSQL) 18beta1`.
fn major_of(said: &str) -> Option<u32> {
    said.split_whitespace().find_map(number)
}

/// The number that a text begins with.
fn number(text: &str) -> Option<u32> {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The folders that a pattern stands for, newest version first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let mut names: Vec<String> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort_by_key(|name| Reverse(number(name[prefix.len()..].trim_start_matches('@'))));
    names
        .into_iter()
        .map(|name| PathBuf::from(format!("{parent}/{name}{after}")))
        .collect()
}

/// How this system installs `PostgreSQL`.
fn install_line(wanted: Option<u32>) -> String {
    if cfg!(target_os = "macos") {
        return format!("brew install postgresql@{}", wanted.unwrap_or(NEWEST));
    }
    if Path::new("/etc/debian_version").exists() {
        let version = wanted.map_or_else(String::new, |major| format!("-{major}"));
        return format!("sudo apt-get install postgresql{version}");
    }
    let systems = [
        ("/etc/redhat-release", "sudo dnf install postgresql-server"),
        ("/etc/SUSE-brand", "sudo zypper install postgresql-server"),
        ("/etc/arch-release", "sudo pacman -S postgresql"),
        (
            "/etc/alpine-release",
            "sudo apk add postgresql postgresql-client",
        ),
    ];
    systems
        .iter()
        .find(|(mark, _)| Path::new(mark).exists())
        .map_or("with the system's package manager", |(_, line)| *line)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(
            major_of("postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("no such thing"), None);
    }

    #[test]
    fn the_newest_version_comes_first() {
        let parent =
            std::env::temp_dir().join(format!("ringback-programs-{}", uuid::Uuid::new_v4()));
        for name in ["pgsql-9", "pgsql-", "pgsql-@16", "pgsql-15", "other-17"] {
            fs::create_dir_all(parent.join(name)).unwrap();
        }
        let found = expand(&format!("{}/pgsql-*/bin", parent.display()));
        fs::remove_dir_all(&parent).unwrap();
        let names = ["pgsql-@16", "pgsql-15", "pgsql-9", "pgsql-"];
        assert_eq!(found, names.map(|name| parent.join(name).join("bin")));
    }

    #[test]
    fn a_folder_that_will_not_do_is_passed_over_with_the_reason() {
        let folder =
            std::env::temp_dir().join(format!("ringback-programs-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("initdb"), "").unwrap();
        let user = User::ourselves().unwrap();
        let reasons = Programs::first(std::slice::from_ref(&folder), &user, None).unwrap_err();
        fs::remove_dir_all(&folder).unwrap();
        assert!(reasons[0].contains("has not all of"), "{reasons:?}");
    }
}
