//! HTTP requests in, answers out: a static file if the path names one, else a FastCGI process.

use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::oneshot;

use super::body::{Body, Ticket};
use super::event::Listener;
use super::exchange::{Answer, Exchange, Failure};
use super::files::Files;
use super::params::{Connection, params};
use super::processes::Processes;
use super::{Served, pages, record};

/// A site being served.
pub struct Site {
    pub served: Arc<Served>,
    pub files: Files,
    pub processes: Processes,
    pub listener: Listener,
}

impl Site {
    pub async fn answer(&self, connection: Connection, request: Request<Incoming>) -> Response<Body> {
        let mut ticket = Ticket::new(&self.listener, &request);
        let (parts, body) = request.into_parts();
        let response = match parts.method {
            // There is no way through to other hosts.
            Method::CONNECT => pages::page(StatusCode::METHOD_NOT_ALLOWED, "This server is no proxy."),
            _ => match self.files.answer(&parts).await {
                Some(response) => response,
                None => self.pass_on(&parts, body, connection).await,
            },
        };
        ticket.status = Some(response.status().as_u16());
        response.map(|body| body.counted(ticket))
    }

    async fn pass_on(&self, parts: &Parts, body: Incoming, connection: Connection) -> Response<Body> {
        let begin = record::begin(&params(parts, connection, &self.served.www));
        let mut body = Some(body).filter(|body| !body.is_end_stream());
        // What has no body and is safe to repeat may meet two dying processes, and is asked for twice.
        let is_safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let mut tries = if is_safe && body.is_none() { 2 } else { 1 };
        loop {
            let lease = match self.processes.lease().await {
                Ok(lease) => lease,
                Err(reason) => return pages::no_process(reason),
            };
            let exchange = Exchange {
                begin: begin.clone(),
                body: body.take(),
                is_head: parts.method == Method::HEAD,
                patience: self.served.patience,
                listener: self.listener.clone(),
            };
            let (sender, answer) = oneshot::channel();
            tokio::spawn(exchange.run(lease, sender));
            tries -= 1;
            match answer.await.unwrap_or(Err(Failure::Ended)) {
                Ok(answer) => return respond(answer),
                Err(Failure::Ended) if tries > 0 => {}
                Err(failure) => return pages::failed(&failure),
            }
        }
    }
}

fn respond((head, pieces): Answer) -> Response<Body> {
    let mut response = Response::new(pieces.map_or_else(Body::empty, |pieces| Body::stream(pieces, None)));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}
