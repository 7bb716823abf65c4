//! The history is written to files before it goes: every row in one file, once, whoever dies meanwhile.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sqlx::AssertSqlSafe;
use tempfile::TempDir;

use crate::support::{Program, TestDatabase, day, eventually};

/// What is hard to write as CSV.
const HARD: [&str; 6] = [
    "a, b; c",
    "she said \"\"\"yes\"\" and, left",
    "one\ntwo\r\nthree\n\n",
    "Grüße 🎉 \u{202e}עברית\u{1}",
    "\\N \\. null",
    "",
];

/// A row as text, column by column.
type Row = BTreeMap<String, Option<String>>;

/// All rows of a table, by their text as the database has it.
async fn rows(database: &TestDatabase, table: &str) -> Vec<Row> {
    let columns: Vec<String> = sqlx::query_scalar(
        "select attname::text from pg_attribute
         where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum",
    )
    .bind(table)
    .fetch_all(&database.pool)
    .await
    .unwrap();
    // As every type is written, and not as a cast does it: booleans differ. What is empty is nothing here.
    let texts = columns
        .iter()
        .map(|name| format!("nullif(format('%s', {name}), '')"));
    let texts: Vec<String> = texts.collect();
    let query = format!("select array[{}] from {table}", texts.join(", "));
    let found: Vec<Vec<Option<String>>> = sqlx::query_scalar(AssertSqlSafe(query))
        .fetch_all(&database.pool)
        .await
        .unwrap();
    let mut rows: Vec<Row> = found
        .into_iter()
        .map(|values| columns.iter().cloned().zip(values).collect())
        .collect();
    rows.sort();
    rows
}

/// All rows of a file. What is nothing and what is empty look the same to the parser.
fn parsed(bytes: &[u8]) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(bytes);
    let columns = reader.headers().unwrap().clone();
    let mut rows: Vec<Row> = reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            let values = record
                .iter()
                .map(|value| Some(value.to_owned()).filter(|value| !value.is_empty()));
            columns.iter().map(str::to_owned).zip(values).collect()
        })
        .collect();
    rows.sort();
    rows
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn read(folder: &Path, file: &str) -> Vec<u8> {
    std::fs::read(folder.join(file)).unwrap()
}

async fn exporting(database: &TestDatabase, folder: &Path) -> Program {
    let folder = folder.to_str().unwrap();
    Program::worker(database, &["--export-history", folder]).await
}

impl TestDatabase {
    /// Remembers what a table holds now, and gives the name of that.
    async fn copy_of(&self, table: &str) -> String {
        let copy = format!("public.copy_of_{table}");
        self.execute(&format!(
            "create table {copy} as select * from ringback.{table}"
        ))
        .await;
        copy
    }

    async fn is_gone(&self, days_ago: i32) {
        for table in ["job_history", "job_attempt", "job_event"] {
            eventually(&format!("{table} should be gone"), async || {
                !self.has_partition(table, days_ago).await
            })
            .await;
        }
    }

    /// A job of so many days ago that is still to be run.
    async fn keeps_one_of(&self, days_ago: i32) {
        self.execute(&format!(
            "insert into ringback.job (id, task, task_type, queue, input, state, rank, run_at, max_attempts)
             select overlay(gen_random_uuid()::text placing
                     left(ringback.uuid_floor(now() - interval '{days_ago} d')::text, 13) from 1 for 13)::uuid,
                 'nobodys', 'a', 'default', '1', 'scheduled', 0, now() + interval '1 d', 5"
        ))
        .await;
    }
}

#[tokio::test]
async fn a_file_has_the_rows_of_its_day_and_is_there_before_they_go() {
    let database = TestDatabase::new().await;
    // More than one statement copies.
    database.past(40, 6_000).await;
    let texts: Vec<String> = HARD.iter().map(|text| (*text).to_owned()).collect();
    sqlx::query(
        "with texts as (select text, ordinality from unnest($1::text[]) with ordinality as texts (text, ordinality)),
             jobs as (select id, row_number() over (order by id) as number from ringback.job_history where state = 'failed')
         update ringback.job_history as past
         set input = jsonb_build_object('a', texts.text, 'b', array[1, 2]), error = texts.text, task_type = texts.text,
             owner = texts.text
         from texts join jobs on jobs.number = texts.ordinality
         where past.id = jobs.id",
    )
    .bind(&texts)
    .execute(&database.pool)
    .await
    .unwrap();
    sqlx::query("update ringback.job_event set text = $1[1 + (random() * 5)::integer]")
        .bind(&texts)
        .execute(&database.pool)
        .await
        .unwrap();
    let mut copies = Vec::new();
    for table in ["job_history", "job_attempt", "job_event"] {
        copies.push((table, database.copy_of(table).await));
    }
    let folder = TempDir::new().unwrap();
    let _worker = exporting(&database, folder.path()).await;
    database.is_gone(40).await;
    let day = day(&database, 40).await;
    let names = copies.iter().map(|(table, _)| format!("{table}_{day}.csv"));
    let mut names: Vec<String> = names.collect();
    for ((_, copy), name) in copies.iter().zip(&names) {
        let rows = rows(&database, copy).await;
        assert!(rows.len() >= 2_000);
        assert_eq!(parsed(&read(folder.path(), name)), rows, "{name}");
        let file = std::fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }
    names.sort();
    assert_eq!(files(folder.path()), names);
    // Nothing and an empty text are told apart, and Postgres reads both back.
    let history = String::from_utf8(read(folder.path(), &names[2])).unwrap();
    assert!(history.contains(",\"\","), "an empty text has quotes");
    assert_eq!(database.count("ringback.export_file").await, 0);
}

#[tokio::test]
async fn rows_that_go_alone_are_in_a_file_and_the_rest_of_the_day_in_another() {
    let database = TestDatabase::new().await;
    database.past(40, 2_400).await;
    database.keeps_one_of(40).await;
    // One job of that day has just ended.
    database
        .execute(
            "update ringback.job_history set finished_at = now()
             where id = (select id from ringback.job_history order by id limit 1)",
        )
        .await;
    let copy = database.copy_of("job_history").await;
    let events = database.copy_of("job_event").await;
    let folder = TempDir::new().unwrap();
    let worker = exporting(&database, folder.path()).await;
    eventually("the others should go", async || {
        database.count("ringback.job_history").await == 1
            && database.count("ringback.expired_history").await == 0
            && database.count("ringback.export_file").await == 0
    })
    .await;
    drop(worker);
    let day = day(&database, 40).await;
    let first = parsed(&read(folder.path(), &format!("job_history_{day}.csv")));
    assert_eq!(first.len(), 2_399);

    database.execute("delete from ringback.job").await;
    database
        .execute("update ringback.job_history set finished_at = created_at")
        .await;
    database
        .execute(&format!(
            "update {copy} set finished_at = created_at where finished_at <> created_at"
        ))
        .await;
    let _worker = exporting(&database, folder.path()).await;
    database.is_gone(40).await;
    let mut all = first;
    all.extend(parsed(&read(
        folder.path(),
        &format!("job_history_{day}_2.csv"),
    )));
    all.sort();
    assert_eq!(all, rows(&database, &copy).await);
    let mut texts = parsed(&read(folder.path(), &format!("job_event_{day}.csv")));
    texts.extend(parsed(&read(
        folder.path(),
        &format!("job_event_{day}_2.csv"),
    )));
    texts.sort();
    assert_eq!(texts, rows(&database, &events).await);
}

#[tokio::test]
async fn whoever_is_killed_while_it_writes_leaves_a_whole_file_to_the_next() {
    let database = TestDatabase::new().await;
    database.past(40, 15_000).await;
    // So much that it takes a while.
    database
        .execute("update ringback.job_history set result = to_jsonb(repeat(md5(id::text), 200))")
        .await;
    let copy = database.copy_of("job_history").await;
    let day = day(&database, 40).await;
    let name = format!("job_history_{day}.csv");
    let folder = TempDir::new().unwrap();
    let mut worker = exporting(&database, folder.path()).await;
    let begun = |file: &String| file.starts_with(&format!(".{name}."));
    eventually("it should be writing", async || {
        files(folder.path()).iter().any(begun)
    })
    .await;
    worker.kill();
    assert!(
        files(folder.path()).iter().any(begun),
        "it was killed too late"
    );
    assert!(!folder.path().join(&name).exists());
    assert_eq!(database.count("ringback.job_history").await, 15_000);

    // The next one is killed when the file has its name, and the partition is still there.
    database
        .execute(&format!(
            "create function public.wait() returns trigger language plpgsql as $$ begin
                 if new.source = 'job_history_{day}' then perform pg_sleep(600); end if;
                 return new;
             end $$"
        ))
        .await;
    database
        .execute(
            "create trigger wait before update on ringback.export_file
             for each row execute function public.wait()",
        )
        .await;
    let mut worker = exporting(&database, folder.path()).await;
    eventually("the file should be whole", async || {
        folder.path().join(&name).exists()
    })
    .await;
    worker.kill();
    database
        .execute(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where application_name = 'ringback housekeeping' and datname = current_database()",
        )
        .await;
    assert_eq!(database.count("ringback.job_history").await, 15_000);
    database
        .execute("drop trigger wait on ringback.export_file")
        .await;

    let worker = exporting(&database, folder.path()).await;
    database.is_gone(40).await;
    let left = files(folder.path());
    let of_history = left.iter().filter(|file| file.contains("job_history"));
    assert_eq!(of_history.collect::<Vec<_>>(), [&name]);
    let rows = rows(&database, &copy).await;
    assert_eq!(parsed(&read(folder.path(), &name)), rows);
    let dropped = format!("dropped an expired partition partition=job_history_{day}");
    assert_eq!(worker.output().matches(&dropped).count(), 1);
}

#[tokio::test]
async fn without_a_folder_to_write_to_nothing_goes_and_that_is_said() {
    let database = TestDatabase::new().await;
    database.past(40, 30).await;
    database.past(41, 30).await;
    database.keeps_one_of(41).await;
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let worker = exporting(&database, &missing).await;
    let said = worker.printed("could not export the history").await;
    assert!(said.contains(missing.to_str().unwrap()), "{said}");
    assert!(said.contains("RINGBACK_EXPORT_HISTORY"), "{said}");
    drop(worker);
    assert_eq!(database.count("ringback.job_history").await, 60);
    assert_eq!(database.count("ringback.job_event").await, 20);

    // A file with the name of what is to be written is nobody's to overwrite.
    std::fs::create_dir(&missing).unwrap();
    let taken = missing.join(format!("job_history_{}.csv", day(&database, 40).await));
    std::fs::write(&taken, "somebody else's").unwrap();
    let _worker = exporting(&database, &missing).await;
    database.is_gone(40).await;
    assert_eq!(std::fs::read(&taken).unwrap(), b"somebody else's");
    let own = format!("job_history_{}_2.csv", day(&database, 40).await);
    assert_eq!(parsed(&read(&missing, &own)).len(), 30);
}

#[tokio::test]
async fn many_that_export_at_once_write_each_row_once_and_those_that_do_not_let_nothing_go() {
    let database = TestDatabase::new().await;
    let folder = TempDir::new().unwrap();
    let first = exporting(&database, folder.path()).await;
    eventually("it should say that it exports", async || {
        database.count("ringback.exporter").await == 1
    })
    .await;
    drop(first);
    for days_ago in [40, 41, 42] {
        database.past(days_ago, 300).await;
    }
    database.keeps_one_of(41).await;
    let copy = database.copy_of("job_history").await;

    // It has looked when it has let go of what is next to it.
    database
        .execute("update ringback.exporter set seen_at = now() - interval '2 d'")
        .await;
    let without = Program::worker(&database, &[]).await;
    without.printed("delete from ringback.exporter").await;
    assert_eq!(database.count("ringback.job_history").await, 900);

    let _workers = tokio::join!(
        exporting(&database, folder.path()),
        exporting(&database, folder.path()),
        exporting(&database, folder.path()),
    );
    let where_rows_are = [
        "job_history",
        "job_attempt",
        "job_event",
        "expired_history",
        "expired_attempt",
        "expired_event",
        "export_file",
    ];
    eventually("all should go", async || {
        let mut left = 0;
        for table in where_rows_are {
            left += database.count(&format!("ringback.{table}")).await;
        }
        left == 0
    })
    .await;
    let left = files(folder.path());
    let of_history = left.iter().filter(|file| file.starts_with("job_history"));
    let mut all: Vec<Row> = of_history
        .flat_map(|file| parsed(&read(folder.path(), file)))
        .collect();
    all.sort();
    assert_eq!(all, rows(&database, &copy).await);

    // Who has given it up lets go again.
    database.past(43, 30).await;
    database.execute("delete from ringback.exporter").await;
    drop(_workers);
    let _without = Program::worker(&database, &[]).await;
    database.is_gone(43).await;
    assert_eq!(files(folder.path()), left);
}

#[tokio::test]
async fn some_days_are_taken_out_by_hand_and_stay() {
    let database = TestDatabase::new().await;
    for days_ago in [1, 2, 3, 4] {
        database.past(days_ago, 30).await;
    }
    let days: Vec<String> = sqlx::query_scalar(
        "select ((now() at time zone 'UTC')::date - ago)::text from unnest(array[3, 2]) as ago",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let verb = ["jobs", "export", "--from", &days[0], "--to", &days[1]];
    let mut printed = Program::start(&database, &verb);
    assert!(printed.ended().await.success(), "{}", printed.output());
    database
        .execute(&format!(
            "create table public.days as select * from ringback.job_history
             where (created_at at time zone 'UTC')::date between '{}' and '{}'",
            days[0], days[1]
        ))
        .await;
    let two_days = rows(&database, "public.days").await;
    assert_eq!(two_days.len(), 60);
    assert_eq!(parsed(printed.output().as_bytes()), two_days);

    let with_folder = [&verb[..], &[path]].concat();
    let mut written = Program::start(&database, &with_folder);
    assert!(written.ended().await.success(), "{}", written.output());
    let names = files(folder.path());
    assert_eq!(names.len(), 6);
    assert_eq!(written.output().lines().count(), 6);
    let of_history = names.iter().filter(|file| file.starts_with("job_history"));
    let mut all: Vec<Row> = of_history
        .flat_map(|file| parsed(&read(folder.path(), file)))
        .collect();
    all.sort();
    assert_eq!(all, two_days);
    assert_eq!(database.count("ringback.job_history").await, 120);

    // What is there is left as it is.
    let mut again = Program::start(&database, &with_folder);
    assert_eq!(again.ended().await.code(), Some(1));
    assert!(again.output().contains("exists"), "{}", again.output());
    let backwards = ["jobs", "export", "--from", &days[1], "--to", &days[0]];
    let mut backwards = Program::start(&database, &backwards);
    assert_eq!(backwards.ended().await.code(), Some(2));
}
