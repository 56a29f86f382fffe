//! Which ways of logging in are acceptable, and which pgark can do.
//!
//! Judged on the server's authentication request, before anything of ours is sent.
//! Authority: `check_expected_areq` and `pg_SASL_init` in `src/interfaces/libpq/fe-auth.c`, and the parsing
//! of `require_auth` in `src/interfaces/libpq/fe-connect.c` (18).

use std::fmt;

use super::keyword::{Settings, invalid};
use super::rows::Reader;
use crate::error::Result;

/// A way of logging in, as `require_auth` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// The server asks for nothing: trust, peer, ident, certificate.
    None,
    Password,
    Md5,
    Gss,
    Sspi,
    Scram,
    Oauth,
}

const METHODS: [(Method, &str); 7] = [
    (Method::None, "none"),
    (Method::Password, "password"),
    (Method::Md5, "md5"),
    (Method::Gss, "gss"),
    (Method::Sspi, "sspi"),
    (Method::Scram, "scram-sha-256"),
    (Method::Oauth, "oauth"),
];

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = METHODS.iter().find(|(method, _)| method == self).map_or("", |(_, name)| *name);
        f.write_str(name)
    }
}

/// `require_auth`: the methods that are accepted.
#[derive(Debug, Clone, Default)]
pub(super) struct RequiredAuthentication {
    /// `None` accepts everything.
    accepted: Option<Vec<Method>>,
    text: String,
}

impl RequiredAuthentication {
    pub(super) fn from_settings(settings: &Settings) -> Result<Self> {
        const NAME: &str = "require_auth";
        let Some(text) = settings.get(NAME) else { return Ok(Self::default()) };
        let words: Vec<&str> = text.split(',').map(str::trim).collect();
        let negated = words[0].starts_with('!');
        let mut named: Vec<Method> = Vec::new();
        for word in words {
            let name = match (word.strip_prefix('!'), negated) {
                (Some(name), true) => name,
                (None, false) => word,
                _ => {
                    return Err(invalid(
                        settings,
                        NAME,
                        "either a list of methods or one of methods with \"!\"",
                    ));
                }
            };
            let Some((method, _)) = METHODS.iter().find(|(_, known)| *known == name) else {
                return Err(invalid(
                    settings,
                    NAME,
                    "a list of none, password, md5, gss, sspi, scram-sha-256, oauth",
                ));
            };
            if named.contains(method) {
                return Err(invalid(settings, NAME, "a list without repetitions"));
            }
            named.push(*method);
        }
        let accepted = METHODS
            .iter()
            .map(|(method, _)| *method)
            .filter(|method| named.contains(method) != negated)
            .collect();
        Ok(RequiredAuthentication { accepted: Some(accepted), text: text.to_owned() })
    }

    fn accepts(&self, method: Method) -> bool {
        self.accepted.as_ref().is_none_or(|accepted| accepted.contains(&method))
    }
}

/// Follows the authentication requests of one login.
#[derive(Debug, Default)]
pub(super) struct Watch {
    required: RequiredAuthentication,
    has_password: bool,
    asked: bool,
    /// The server wants a password and there is none.
    pub(super) password_missing: bool,
}

impl Watch {
    pub(super) fn new(required: RequiredAuthentication, has_password: bool) -> Self {
        Watch { required, has_password, ..Watch::default() }
    }

    /// Tells whether the server has asked who we are.
    pub(super) fn was_asked(&self) -> bool {
        self.asked
    }

    /// Judges the body of an authentication message; the error text says why the login must end here.
    pub(super) fn judge(&mut self, body: &[u8]) -> Result<(), String> {
        let mut body = Reader(body);
        let code = body.i32().unwrap_or(-1);
        let method = match code {
            0 if self.asked => return Ok(()),
            0 => Method::None,
            3 => Method::Password,
            5 => Method::Md5,
            7 | 8 => Method::Gss,
            9 => Method::Sspi,
            10 => {
                let mechanisms: Vec<&[u8]> = std::iter::from_fn(|| body.cstr())
                    .take_while(|mechanism| !mechanism.is_empty())
                    .collect();
                match mechanisms.iter().any(|mechanism| mechanism.starts_with(b"SCRAM-SHA-256")) {
                    true => Method::Scram,
                    false if mechanisms.contains(&b"OAUTHBEARER".as_slice()) => Method::Oauth,
                    false => return Err(unsupported("an unknown SASL mechanism")),
                }
            }
            // Later steps of a SASL exchange that was accepted.
            11 | 12 => return Ok(()),
            2 => return Err(unsupported("Kerberos 5")),
            6 => return Err(unsupported("SCM credentials")),
            other => return Err(unsupported(&format!("authentication method {other}"))),
        };
        self.asked |= method != Method::None;
        if !self.required.accepts(method) {
            let wanted = if method == Method::None {
                "no authentication".to_owned()
            } else {
                format!("{method} authentication")
            };
            return Err(format!(
                "require_auth={} does not allow it, and the server requires {wanted}",
                self.required.text
            ));
        }
        match method {
            Method::Gss => Err(unsupported("GSSAPI (Kerberos)")),
            Method::Sspi => Err(unsupported("SSPI")),
            Method::Oauth => Err(unsupported("OAuth")),
            Method::None => Ok(()),
            Method::Password | Method::Md5 | Method::Scram if self.has_password => Ok(()),
            Method::Password | Method::Md5 | Method::Scram => {
                self.password_missing = true;
                Err("the server asks for a password, and none was given".to_owned())
            }
        }
    }
}

fn unsupported(method: &str) -> String {
    format!("the server wants {method}, which pgark cannot do")
}

#[cfg(test)]
mod tests {
    use super::super::keyword::Origin;
    use super::*;

    fn required(text: &str) -> Result<RequiredAuthentication> {
        let mut settings = Settings::default();
        settings.set("require_auth", text, Origin::Option)?;
        RequiredAuthentication::from_settings(&settings)
    }

    fn judge(required_text: &str, code: i32, rest: &[u8]) -> Result<(), String> {
        let mut body = code.to_be_bytes().to_vec();
        body.extend_from_slice(rest);
        Watch::new(required(required_text).expect("list"), true).judge(&body)
    }

    #[test]
    fn required_methods_are_enforced_before_a_password_is_sent() {
        assert!(judge("", 3, b"").is_ok());
        assert!(judge("scram-sha-256", 10, b"SCRAM-SHA-256\0\0").is_ok());
        assert!(judge("scram-sha-256", 3, b"").is_err());
        assert!(judge("scram-sha-256,md5", 5, b"salt").is_ok());
        assert!(judge("!password", 3, b"").is_err());
        assert!(judge("!password,!md5", 10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0").is_ok());
        assert!(judge("!none", 0, b"").is_err());
        assert!(judge("none", 0, b"").is_ok());
    }

    #[test]
    fn what_pgark_cannot_do_is_named() {
        assert!(judge("", 7, b"").expect_err("gss").contains("GSSAPI"));
        assert!(judge("", 9, b"").expect_err("sspi").contains("SSPI"));
        assert!(judge("", 10, b"OAUTHBEARER\0\0").expect_err("oauth").contains("OAuth"));
    }

    #[test]
    fn lists_are_checked() {
        for text in ["scram", "md5,!password", "!md5,password", "md5,md5", ","] {
            assert!(required(text).is_err(), "{text}");
        }
    }
}
