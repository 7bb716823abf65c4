//! Following a job over HTTP.

use serde_json::{Value, json};

use crate::support::{Answer, Api, Client, Event, Program, TestDatabase};

/// What a text was told in, each piece with its id.
fn pieces(events: &[Event]) -> Vec<(String, String)> {
    let chunks = events.iter().filter(|event| event.name == "job_chunk");
    chunks
        .map(|event| {
            let text = event.data["payload"].as_str().unwrap();
            (event.id.clone().unwrap(), text.to_owned())
        })
        .collect()
}

fn story(attempt: u32, pieces: std::ops::RangeInclusive<u32>) -> Vec<(String, String)> {
    pieces
        .map(|piece| (format!("{attempt}-{piece}"), format!("{piece} ")))
        .collect()
}

#[tokio::test]
async fn a_job_is_followed_to_its_end_from_anywhere_in_it() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let job = api
        .submit_as(&json!({"task_type": "story", "content": "40", "stream": true}))
        .await;
    let events = api.events(&job, None).await.all().await;
    assert_eq!(pieces(&events), story(1, 1..=40));
    let last = events.last().unwrap();
    assert_eq!(
        (last.name.as_str(), last.id.as_deref()),
        ("job_result", Some("over"))
    );
    for event in &events {
        assert_eq!(event.data["action"], event.name.as_str());
        assert_eq!(event.data["job_id"], job.as_str());
    }
    // The same messages as on the socket.
    assert_eq!(last.data["job"]["result"], 40);
    assert_eq!(events[0].data["job"], json!({"attempt": 1, "seq": 1}));

    let events = api.events(&job, Some("1-38")).await.all().await;
    assert_eq!(pieces(&events), story(1, 39..=40));
    let events = api.events(&job, Some("1-40")).await.all().await;
    assert_eq!((events.len(), events[0].name.as_str()), (1, "job_result"));
    let path = api.url(&format!("/api/v1/jobs/{job}/events"));
    let over = Answer::of(api.client.get(&path).header("last-event-id", "over")).await;
    assert_eq!((over.status, over.body), (204, json!("")));
    for wrong in ["1", "1-x", "-1-2", "2-99999999999"] {
        let answer = Answer::of(api.client.get(&path).header("last-event-id", wrong)).await;
        answer.is_error(422, "value_error");
    }
}

#[tokio::test]
async fn every_end_has_its_event() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let failed = api.submit("fail", "").await;
    let events = api.events(&failed, None).await.all().await;
    assert_eq!((events.len(), events[0].name.as_str()), (1, "job_failed"));
    assert_eq!(events[0].data["job"]["code"], "task_failed");
    let held = api.submit("hold", "60").await;
    let mut events = api.events(&held, None).await;
    api.post(&format!("/api/v1/jobs/{held}/cancel")).await;
    assert_eq!(events.next().await.unwrap().name, "job_cancelled");
    assert_eq!(events.next().await, None);
    let busy = api.submit("busy", "").await;
    let events = api.events(&busy, None).await.all().await;
    assert!(events.len() > 2, "{events:?}");
    let percents = events[..events.len() - 1].iter().map(|event| {
        assert_eq!(
            (event.name.as_str(), event.id.as_deref()),
            ("job_progress", None)
        );
        event.data["payload"]["percent"].as_f64().unwrap()
    });
    assert!(percents.collect::<Vec<f64>>().is_sorted());
}

#[tokio::test]
async fn a_job_of_another_gateway_is_followed_although_nobody_asked_for_its_text() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let gateways = [
        Program::serve(&database, &[]).await,
        Program::serve(&database, &["--poll-only"]).await,
    ];
    let mut client = Client::connect(&gateways[0]).await;
    let job = client.submit("story", "40").await;
    let events = Api::of(&gateways[1]).events(&job, None).await.all().await;
    assert_eq!(pieces(&events), story(1, 1..=40));
    assert_eq!(events.last().unwrap().name, "job_result");
    // Its own socket hears what it has asked for.
    assert_eq!(client.next().await.action(), "job_result");
}

#[tokio::test]
async fn a_client_whose_gateway_goes_follows_on_at_another_and_gets_every_piece_once() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let mut gateway = Program::serve(&database, &[]).await;
    let other = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let job = api
        .submit_as(&json!({"task_type": "story", "content": "100", "stream": true}))
        .await;
    let mut events = api.events(&job, None).await;
    let mut told = Vec::new();
    while told.len() < 20 {
        told.push(events.next().await.unwrap());
    }
    gateway.kill();
    while let Some(event) = events.next().await {
        told.push(event);
    }
    let last = told.last().unwrap().id.clone();
    told.extend(
        Api::of(&other)
            .events(&job, last.as_deref())
            .await
            .all()
            .await,
    );
    assert_eq!(pieces(&told), story(1, 1..=100));
    assert_eq!(told.last().unwrap().name, "job_result");
}

#[tokio::test]
async fn an_attempt_that_begins_anew_begins_its_text_anew() {
    let database = TestDatabase::new().await;
    let mut worker = Program::unruly(&database).await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    let job = api
        .submit_as(&json!({"task_type": "story", "content": "60", "stream": true}))
        .await;
    let mut events = api.events(&job, None).await;
    let mut told = vec![events.next().await.unwrap()];
    worker.kill();
    let _worker = Program::unruly(&database).await;
    while let Some(event) = events.next().await {
        told.push(event);
    }
    let told = pieces(&told);
    let again = told
        .iter()
        .position(|(id, _)| id == "2-1")
        .expect("a second attempt");
    assert_eq!(told[again..], story(2, 1..=60));
    let first: u32 = u32::try_from(again).unwrap();
    assert_eq!(told[..again], story(1, 1..=first));
    let events: Vec<Value> = api
        .events(&job, Some("1-3"))
        .await
        .all()
        .await
        .into_iter()
        .map(|event| event.data)
        .collect();
    assert_eq!(
        events.len(),
        61,
        "the text of the last attempt, and the result"
    );
}
