//! A connection that does not take its last words with it.
//!
//! Whoever closes a connection on which something was not read yet makes the system reset it, and what was written
//! before, such as why a socket was closed, may never arrive. So what is there is read past for a moment.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::door::Visit;

/// How long the other side may take to stop.
const MOMENT: Duration = Duration::from_secs(2);

/// How much is read past, in bytes.
const MOST: u64 = 4 * 1024 * 1024;

/// A stream that lingers when it is dropped, where there is something to read past.
#[derive(Debug)]
pub(super) struct Lingering {
    /// There until it is dropped.
    stream: Option<TcpStream>,
    connections: TaskTracker,
    /// It keeps its places until nothing is left of it.
    visit: Arc<Visit>,
}

impl Lingering {
    pub(super) fn new(stream: TcpStream, connections: TaskTracker, visit: Arc<Visit>) -> Self {
        Self {
            stream: Some(stream),
            connections,
            visit,
        }
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(
            self.stream
                .as_mut()
                .expect("it is there until it is dropped"),
        )
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else {
            return;
        };
        let is_unread = stream.try_read(&mut [0; 1]).is_ok_and(|read| read > 0);
        if is_unread && let Ok(runtime) = Handle::try_current() {
            let visit = Arc::clone(&self.visit);
            let past = async move {
                read_past(stream).await;
                drop(visit);
            };
            self.connections.spawn_on(past, &runtime);
        }
    }
}

async fn read_past(mut stream: TcpStream) {
    let past = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(MOST), &mut tokio::io::sink()).await
    };
    // Whoever goes on sending hears it the hard way.
    let _ = tokio::time::timeout(MOMENT, past).await;
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
