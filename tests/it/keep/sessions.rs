//! Sessions whose time is over: they go with all of their mail, and never with some of it.

use std::time::Duration;

use ringback::auth::Secret;
use ringback::ids::{GatewayId, SessionId};
use ringback::session;
use sqlx::{Executor, PgConnection};
use uuid::Uuid;

use super::MANY;
use crate::support::{BATCH, Program, TestDatabase, eventually};

#[tokio::test]
async fn a_session_goes_with_its_mailbox_however_full_that_is_and_what_was_lost_goes_as_well() {
    let database = TestDatabase::new().await;
    database
        .execute(
            "insert into ringback.session (id, token_hash, notified, seen_at)
             select gen_random_uuid(), '', 0, now() - make_interval(days => age) from unnest(array[2, 2, 2, 0]) as age",
        )
        .await;
    database
        .execute(
            "insert into ringback.mailbox (session_id, job_id)
             select id, gen_random_uuid() from ringback.session, generate_series(1, 900)",
        )
        .await;
    database
        .execute(
            "insert into ringback.mailbox (session_id, job_id)
             select gen_random_uuid(), gen_random_uuid() from generate_series(1, 1500)",
        )
        .await;
    database.note_batches(&["session", "mailbox"], "0").await;
    let _worker = Program::worker(&database, &[]).await;
    eventually("all but one should be over", async || {
        database.count("ringback.session").await == 1
            && database.count("ringback.mailbox").await == 900
    })
    .await;
    let batches = database.batches("mailbox").await;
    assert!(batches[0] <= BATCH, "{batches:?}");
    assert_eq!(batches.iter().sum::<i64>(), 3 * 900 + 1_500);
}

#[tokio::test]
async fn a_session_that_comes_back_has_all_of_its_mail_or_is_refused_as_a_whole() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let database = TestDatabase::new().await;
    let mut connection = database.pool.acquire().await.unwrap();
    let gateway = GatewayId(Uuid::new_v4());
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let token = Secret::random();
        let seat = session::start(&mut connection, &token, "a", gateway).await;
        sessions.push((seat.unwrap().session, token));
    }
    // One gateway keeps sessions for longer than another, whose sweeper ends these.
    database
        .execute("update ringback.session set gateway_id = null, seen_at = now() - interval '3 h'")
        .await;
    database
        .execute(&format!(
            "insert into ringback.mailbox
             select id, gen_random_uuid() from ringback.session, generate_series(1, {MANY})"
        ))
        .await;
    // After the first batch, the others wait.
    database.note_batches(&["mailbox"], "0").await;
    database
        .execute(
            "create function public.wait() returns trigger language plpgsql as $$ begin
                 perform pg_advisory_xact_lock(7) where exists (select from public.batch);
                 return null;
             end $$",
        )
        .await;
    database
        .execute(
            "create trigger wait before delete on ringback.mailbox
             for each statement execute function public.wait()",
        )
        .await;
    let [(returning, token), (late, late_token)] = &sessions[..] else {
        panic!("{sessions:?}");
    };
    let resume = async |connection: &mut PgConnection, session: &SessionId, token: &Secret| {
        let taken = session::take_over(connection, *session, token, "a", gateway, 24 * HOUR);
        let taken = tokio::time::timeout(Duration::from_secs(5), taken).await;
        taken.expect("it is not made to wait").unwrap()
    };
    let mut waits = database.pool.begin().await.unwrap();
    waits
        .execute("select pg_advisory_xact_lock(7)")
        .await
        .unwrap();
    let mut returns = database.pool.begin().await.unwrap();
    let seat = resume(&mut returns, returning, token).await;
    assert!(seat.is_some());

    let mut link = database.database().link("test");
    let (expired, ()) = tokio::join!(session::expire(&mut link, 2 * HOUR), async {
        eventually("it should be between two batches", async || {
            database
                .count("pg_locks where locktype = 'advisory' and objid = 7 and not granted")
                .await
                == 1
        })
        .await;
        returns.commit().await.unwrap();
        let seat = resume(&mut connection, late, late_token).await;
        assert!(seat.is_none(), "some of its mail is gone already");
        waits.commit().await.unwrap();
    });
    expired.unwrap();
    let unread = session::unread(&mut connection, &[*returning, *late]).await;
    let unread = unread.unwrap();
    assert_eq!(unread.len(), 1);
    assert_eq!(unread[returning].finished.len(), 2_500);
}
