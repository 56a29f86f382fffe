//! One conversation with a server: parameters, TLS, login, queries, COPY, cancel.
//!
//! [`ConnectParams::resolve`] does what libpq does with options, connection strings, files and
//! environment; [`Session::connect`] logs in; a [`Session`] asks. Rows and COPY data are text as the
//! server prints it; nothing here knows what the statements mean.

mod attempt;
mod authentication;
mod cancel;
mod certificate;
mod conninfo;
mod copy;
mod driver;
mod endpoint;
mod environment;
mod failure;
mod keyword;
mod libpq_words;
mod login;
mod outgoing;
mod params;
mod passfile;
mod pooler;
mod rows;
mod secret;
mod server_error;
mod service;
mod session;
mod tls;
mod wire;

pub use cancel::Canceller;
pub use conninfo::is_connection_string;
pub use copy::{CopyIn, CopyOut, SentCopy};
pub use environment::Environment;
pub use failure::needs_password;
pub use params::{ConnectParams, ConnectRequest};
pub use rows::{Row, Rows, RowsIter};
pub use secret::Secret;
pub use server_error::{ServerError, is_connection_lost, server_error, sqlstate};
pub use session::{Asked, Sent, Session, TransactionStatus};
