use super::*;
use bytes::Bytes;
use rcni_bgp_proto::intake::Heard;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const CONN: ConnId = ConnId(7);
const LONG: Duration = Duration::from_secs(30);

async fn streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
    (ours.unwrap(), theirs.unwrap().0)
}

fn start(ours: TcpStream, send_hold: Duration) -> (Handle, mpsc::Receiver<Event>) {
    let (handle, tail) = pair();
    let (events, inbox) = mpsc::channel(64);
    tokio::spawn(run(
        CONN,
        ours,
        tail,
        events,
        send_hold,
        std::future::pending(),
    ));
    (handle, inbox)
}

#[tokio::test]
async fn last_words_arrive_although_the_peer_goes_on_sending() {
    let (ours, mut theirs) = streams().await;
    let (handle, _inbox) = start(ours, LONG);
    handle
        .place()
        .unwrap()
        .send(vec![Outgoing::Message(Bytes::from_static(b"NOTIFICATION"))]);
    drop(handle);
    // Bytes that nobody reads are what makes a kernel reset the connection.
    theirs.write_all(&[0; 100_000]).await.unwrap();
    let mut heard = Vec::new();
    theirs.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"NOTIFICATION");
}

#[tokio::test]
async fn an_answer_to_a_peer_that_closed_its_side_still_arrives() {
    let (ours, mut theirs) = streams().await;
    let (handle, mut inbox) = start(ours, LONG);
    theirs.write_all(b"garbage").await.unwrap();
    theirs.shutdown().await.unwrap();
    assert!(
        matches!(inbox.recv().await, Some(Event::Heard { messages, .. }) if matches!(messages[..], [Heard::Malformed(_)]))
    );
    assert!(matches!(
        inbox.recv().await,
        Some(Event::Closed {
            cause: CloseCause::Eof,
            ..
        })
    ));
    handle
        .place()
        .unwrap()
        .send(vec![Outgoing::Message(Bytes::from_static(b"1/1"))]);
    drop(handle);
    let mut heard = Vec::new();
    theirs.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"1/1");
}

#[tokio::test]
async fn a_full_queue_says_when_it_has_room() {
    let (ours, mut theirs) = streams().await;
    let (handle, mut inbox) = start(ours, LONG);
    let mut sent = 0;
    // Nobody reads: the socket's buffers fill up first, then the queue.
    loop {
        match handle.place() {
            Some(place) => {
                place.send(vec![Outgoing::Message(Bytes::from(vec![1; 65_536]))]);
                sent += 65_536;
            }
            None if sent > 65_536 * WRITE_QUEUE => break,
            None => {}
        }
        while let Ok(event) = inbox.try_recv() {
            assert!(matches!(event, Event::Room { .. }));
        }
        tokio::task::yield_now().await;
        assert!(sent < 1 << 30, "the queue is not bounded");
        if handle.place().is_none() {
            // Twice without room although the writer had its turn.
            sleep(Duration::from_millis(20)).await;
            if handle.place().is_none() {
                break;
            }
        }
    }
    while inbox.try_recv().is_ok() {}
    assert!(handle.place().is_none());
    let mut heard = vec![0; sent];
    theirs.read_exact(&mut heard).await.unwrap();
    assert!(matches!(
        timeout(LONG, inbox.recv()).await.unwrap(),
        Some(Event::Room { conn: CONN })
    ));
    assert!(handle.place().is_some());
}

/// What the core does when it hears of it: it has last words, which find no place at first.
#[tokio::test]
async fn a_peer_that_never_reads_is_told_of_and_hears_why_if_it_reads_again() {
    for reads_again in [false, true] {
        let (ours, mut theirs) = streams().await;
        let (mut handle, mut inbox) = start(ours, Duration::from_millis(300));
        for _ in 0..400 {
            if let Some(place) = handle.place() {
                place.send(vec![Outgoing::Message(Bytes::from(vec![1; 65_536]))]);
            }
            tokio::task::yield_now().await;
        }
        let stalled =
            async { while !matches!(inbox.recv().await, Some(Event::Stalled { conn: CONN })) {} };
        timeout(LONG, stalled).await.unwrap();
        handle.hurry();
        assert!(handle.place().is_none());
        if reads_again {
            let reader = tokio::spawn(async move {
                let mut heard = Vec::new();
                theirs.read_to_end(&mut heard).await.map(|_| heard)
            });
            let room =
                async { while !matches!(inbox.recv().await, Some(Event::Room { conn: CONN })) {} };
            timeout(LONG, room).await.unwrap();
            handle
                .place()
                .unwrap()
                .send(vec![Outgoing::Message(Bytes::from_static(b"last words"))]);
            drop(handle);
            let heard = timeout(LONG, reader).await.unwrap().unwrap().unwrap();
            assert!(heard.ends_with(b"last words"), "{} octets", heard.len());
        } else {
            let closed = async {
                loop {
                    if let Some(Event::Closed { cause, .. }) = inbox.recv().await {
                        return cause;
                    }
                }
            };
            let cause = timeout(LONG, closed).await.unwrap();
            assert_eq!(cause, CloseCause::TimedOut);
            drop(theirs);
        }
    }
}

#[tokio::test]
async fn a_goodbye_to_a_peer_that_never_reads_ends() {
    let (ours, mut theirs) = streams().await;
    let (handle, mut inbox) = start(ours, LONG);
    for _ in 0..400 {
        if let Some(place) = handle.place() {
            place.send(vec![Outgoing::Message(Bytes::from(vec![1; 65_536]))]);
        }
        tokio::task::yield_now().await;
    }
    drop(handle);
    // All senders are gone when the task has ended.
    let ended = async { while inbox.recv().await.is_some() {} };
    timeout(LONG, ended).await.unwrap();
    let mut heard = Vec::new();
    // In order or reset: the connection is over either way.
    let _ = timeout(LONG, theirs.read_to_end(&mut heard)).await.unwrap();
}

#[tokio::test]
async fn who_has_to_go_is_reset_and_the_core_hears_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut theirs, ours) = tokio::join!(
        async {
            TcpStream::connect(listener.local_addr().unwrap())
                .await
                .unwrap()
        },
        async { listener.accept().await.unwrap().0 },
    );
    let (events, mut inlet) = mpsc::channel(4);
    let (_handle, tail) = pair();
    let (go, evicted) = oneshot::channel::<()>();
    let evicted = async {
        let _ = evicted.await;
    };
    let task = tokio::spawn(run(
        CONN,
        ours,
        tail,
        events,
        Duration::from_secs(5),
        evicted,
    ));
    theirs.write_all(b"x").await.unwrap();
    assert!(matches!(inlet.recv().await, Some(Event::Heard { .. })));
    drop(go);
    let reset = theirs.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
    let Some(Event::Closed { conn, cause }) = inlet.recv().await else {
        panic!("not closed");
    };
    assert_eq!((conn, cause), (CONN, CloseCause::Other(EVICTED.to_owned())));
    task.await.unwrap();
}
