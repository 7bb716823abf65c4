//! The history is written to files before it goes: every row in one file, once, whoever dies meanwhile.

mod contents;
mod exporters;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use ringback::config::Keep;
use ringback::queue::expire;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;

use crate::support::{PARTITIONED, Program, TestDatabase, day, eventually, keep};

const MONTH: Duration = Duration::from_secs(30 * 86_400);

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

    /// From now on, whoever has written the partition of that day waits before it says so.
    async fn waits_once_it_has_its_name(&self, table: &str, days_ago: i32) {
        let day = day(self, days_ago).await;
        self.execute(&format!(
            "create function public.wait() returns trigger language plpgsql as $$ begin
                 if new.source = '{table}_{day}' then perform pg_sleep(600); end if;
                 return new;
             end $$"
        ))
        .await;
        self.execute(
            "create trigger wait before update of written_at on ringback.export_file
             for each row execute function public.wait()",
        )
        .await;
    }

    /// Whoever was killed there is over, and nobody waits again.
    async fn waits_no_more(&self) {
        self.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where application_name = 'ringback expiry' and datname = current_database()",
        )
        .await;
        self.execute("drop trigger wait on ringback.export_file")
            .await;
    }

    /// Lets go of the history, with files, as a worker does now and then.
    async fn expires_to(&self, folder: &Path) {
        let keep = Keep {
            export_history: Some(folder.to_owned()),
            ..keep(MONTH)
        };
        let mut link = self.database().link("test");
        let connection = link.connected().await.unwrap();
        expire::expire(connection, &keep).await.unwrap();
        link.close().await;
    }

    async fn is_gone(&self, days_ago: i32) {
        for table in PARTITIONED {
            eventually(&format!("{table} should be gone"), async || {
                !self.has_partition(table, days_ago).await
            })
            .await;
        }
    }
}
