//! Integration tests: one binary, so that it links once; every file of the folder is listed here.

mod support;

mod archive;
mod cli;
mod clone;
mod cluster;
mod compat;
mod connect;
mod dump;
mod harness;
mod inspect;
mod licences;
mod managed;
mod objects;
mod readme;
mod restore;
mod shape;
mod vault;
mod verify;
