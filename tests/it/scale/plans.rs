//! The plans of the statements that run all the time: along indexes, whenever their tables were analyzed.

use ringback::ids::JobIds;
use ringback::queue::NewJob;
use ringback::queue::enqueue::enqueue;
use ringback::queue::finish::finish;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::{FIRST, claim_some, cursor, jobs, succeeded};
use crate::support::TestDatabase;

/// The statements that run all the time, with the arguments of a batch.
fn statements(
    new: &[NewJob],
    claimed: &[(Uuid, Uuid)],
) -> [(&'static str, &'static str, String); 4] {
    let column = |values: Vec<String>, kind: &str| format!("'{{{}}}'::{kind}[]", values.join(","));
    let same = |value: &str, count: usize, kind: &str| column(vec![value.to_owned(); count], kind);
    let ids = |ids: Vec<Uuid>| column(ids.iter().map(Uuid::to_string).collect(), "uuid");
    let (old, count) = (claimed.len(), new.len());
    let submitted = [
        ids(new.iter().map(|job| job.id.0).collect()),
        same("a", count, "text"),
        same("a", count, "text"),
        same("default", count, "text"),
        same("1", count, "text"),
        same("0", count, "smallint"),
        same("5", count, "integer"),
        same("null", count, "uuid"),
        same("null", count, "uuid"),
        same("null", count, "float8"),
        same("null", count, "float8"),
        same("null", count, "text"),
        ids((0..count).map(session).collect()),
        same("anonymous", count, "text"),
        same("false", count, "boolean"),
        column(new.iter().map(|job| job.id.to_string()).collect(), "text"),
        same("60", count, "float8"),
        "true".to_owned(),
        "false".to_owned(),
        same("null", count, "text"),
        "true".to_owned(),
    ];
    let ended = [
        ids(claimed.iter().map(|(id, _)| *id).collect()),
        ids(claimed.iter().map(|(_, claim)| *claim).collect()),
        same("succeeded", old, "text"),
        same("1", old, "text"),
        same("null", old, "text"),
        same("null", old, "text"),
        "false".to_owned(),
        "true".to_owned(),
        "true".to_owned(),
        "true".to_owned(),
    ];
    let asked = ids(claimed.iter().map(|(id, _)| *id).collect());
    let wanted = format!(
        "'{{default}}'::text[], '{{{}}}'::bigint[], '{{{}}}'::uuid[], '{}', '{{a}}'::text[], '{{500}}'::bigint[], true, 500",
        i64::MIN,
        Uuid::nil(),
        Uuid::new_v4()
    );
    [
        (
            "enqueue",
            include_str!("../../../src/queue/enqueue.sql"),
            submitted.join(", "),
        ),
        (
            "claim",
            include_str!("../../../src/queue/claim.sql"),
            wanted,
        ),
        (
            "finish",
            include_str!("../../../src/queue/finish.sql"),
            ended.join(", "),
        ),
        (
            "outcomes",
            include_str!("../../../src/queue/outcomes.sql"),
            asked,
        ),
    ]
}

#[tokio::test]
async fn statements_use_indexes_whenever_their_tables_were_analyzed() {
    for analyzed in [0, 1, 7, 8, 12] {
        statements_use_indexes(analyzed).await;
    }
}

/// One of five hundred sessions.
fn session(turn: usize) -> Uuid {
    Uuid::from_u128(1 + turn as u128 % 500)
}

/// Sixteen turns of a batch each, on tables that are full from the eighth on, and analyzed before one of the turns.
async fn statements_use_indexes(analyzed: usize) {
    let database = TestDatabase::new().await;
    database
        .execute("vacuum (analyze) ringback.job, ringback.job_history, ringback.queue")
        .await;
    for turn in 0..500 {
        let session = format!(
            "insert into ringback.session (id, token_hash, notified) values ('{}', '', 0)",
            session(turn)
        );
        database.execute(&session).await;
    }
    let mut link = database.database().link("test");
    link.connected().await.unwrap();
    let mut ids = JobIds::default();
    for turn in 0..16 {
        if turn == analyzed {
            // As autovacuum does it at any time.
            database
                .execute("analyze ringback.job, ringback.job_history")
                .await;
        }
        if turn == 8 {
            // Beside the jobs of each turn, ten thousand that wait, and as many that are over.
            for finished in [true, false] {
                for _ in 0..20 {
                    let new = jobs(&link, &mut ids, 500);
                    let connection = link.connected().await.unwrap();
                    enqueue(connection, &new, FIRST).await.unwrap();
                    if finished {
                        let claimed = claim_some(connection, &cursor()).await;
                        finish(connection, &succeeded(&claimed), FIRST)
                            .await
                            .unwrap();
                    }
                }
            }
        }
        let new = jobs(&link, &mut ids, 500);
        let connection = link.connected().await.unwrap();
        let mut claimed = Vec::new();
        for step in 0..4 {
            let (name, sql, arguments) = statements(&new, &claimed)[step].clone();
            if turn == 0 {
                let prepare = format!("prepare {name} as {sql}");
                connection.execute(AssertSqlSafe(prepare)).await.unwrap();
            }
            let explain = format!(
                "explain (analyze, buffers, costs off, timing off) execute {name}({arguments})"
            );
            let plan: Vec<String> = sqlx::raw_sql(AssertSqlSafe(explain))
                .fetch_all(&mut *connection)
                .await
                .unwrap()
                .iter()
                .map(|row| sqlx::Row::get(row, 0))
                .collect();
            let plan = plan.join("\n");
            assert!(
                !plan.contains("Seq Scan on job"),
                "turn {turn}, analyzed before {analyzed}, {name}:\n{plan}"
            );
            let buffers = buffers(&plan);
            // Each row costs a few pages in each index and table, and is met in a few versions; a batch that reads a
            // table again for each of its rows costs a hundred times as much.
            assert!(
                buffers < 500 * 60,
                "turn {turn}, {name}, {buffers} buffers:\n{plan}"
            );
            assert!(
                // A few index entries for each of the 500 rows, dead ones included.
                most_rows(&plan) <= 2_000,
                "turn {turn}, analyzed before {analyzed}, {name}:\n{plan}"
            );
            if name == "claim" {
                claimed =
                    sqlx::query_as("select id, claim_id from ringback.job where state = 'running'")
                        .fetch_all(&mut *connection)
                        .await
                        .unwrap();
                assert_eq!(claimed.len(), 500, "turn {turn}");
            }
        }
    }
}

/// All that a statement touched, of its plan's first line with buffers.
fn buffers(plan: &str) -> u64 {
    let line = plan.lines().find(|line| line.contains("Buffers:"));
    let numbers = line.unwrap_or_default().split(['=', ' ']);
    numbers.filter_map(|word| word.parse::<u64>().ok()).sum()
}

/// The most rows that one step gave or threw away, over all its loops.
fn most_rows(plan: &str) -> u64 {
    let number = |line: &str, after: &str| -> Option<u64> {
        let rest = line.split(after).nth(1)?.trim_start();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let mut loops = 1;
    let mut most = 0;
    for line in plan.lines() {
        if let Some(rows) = number(line, "actual rows=") {
            loops = number(line, "loops=").unwrap_or(1);
            most = most.max(rows * loops);
        } else if let Some(rows) = number(line, "Rows Removed by Filter:")
            .or_else(|| number(line, "Rows Removed by Join Filter:"))
        {
            most = most.max(rows * loops);
        }
    }
    most
}
