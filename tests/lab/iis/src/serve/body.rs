//! Bodies of answers, and what a connection is serving as long as one lasts.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;

/// A body on its way to the client.
pub struct Body {
    content: Content,
    serving: Option<Arc<Serving>>,
}

enum Content {
    Whole(Bytes),
    /// Whole, but its head has a length of its own.
    Unmeasured(Bytes),
    Stream(mpsc::Receiver<io::Result<Bytes>>),
}

impl Body {
    pub fn whole(bytes: impl Into<Bytes>) -> Body {
        Body { content: Content::Whole(bytes.into()), serving: None }
    }

    pub fn unmeasured(bytes: Bytes) -> Body {
        Body { content: Content::Unmeasured(bytes), serving: None }
    }

    pub fn stream(pieces: mpsc::Receiver<io::Result<Bytes>>) -> Body {
        Body { content: Content::Stream(pieces), serving: None }
    }

    /// The connection serves its site until this body is gone.
    pub fn hold(&mut self, serving: Arc<Serving>) {
        self.serving = Some(serving);
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.site.store(0, Ordering::SeqCst);
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = match &mut self.get_mut().content {
            Content::Whole(bytes) | Content::Unmeasured(bytes) if bytes.is_empty() => None,
            Content::Whole(bytes) | Content::Unmeasured(bytes) => Some(Ok(std::mem::take(bytes))),
            Content::Stream(pieces) => ready!(pieces.poll_recv(context)),
        };
        Poll::Ready(next.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Unmeasured(_) | Content::Stream(_) => SizeHint::default(),
        }
    }
}

/// The site that a connection is busy for.
#[derive(Default)]
pub struct Serving {
    /// 0 is none: the configuration starts at 1.
    site: AtomicU32,
}

impl Serving {
    pub fn begin(&self, site: u32) {
        self.site.store(site, Ordering::SeqCst);
    }

    pub fn is_for(&self, site: u32) -> bool {
        self.site.load(Ordering::SeqCst) == site
    }
}
