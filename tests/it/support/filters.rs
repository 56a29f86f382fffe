//! Patterns for insta that replace what changes from run to run.

/// Pattern and replacement, in the order in which they apply.
pub(crate) const ALL: &[(&str, &str)] = &[
    (r"\d{8}T\d{6}Z", "[STAMP]"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?UTC|Z|[+-]\d\d(:?\d\d)?)?", "[TIME]"),
    (r"/tmp/pgark-server-[A-Za-z0-9]+", "[SOCKET]"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
    (r"port \d{4,5}", "port [PORT]"),
    (r"\b[0-9]+(\.[0-9]+)? ?(ms|s|min)\b", "[DURATION]"),
    (r"\b[0-9]+(\.[0-9]+)? ?([KMGT]i?B|B)(/s)?\b", "[SIZE]"),
    (r"\b(oid|OID) \d+", "oid [OID]"),
    (r"[0-9A-F]{1,8}/[0-9A-F]{6,8}\b", "[LSN]"),
    (r"\b[0-9a-f]{64}\b", "[SHA256]"),
];
