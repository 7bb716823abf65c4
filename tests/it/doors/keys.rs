//! A key to each door: how each operation is asked for there, and how its answer is read.

use std::process::{Command, Output};

use jiff::Timestamp;
use ringback::ids::JobId;
use ringback::notice;
use ringback::postgres::Database;
use ringback::queue::cancel::{Cancelled, cancel};
use ringback::queue::follow::{Event, Follower};
use ringback::queue::report::Position;
use ringback::queue::retry::{Retried, retry};
use ringback::queue::submit::{Request, SubmitError, submit};
use ringback::queue::{Actor, Due, jobs, queues, stats};
use serde_json::{Value, json};
use sqlx::{Acquire, PgConnection};
use uuid::Uuid;

use super::{LONG, together};
use crate::support::{Answer, Api, Client, Message, Program, TestDatabase, eventually};

/// A way in and out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Socket,
    Http,
    Sql,
    CommandLine,
    Library,
}

impl Door {
    pub(super) const ALL: [Self; 5] = [
        Self::Socket,
        Self::Http,
        Self::Sql,
        Self::CommandLine,
        Self::Library,
    ];
}

/// A gateway, and whoever asks it, and its database, for something.
pub(super) struct World {
    pub(super) database: TestDatabase,
    pub(super) api: Api,
    pub(super) client: Client,
    ours: Database,
    _gateway: Program,
    _worker: Option<Program>,
}

/// What was asked for, or the code of why not.
type Asked<T> = Result<T, String>;

impl World {
    pub(super) async fn without_worker() -> Self {
        let database = TestDatabase::new().await;
        database.knows("anything").await;
        let gateway = Program::serve(&database, &[]).await;
        Self {
            api: Api::of(&gateway),
            client: Client::connect(&gateway).await,
            ours: database.database(),
            _gateway: gateway,
            _worker: None,
            database,
        }
    }

    pub(super) async fn with_worker() -> Self {
        let world = Self::without_worker().await;
        let worker = Program::worker(&world.database, &[]).await;
        Self {
            _worker: Some(worker),
            ..world
        }
    }

    pub(super) async fn forget_the_default_task(&self) {
        self.database
            .execute("delete from ringback.task where name = 'default'")
            .await;
        eventually("the gateway should know", async || {
            let asked = json!({"task_type": "fly", "content": ""});
            let answer = self.api.post_json("/api/v1/jobs", &asked).await;
            if answer.status == 202 {
                self.database.execute("delete from ringback.job").await;
            }
            answer.status == 422
        })
        .await;
    }

    pub(super) async fn submit(
        &mut self,
        door: Door,
        task: &str,
        options: &Value,
    ) -> Asked<String> {
        let mut body = options.clone();
        body["task_type"] = task.into();
        match door {
            Door::Socket => {
                self.client
                    .send(json!({"action": "system_message", "payload": body}))
                    .await;
                answered(&self.client.next().await)
            }
            Door::Http => {
                let answer = self.api.post_json("/api/v1/jobs", &body).await;
                granted(&answer)?;
                Ok(answer.job())
            }
            Door::Sql => {
                let mut connection = self.database.pool.acquire().await.unwrap();
                enqueue(&mut connection, &body).await
            }
            Door::CommandLine => {
                let mut arguments = vec!["submit".to_owned(), task.to_owned()];
                for (name, value) in options.as_object().unwrap() {
                    match (name.as_str(), value) {
                        ("content", value) => arguments.push(value.as_str().unwrap().to_owned()),
                        ("stream", _) => arguments.push("--stream".to_owned()),
                        (name, Value::String(text)) => {
                            arguments.push(format!("--{}={text}", name.replace('_', "-")));
                        }
                        (name, value) => {
                            arguments.push(format!("--{}={value}", name.replace('_', "-")));
                        }
                    }
                }
                printed(&self.run(&arguments))
            }
            Door::Library => {
                let mut connection = self.database.pool.acquire().await.unwrap();
                let submitted = submit(&mut connection, &request(&body)).await;
                submitted.map(|job| job.to_string()).map_err(code_of)
            }
        }
    }

    /// Jobs with these contents; `k=` before one is a key.
    pub(super) async fn submit_many(
        &mut self,
        door: Door,
        contents: &[&str],
    ) -> Asked<Vec<String>> {
        let jobs = contents.iter().map(|content| match content.split_once('=') {
            Some((key, content)) => json!({
                "task_type": "translate", "content": content, "idempotency_key": format!("{key}{door:?}"),
            }),
            None => json!({"task_type": "translate", "content": content}),
        });
        let jobs: Vec<Value> = jobs.collect();
        let ids = |value: &Value| {
            let ids = value["job_ids"].as_array().unwrap().iter();
            ids.map(|id| id.as_str().unwrap().to_owned()).collect()
        };
        match door {
            Door::Socket => {
                self.client
                    .send(json!({"action": "submit_jobs", "payload": {"jobs": jobs}}))
                    .await;
                let answer = self.client.next().await;
                refused(&answer)?;
                Ok(ids(&answer.0["payload"]))
            }
            Door::Http => {
                let answer = self
                    .api
                    .post_json("/api/v1/jobs/batch", &json!({"jobs": jobs}))
                    .await;
                granted(&answer)?;
                Ok(ids(&answer.body))
            }
            Door::Sql => {
                let mut connection = self.database.pool.acquire().await.unwrap();
                let mut transaction = connection.begin().await.unwrap();
                let mut ids = Vec::new();
                for job in &jobs {
                    ids.push(enqueue(&mut transaction, job).await?);
                }
                transaction.commit().await.unwrap();
                Ok(ids)
            }
            Door::CommandLine => panic!("it has no such verb"),
            Door::Library => {
                let mut transaction = self.database.pool.begin().await.unwrap();
                let mut ids = Vec::new();
                for job in &jobs {
                    let submitted = submit(&mut transaction, &request(job)).await;
                    ids.push(submitted.map_err(code_of)?.to_string());
                }
                transaction.commit().await.unwrap();
                Ok(ids)
            }
        }
    }

    pub(super) async fn show(&self, door: Door, job: &str) -> Asked<Value> {
        match door {
            Door::Http => {
                let answer = self.api.get(&format!("/api/v1/jobs/{job}")).await;
                granted(&answer)?;
                let attempts = self.api.get(&format!("/api/v1/jobs/{job}/attempts")).await;
                Ok(json!({"job": answer.body, "attempts": attempts.body["attempts"]}))
            }
            Door::CommandLine => {
                let shown = printed(&self.run(&["jobs", "show", "--json", job]))?;
                Ok(serde_json::from_str(&shown).unwrap())
            }
            Door::Library => {
                let id = id(job);
                let found = jobs::find(self.ours.pool(), id).await.unwrap();
                let found = found.ok_or_else(|| "not_found".to_owned())?;
                let attempts = jobs::attempts(self.ours.pool(), id).await.unwrap();
                Ok(json!({"job": found, "attempts": attempts}))
            }
            Door::Socket | Door::Sql => panic!("it has no such operation"),
        }
    }

    pub(super) async fn list(&self, door: Door) -> Vec<Value> {
        match door {
            Door::Http => {
                let page = self.api.get("/api/v1/jobs?state=scheduled,succeeded").await;
                page.body["jobs"].as_array().unwrap().clone()
            }
            Door::CommandLine => {
                let listed =
                    self.run(&["jobs", "list", "--json", "--state", "scheduled,succeeded"]);
                let listed = printed(&listed).unwrap();
                listed
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect()
            }
            Door::Library => {
                let filter = jobs::Filter {
                    states: vec![
                        ringback::wire::JobState::Scheduled,
                        ringback::wire::JobState::Succeeded,
                    ],
                    ..jobs::Filter::default()
                };
                let mut connection = self.ours.pool().acquire().await.unwrap();
                let page = jobs::page(&mut connection, &filter, None, 50)
                    .await
                    .unwrap();
                page.jobs.iter().map(|job| json!(job)).collect()
            }
            Door::Socket | Door::Sql => panic!("it has no such operation"),
        }
    }

    /// Without the moment that they are of.
    pub(super) async fn stats(&self, door: Door) -> Value {
        let mut stats = match door {
            Door::Http => self.api.get("/api/v1/stats").await.body,
            Door::CommandLine => {
                let stats = printed(&self.run(&["jobs", "stats", "--json"])).unwrap();
                serde_json::from_str(&stats).unwrap()
            }
            Door::Library => {
                let mut connection = self.ours.pool().acquire().await.unwrap();
                json!(stats::stats(&mut connection).await.unwrap())
            }
            Door::Socket | Door::Sql => panic!("it has no such operation"),
        };
        stats.as_object_mut().unwrap().remove("at").unwrap();
        stats
    }

    /// The result of a job that was asked for at this door, as text.
    pub(super) async fn result(&mut self, door: Door, job: &str) -> String {
        match door {
            Door::Socket => {
                let result = self.client.next().await;
                assert_eq!(
                    (result.action(), result.job_id().as_str()),
                    ("job_result", job)
                );
                result.text().to_owned()
            }
            Door::Http => self.api.finished(job).await["result"]
                .as_str()
                .unwrap()
                .to_owned(),
            Door::Sql => {
                let query =
                    "select result from ringback.jobs where id = $1 and state = 'succeeded'";
                let mut result: Option<String> = None;
                eventually("it should be over", async || {
                    let row = sqlx::query_scalar(query).bind(id(job).0);
                    result = row.fetch_optional(&self.database.pool).await.unwrap();
                    result.is_some()
                })
                .await;
                result.unwrap()
            }
            Door::CommandLine => printed(&self.run(&["jobs", "wait", job])).unwrap(),
            Door::Library => match self.followed(job).await.pop() {
                Some(Event::Ended(outcome)) => {
                    let result: Value = serde_json::from_str(&outcome.result.unwrap()).unwrap();
                    result.as_str().unwrap().to_owned()
                }
                other => panic!("{other:?}"),
            },
        }
    }

    /// The text of a job that was asked for at this door.
    pub(super) async fn text(&mut self, door: Door, job: &str) -> String {
        match door {
            Door::Socket => {
                let mut text = String::new();
                loop {
                    let message = self.client.next().await;
                    match message.action() {
                        "job_chunk" => text.push_str(message.text()),
                        "job_progress" => {}
                        _ => return text,
                    }
                }
            }
            Door::Http => together(&self.api.events(job, None).await.all().await),
            Door::CommandLine => printed(&self.run(&["jobs", "wait", "--stream", job])).unwrap(),
            Door::Library => {
                let said = self
                    .followed(job)
                    .await
                    .into_iter()
                    .filter_map(|event| match event {
                        Event::Chunk(chunk) => Some(chunk.text),
                        Event::Progress(_) | Event::Ended(_) => None,
                    });
                said.collect()
            }
            Door::Sql => panic!("it has no such operation"),
        }
    }

    async fn followed(&self, job: &str) -> Vec<Event> {
        let mut follower = Follower::new(id(job), Position::default());
        let mut events = Vec::new();
        crate::support::eventually_within(LONG, "the job should be over", async || {
            let mut connection = self.ours.pool().acquire().await.unwrap();
            events.extend(follower.look(&mut connection).await.unwrap());
            matches!(events.last(), Some(Event::Ended(_)))
        })
        .await;
        events
    }

    pub(super) async fn cancel(&mut self, door: Door, job: &str) -> Asked<()> {
        match door {
            Door::Socket => {
                self.client
                    .send(json!({"action": "cancel_job", "payload": {"job_id": job}}))
                    .await;
                let answer = self.client.next().await;
                refused(&answer)?;
                assert_eq!(answer.action(), "job_cancelling");
                assert_eq!(self.client.next().await.action(), "job_cancelled");
                Ok(())
            }
            Door::Http => granted(&self.api.post(&format!("/api/v1/jobs/{job}/cancel")).await),
            Door::Sql => self.call("ringback.cancel", job).await.map(|_| ()),
            Door::CommandLine => printed_about(&self.run(&["jobs", "cancel", job])).map(|_| ()),
            Door::Library => {
                let mut connection = self.ours.pool().acquire().await.unwrap();
                match cancel(&mut connection, id(job), &Actor::Operator)
                    .await
                    .unwrap()
                {
                    Cancelled::Ended | Cancelled::Asked => Ok(()),
                    Cancelled::Over(_) => Err("conflict".to_owned()),
                    Cancelled::NotFound => Err("not_found".to_owned()),
                }
            }
        }
    }

    pub(super) async fn retry(&mut self, door: Door, job: &str) -> Asked<String> {
        match door {
            Door::Socket => {
                self.client
                    .send(json!({"action": "retry_job", "payload": {"job_id": job}}))
                    .await;
                answered(&self.client.next().await)
            }
            Door::Http => {
                let answer = self.api.post(&format!("/api/v1/jobs/{job}/retry")).await;
                granted(&answer)?;
                Ok(answer.job())
            }
            Door::Sql => self.call("ringback.retry", job).await,
            Door::CommandLine => {
                let said = printed_about(&self.run(&["jobs", "retry", job]))?;
                let mut ids = said
                    .split_whitespace()
                    .filter(|word| Uuid::parse_str(word).is_ok());
                Ok(ids.next_back().unwrap().to_owned())
            }
            Door::Library => {
                let mut connection = self.ours.pool().acquire().await.unwrap();
                let retried = retry(&mut connection, id(job), None, &Actor::Operator, None).await;
                match retried.unwrap() {
                    Retried::Due(job) => Ok(job.to_string()),
                    Retried::Again(new) | Retried::Known(new) => Ok(new.job.to_string()),
                    Retried::Not(_) => Err("conflict".to_owned()),
                    Retried::NotFound => Err("not_found".to_owned()),
                }
            }
        }
    }

    pub(super) async fn notify(&self, door: Door, content: &str) {
        match door {
            Door::Http => granted(
                &self
                    .api
                    .post_json("/api/v1/notices", &json!({"content": content}))
                    .await,
            )
            .unwrap(),
            Door::Sql => {
                let sent = sqlx::query("select ringback.notify($1)").bind(content);
                sent.execute(&self.database.pool).await.unwrap();
            }
            Door::CommandLine => drop(printed(&self.run(&["notify", content])).unwrap()),
            Door::Library => {
                let mut connection = self.ours.pool().acquire().await.unwrap();
                let hour = std::time::Duration::from_secs(3_600);
                notice::send(&mut connection, "system", content, hour)
                    .await
                    .unwrap();
            }
            Door::Socket => panic!("it has no such operation"),
        }
    }

    pub(super) async fn pause(&self, door: Door, paused: bool) {
        let verb = if paused { "pause" } else { "resume" };
        match door {
            Door::Http => granted(
                &self
                    .api
                    .post(&format!("/api/v1/queues/default/{verb}"))
                    .await,
            )
            .unwrap(),
            Door::Sql => {
                let call = format!("select ringback.{verb}('default')");
                self.database.execute(&call).await;
            }
            Door::CommandLine => drop(printed(&self.run(&["queues", verb, "default"])).unwrap()),
            Door::Library => {
                let mut connection = self.ours.pool().acquire().await.unwrap();
                if paused {
                    queues::pause(&mut *connection, "default").await.unwrap();
                } else {
                    queues::resume(&mut connection, "default").await.unwrap();
                }
            }
            Door::Socket => panic!("it has no such operation"),
        }
    }

    pub(super) async fn is_paused(&self, door: Door) -> bool {
        match door {
            Door::Http => self.api.get("/api/v1/queues").await.body["queues"][0]["paused"] == true,
            Door::CommandLine => printed(&self.run(&["queues", "list"]))
                .unwrap()
                .contains("paused"),
            Door::Library => queues::all(self.ours.pool()).await.unwrap()[0].paused,
            Door::Socket | Door::Sql => panic!("it has no such operation"),
        }
    }

    /// Calls a function that takes a job.
    async fn call(&self, function: &str, job: &str) -> Asked<String> {
        let query = format!("select {function}($1)::text");
        let called = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(id(job).0);
        called
            .fetch_one(&self.database.pool)
            .await
            .map_err(sql_code)
    }

    fn run(&self, arguments: &[impl AsRef<std::ffi::OsStr>]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
        command
            .args(arguments)
            .env("DATABASE_URL", &self.database.url);
        command.output().unwrap()
    }
}

fn id(job: &str) -> JobId {
    JobId(Uuid::parse_str(job).unwrap())
}

/// The job that the socket says is queued.
fn answered(answer: &Message) -> Asked<String> {
    refused(answer)?;
    assert_eq!(answer.action(), "job_queued", "{answer:?}");
    Ok(answer.job_id())
}

fn refused(answer: &Message) -> Asked<()> {
    match answer.action() {
        "error" => Err(answer.0["payload"][0]["type"].as_str().unwrap().to_owned()),
        _ => Ok(()),
    }
}

fn granted(answer: &Answer) -> Asked<()> {
    match answer.status {
        200..=299 => Ok(()),
        _ => Err(answer.body["errors"][0]["type"]
            .as_str()
            .unwrap()
            .to_owned()),
    }
}

/// What a command has printed, or what its exit status says.
fn printed(output: &Output) -> Asked<String> {
    let code = match output.status.code() {
        Some(0) => {
            return Ok(String::from_utf8(output.stdout.clone())
                .unwrap()
                .trim_end_matches('\n')
                .to_owned());
        }
        Some(2) => "invalid",
        Some(6) if String::from_utf8_lossy(&output.stderr).contains("is no job") => "not_found",
        Some(6) => "conflict",
        other => panic!("{other:?} {output:?}"),
    };
    Err(code.to_owned())
}

/// The same of a verb that says of each job what became of it.
fn printed_about(output: &Output) -> Asked<String> {
    let said = String::from_utf8_lossy(&output.stdout);
    printed(output).map_err(|code| match said.contains("is no job") {
        true => "not_found".to_owned(),
        false => code,
    })
}

async fn enqueue(connection: &mut PgConnection, body: &Value) -> Asked<String> {
    let query = "select ringback.enqueue($1, content => $2, input => $3, delay => make_interval(secs => $4),
        run_at => $5::timestamptz, priority => coalesce($6, 0), max_attempts => $7, concurrency_key => $8,
        idempotency_key => $9, stream => coalesce($10, false))::text";
    let input = body.get("input");
    let called = sqlx::query_scalar(query)
        .bind(body["task_type"].as_str())
        .bind(body["content"].as_str())
        .bind(input)
        .bind(body["delay"].as_f64())
        .bind(body["run_at"].as_str())
        .bind(
            body["priority"]
                .as_i64()
                .map(|number| i32::try_from(number).unwrap()),
        )
        .bind(
            body["max_attempts"]
                .as_i64()
                .map(|number| i32::try_from(number).unwrap()),
        )
        .bind(body["concurrency_key"].as_str())
        .bind(body["idempotency_key"].as_str())
        .bind(body["stream"].as_bool());
    called.fetch_one(connection).await.map_err(sql_code)
}

fn sql_code(error: sqlx::Error) -> String {
    let error = error.into_database_error().unwrap();
    let code = match error.code().unwrap().as_ref() {
        "23505" | "55000" => "conflict",
        "P0002" => "not_found",
        "42704" => "task_unknown",
        "22023" => "invalid",
        other => panic!("{other}: {error}"),
    };
    code.to_owned()
}

fn request(body: &Value) -> Request {
    let input = body.get("input").or(body.get("content")).cloned().unwrap();
    let time: Option<Timestamp> = body["run_at"].as_str().map(|time| time.parse().unwrap());
    let mut request = Request::new(body["task_type"].as_str().unwrap(), input);
    request.due = Due::of(body["delay"].as_f64(), time);
    request.priority = i16::try_from(body["priority"].as_i64().unwrap_or(0)).unwrap();
    request.max_attempts = body["max_attempts"]
        .as_i64()
        .map(|number| i32::try_from(number).unwrap());
    request.concurrency_key = body["concurrency_key"].as_str().map(str::to_owned);
    request.idempotency_key = body["idempotency_key"].as_str().map(str::to_owned);
    request.stream = body["stream"].as_bool().unwrap_or(false);
    request
}

fn code_of(error: SubmitError) -> String {
    match error {
        SubmitError::TaskUnknown(_) => "task_unknown".to_owned(),
        SubmitError::InputInvalid(_) => "input_invalid".to_owned(),
        SubmitError::Conflict => "conflict".to_owned(),
        SubmitError::Database(error) => sql_code(error),
        other => panic!("{other}"),
    }
}
