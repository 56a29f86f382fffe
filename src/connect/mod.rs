//! One conversation with a server: parameters, TLS, login, queries, COPY, cancel.
