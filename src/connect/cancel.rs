//! Asking the server to stop what a session is doing, over a connection of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::endpoint::{Encryption, Endpoint};
use crate::error::{Error, ErrorKind, Result};

/// A cancel request that has not been taken by then will not be.
const DEADLINE: Duration = Duration::from_secs(10);

/// Cancels the statement that one session is running; may be kept and used anywhere.
#[derive(Clone)]
pub struct Canceller {
    endpoint: Arc<Endpoint>,
    encryption: Encryption,
    process_id: i32,
    secret_key: i32,
}

impl Canceller {
    pub(super) fn new(
        endpoint: Endpoint,
        encryption: Encryption,
        process_id: i32,
        secret_key: i32,
    ) -> Self {
        Canceller { endpoint: Arc::new(endpoint), encryption, process_id, secret_key }
    }

    /// Sends the request, with TLS if the session uses TLS.
    ///
    /// The server gives no answer: success means that it has read the request and hung up. Whether the
    /// statement was still running shows in its own result.
    pub async fn cancel(&self) -> Result<()> {
        let attempt = async {
            let opened = self.endpoint.open(&self.encryption).await;
            let mut wire = opened.map_err(|failure| failure.into_cancel_error(self.error()))?.wire;
            let mut request = BytesMut::new();
            frontend::cancel_request(self.process_id, self.secret_key, &mut request);
            let sent: std::io::Result<()> = async {
                wire.write_all(&request).await?;
                wire.flush().await
            }
            .await;
            sent.map_err(|error| self.error().with_source(error))?;
            // The server closes the connection when it has passed the signal on; how it does is of no interest.
            let _ = wire.read(&mut [0; 1]).await;
            Ok(())
        };
        tokio::time::timeout(DEADLINE, attempt).await.map_err(|_| self.error())?
    }

    fn error(&self) -> Error {
        Error::new(
            ErrorKind::Connection,
            format!("could not send a cancel request to {}", self.endpoint),
        )
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller").field("process_id", &self.process_id).finish_non_exhaustive()
    }
}
