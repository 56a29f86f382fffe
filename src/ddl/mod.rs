//! The model as SQL text: one file per kind of object, pure.

pub mod acl;
