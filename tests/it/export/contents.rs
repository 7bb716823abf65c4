//! What is in the files.

use super::*;

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
    for table in PARTITIONED {
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
async fn a_file_keeps_its_rows_although_their_day_stays_and_is_smaller_later() {
    let database = TestDatabase::new().await;
    database.past(40, 30).await;
    let copy = database.copy_of("job_history").await;
    let day = day(&database, 40).await;
    let name = format!("job_history_{day}.csv");
    let folder = TempDir::new().unwrap();
    // A session comes back for one of the jobs as soon as the file is there.
    database
        .execute(
            "create function public.comes_back() returns trigger language plpgsql as $$ begin
                 insert into ringback.mailbox select gen_random_uuid(), id from ringback.job_history order by id limit 1;
                 return null;
             end $$",
        )
        .await;
    database
        .execute(&format!(
            "create trigger comes_back after update of written_at on ringback.export_file
             for each row when (new.source = 'job_history_{day}') execute function public.comes_back()"
        ))
        .await;
    database.expires_to(folder.path()).await;
    assert_eq!(database.count("ringback.mailbox").await, 1);
    database
        .execute("drop trigger comes_back on ringback.export_file")
        .await;
    let rows = rows(&database, &copy).await;
    let first = files(folder.path());
    assert_eq!(parsed(&read(folder.path(), &name)), rows);

    // What is in a file goes with its day, and not alone, which would put it into another file as well.
    database.expires_to(folder.path()).await;
    assert_eq!(database.count("ringback.job_history").await, 30);
    assert_eq!(files(folder.path()), first);

    // Somebody has deleted some of it by hand.
    for statement in [
        "delete from ringback.mailbox",
        "delete from ringback.job_history where task = 'even'",
    ] {
        database.execute(statement).await;
    }
    database.expires_to(folder.path()).await;
    database.is_gone(40).await;
    assert_eq!(files(folder.path()), first);
    assert_eq!(parsed(&read(folder.path(), &name)), rows);
    assert_eq!(database.count("ringback.export_file").await, 0);
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
