//! A server's catalogs into the model: one file per kind of object, one query per catalog.
