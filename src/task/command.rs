//! A task that is a command: any program, which has the job's content as its input, and its output as the result.
//!
//! No shell reads what the file says. A process is started for each job (`once.rs`), or some are kept that do one job
//! after the other (`pool.rs`).

mod ended;
mod guardian;
mod heard;
mod once;
mod output;
mod pool;
mod process;
mod result;
mod said;
mod warm;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::ensure;
use futures_util::FutureExt;
use rustix::process::{Resource, getrlimit};
use serde::Deserialize;

use super::kind::from_json;
use super::{Context, Kind};
use pool::Pool;

pub(super) use guardian::Guardian;

/// What a command has of the worker's environment, unless its task says otherwise: nothing that is secret.
const PASSED: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/// How long a command may still take when it has been told to end.
const GRACE: Duration = Duration::from_secs(5);

/// How much longer than its grace anything takes that was told to end: to be killed, and noticed.
const MARGIN: Duration = Duration::from_secs(1);

/// The largest output, in bytes.
const MAX_OUTPUT: usize = 1024 * 1024;

/// After how many jobs a process that is kept is replaced.
const JOBS_PER_PROCESS: u32 = 1_000;

/// How many processes may be kept.
const MOST_PROCESSES: usize = 1_000;

/// What the shell that starts a command makes of itself, or reads for itself: the command would not have it as it was said.
const OF_SHELLS: [&str; 23] = [
    "_",
    "BASHOPTS",
    "BASHPID",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "ERRNO",
    "EUID",
    "GROUPS",
    "HISTCMD",
    "IFS",
    "LINENO",
    "OLDPWD",
    "OPTERR",
    "OPTIND",
    "PPID",
    "PS4",
    "PWD",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    "UID",
];

/// What `tasks.toml` says of a command.
#[derive(Clone, Debug)]
pub(super) struct Command {
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// Where it works; an absolute path.
    pub(super) directory: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
    /// The names of what it has of the worker's environment.
    pub(super) pass_environment: Option<Vec<String>>,
    pub(super) grace: Duration,
    pub(super) max_output: usize,
    pub(super) form: Form,
    /// How many processes are kept; none is one for each job.
    pub(super) pool: Option<NonZeroUsize>,
    pub(super) jobs_per_process: u32,
    /// How many files it may have open.
    pub(super) files: String,
    pub(super) guardian: Arc<Guardian>,
}

/// What the output of a process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// The result, as a text.
    #[default]
    Text,
    /// The result, as JSON.
    Json,
}

/// The keys of `tasks.toml` that only commands have.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) directory: Option<PathBuf>,
    pub(super) environment: Option<BTreeMap<String, String>>,
    pub(super) pass_environment: Option<Vec<String>>,
    pub(super) grace: Option<Duration>,
    pub(super) max_output: Option<NonZeroUsize>,
    pub(super) result: Option<Form>,
    pub(super) pool: Option<NonZeroUsize>,
    pub(super) jobs_per_process: Option<NonZeroU32>,
}

impl Keys {
    /// The first that is there.
    pub(super) fn first(&self) -> Option<&'static str> {
        [
            ("directory", self.directory.is_some()),
            ("environment", self.environment.is_some()),
            ("pass_environment", self.pass_environment.is_some()),
            ("grace", self.grace.is_some()),
            ("max_output", self.max_output.is_some()),
            ("result", self.result.is_some()),
            ("pool", self.pool.is_some()),
            ("jobs_per_process", self.jobs_per_process.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_there)| is_there.then_some(name))
    }
}

impl Command {
    /// One that works in `folder`, unless it says otherwise.
    pub(super) fn new(
        command: Vec<String>,
        keys: Keys,
        folder: &std::path::Path,
        guardian: Arc<Guardian>,
    ) -> anyhow::Result<Self> {
        ensure!(
            command.first().is_some_and(|program| !program.is_empty()),
            "the command is empty; name a program, such as command = [\"python3\", \"thumb.py\"]"
        );
        let environment = keys.environment.unwrap_or_default();
        let passed = keys.pass_environment.iter().flatten();
        for name in environment.keys().chain(passed) {
            ensure!(
                is_name(name),
                "{name:?} is no name of a variable; use letters, digits and _"
            );
            ensure!(
                !OF_SHELLS.contains(&name.as_str()),
                "the variable {name} belongs to the shell that starts the command, and would not arrive as it is; use another name"
            );
        }
        for (name, value) in &environment {
            ensure!(
                !value.contains("${"),
                "the environment is given as it stands, and {name} has a ${{ in it; use pass_environment = [\"NAME\"] for what the worker's environment has"
            );
        }
        let texts = command.iter().chain(environment.values());
        ensure!(
            !texts.clone().any(|text| text.contains('\0')),
            "no argument and no variable can have a NUL in it"
        );
        ensure!(
            keys.jobs_per_process.is_none() || keys.pool.is_some(),
            "jobs_per_process is for processes that are kept; say how many with pool = 2, or leave it out"
        );
        ensure!(
            keys.result.is_none() || keys.pool.is_none(),
            "result is for a process for each job; one that is kept says {{\"result\": …}}, with any JSON; leave it out"
        );
        ensure!(
            keys.pool.is_none_or(|pool| pool.get() <= MOST_PROCESSES),
            "pool is larger than {MOST_PROCESSES}; each is a process that is kept"
        );
        let directory = folder.join(keys.directory.unwrap_or_default());
        let files = getrlimit(Resource::Nofile).current;
        Ok(Self {
            command,
            directory: std::path::absolute(directory)?,
            environment,
            pass_environment: keys.pass_environment,
            grace: keys.grace.unwrap_or(GRACE),
            max_output: keys.max_output.map_or(MAX_OUTPUT, NonZeroUsize::get),
            form: keys.result.unwrap_or_default(),
            pool: keys.pool,
            jobs_per_process: keys
                .jobs_per_process
                .map_or(JOBS_PER_PROCESS, NonZeroU32::get),
            files: files.map_or_else(|| "unlimited".to_owned(), |files| files.to_string()),
            guardian,
        })
    }

    /// The task of this name.
    pub(super) fn kind(self, name: &str) -> Kind {
        let (task, command) = (Arc::<str>::from(name), Arc::new(self));
        let doubtful = Arc::clone(&command);
        let overtime = command.grace.saturating_add(MARGIN);
        let guardian = Arc::clone(&command.guardian);
        let kind = match command.pool {
            None => from_json(name, move |input, context| {
                once::run(Arc::clone(&command), Arc::clone(&task), input, context)
            })
            .with_overtime(overtime, move || {
                let guardian = Arc::clone(&guardian);
                async move { guardian.alone().await }.boxed()
            }),
            Some(processes) => {
                let pool = Arc::new(Pool::new(command, task, processes));
                let closing = Arc::clone(&pool);
                from_json(name, move |input, context| {
                    pool::run(Arc::clone(&pool), input, context)
                })
                .with_overtime(overtime, move || {
                    closing.close();
                    let guardian = Arc::clone(&guardian);
                    async move { guardian.alone().await }.boxed()
                })
            }
        };
        kind.with_doubt(move || process::find(&doubtful).err())
    }

    /// What it has of the worker's environment.
    fn passed(&self) -> impl Iterator<Item = (&str, OsString)> {
        let said = self.pass_environment.iter().flatten().map(String::as_str);
        let usual = PASSED.iter().copied();
        let usual = usual.filter(|_| self.pass_environment.is_none());
        said.chain(usual)
            .filter_map(|name| Some((name, std::env::var_os(name)?)))
    }
}

/// When the time of an attempt is over, in seconds since 1970.
fn deadline(context: &Context) -> Option<u64> {
    let left = context.deadline?.saturating_duration_since(Instant::now());
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Some((since_1970.unwrap_or_default() + left).as_secs())
}

fn is_name(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(letters)
}
