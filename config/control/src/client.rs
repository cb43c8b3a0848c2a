//! The command line's end of a control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::http::request::Builder;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::Program;

/// For the whole question; longer than the daemon's own deadline.
const PATIENCE: Duration = Duration::from_secs(8);
/// The longest answer that is read, bytes.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why there is no answer. Each names the socket and what to do.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No such file.
    #[error(
        "the daemon is not running: there is no socket {path}; start it with \
         `{start} --socket {path}`, or name its socket with --socket"
    )]
    Absent {
        /// Which socket.
        path: PathBuf,
        /// How it is started.
        start: &'static str,
    },
    /// The file is there, nobody listens.
    #[error(
        "the daemon is not running: nobody answers on {path}; its log says why it ended, \
         `{start} --socket {path}` starts it again"
    )]
    Dead {
        /// Which socket.
        path: PathBuf,
        /// How it is started.
        start: &'static str,
    },
    /// EACCES.
    #[error("not allowed to open {0}: ask as root")]
    Forbidden(PathBuf),
    /// Nothing came in time.
    #[error("the daemon does not answer on {0} within 8 s; see its log")]
    Silent(PathBuf),
    /// The order cannot be carried out; the daemon says why.
    #[error("{0}")]
    Rejected(String),
    /// An answer that is none to this question.
    #[error("{program} on {path} answered {status}: {text}")]
    Refused {
        /// Who.
        program: &'static str,
        /// Which socket.
        path: PathBuf,
        /// HTTP.
        status: StatusCode,
        /// The answer's body.
        text: String,
    },
    /// The answer cannot be understood.
    #[error("the answer on {path} is not one of this version of {program}: {source}")]
    Foreign {
        /// Who.
        program: &'static str,
        /// Which socket.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// Anything else.
    #[error("cannot ask {program} on {path}: {text}")]
    Other {
        /// Who.
        program: &'static str,
        /// Which socket.
        path: PathBuf,
        /// What went wrong.
        text: String,
    },
}

impl AskError {
    /// Whether there is no daemon at the socket.
    #[must_use]
    pub fn is_no_daemon(&self) -> bool {
        matches!(self, Self::Absent { .. } | Self::Dead { .. })
    }

    /// Whether another try may be answered: there is no daemon, or it ended while it was asked.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let stopping = matches!(self, Self::Refused { status, .. } if status.is_server_error());
        self.is_no_daemon() || stopping || matches!(self, Self::Silent(_) | Self::Other { .. })
    }
}

/// A daemon at a socket.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    program: Program,
    path: &'a Path,
}

impl<'a> Client<'a> {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(program: Program, path: &'a Path) -> Self {
        Self { program, path }
    }

    /// What is at `uri`, as it came.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn get(self, uri: &str) -> Result<Bytes, AskError> {
        self.ask(Request::get(uri), Bytes::new()).await
    }

    /// Sends `body` as JSON to `uri`; what comes back, as it came.
    ///
    /// # Errors
    /// [`AskError`]; [`AskError::Rejected`] with what the daemon has against it.
    pub async fn post<T: Serialize>(self, uri: &str, body: &T) -> Result<Bytes, AskError> {
        let body = serde_json::to_vec(body).map_err(|error| self.other(&error))?;
        let request = Request::post(uri).header(CONTENT_TYPE, "application/json");
        self.ask(request, body.into()).await
    }

    /// An answer in JSON, understood.
    ///
    /// # Errors
    /// [`AskError::Foreign`].
    pub fn read<T: DeserializeOwned>(self, answer: &[u8]) -> Result<T, AskError> {
        serde_json::from_slice(answer).map_err(|source| AskError::Foreign {
            program: self.program.name,
            path: self.path.to_owned(),
            source,
        })
    }

    async fn ask(self, request: Builder, body: Bytes) -> Result<Bytes, AskError> {
        match timeout(PATIENCE, self.exchange(request, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(AskError::Silent(self.path.to_owned())),
        }
    }

    async fn exchange(self, request: Builder, body: Bytes) -> Result<Bytes, AskError> {
        let stream = UnixStream::connect(self.path)
            .await
            .map_err(|error| self.connect_error(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.other(&error))?;
        let request = request
            .header(HOST, self.program.name)
            .body(Full::new(body))
            .map_err(|error| self.other(&error))?;
        let exchange = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| self.other(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| self.other(&error))?;
            self.judged(status, body.to_bytes())
        };
        tokio::pin!(exchange);
        // The connection moves the bytes; when it ends, the answer is there or an error is.
        tokio::select! {
            answer = &mut exchange => answer,
            _ = connection => exchange.await,
        }
    }

    fn judged(self, status: StatusCode, body: Bytes) -> Result<Bytes, AskError> {
        if status == StatusCode::OK {
            return Ok(body);
        }
        let text = String::from_utf8_lossy(&body).trim_end().to_owned();
        match status {
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::CONFLICT => {
                Err(AskError::Rejected(text))
            }
            status => Err(AskError::Refused {
                program: self.program.name,
                path: self.path.to_owned(),
                status,
                text,
            }),
        }
    }

    fn connect_error(self, error: &io::Error) -> AskError {
        let (path, start) = (self.path.to_owned(), self.program.start);
        match error.kind() {
            io::ErrorKind::NotFound => AskError::Absent { path, start },
            io::ErrorKind::ConnectionRefused => AskError::Dead { path, start },
            io::ErrorKind::PermissionDenied => AskError::Forbidden(path),
            _ => self.other(error),
        }
    }

    fn other(self, error: &dyn std::fmt::Display) -> AskError {
        AskError::Other {
            program: self.program.name,
            path: self.path.to_owned(),
            text: error.to_string(),
        }
    }
}
