//! Judging a server's certificate as libpq does, and the hash of it that a login is bound to.
//!
//! Chains, dates and revocation are webpki's business. Three things differ from it here: the name is a
//! question of its own (`verify-ca` does not ask it), a certificate that is itself a trusted root is good
//! even if it is marked as an authority (PostgreSQL's manual tells people to make such ones), and a
//! certificate without alternative names is known by its common name.
//! Authority: `verify_cb`, `pgtls_verify_peer_name_matches_certificate_guts` and
//! `pgtls_get_peer_certificate_hash` in `src/interfaces/libpq/fe-secure-openssl.c` (18).

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, ServerName, TrustAnchor, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::error::{Error, ErrorKind, Result};

/// `id-at-commonName`.
const COMMON_NAME: &str = "2.5.4.3";

/// The rule by which a server's certificate is taken or not.
#[derive(Debug)]
pub(super) struct Verifier {
    chain: Option<Chain>,
    /// The name the certificate must carry.
    name: Option<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Chain {
    roots: Vec<CertificateDer<'static>>,
    webpki: Arc<WebPkiServerVerifier>,
}

impl Verifier {
    /// Takes any certificate; whoever presents it must still own its key.
    pub(super) fn trusting_everybody(provider: &CryptoProvider) -> Verifier {
        Verifier { chain: None, name: None, algorithms: provider.signature_verification_algorithms }
    }

    pub(super) fn new(
        provider: &Arc<CryptoProvider>,
        roots: Roots,
        revocation_lists: Vec<CertificateRevocationListDer<'static>>,
        name: Option<String>,
    ) -> Result<Verifier> {
        let Roots { certificates, anchors } = roots;
        let mut store = RootCertStore { roots: anchors };
        store.add_parsable_certificates(certificates.iter().cloned());
        if store.is_empty() {
            return Err(Error::new(
                ErrorKind::Connection,
                "none of the trusted root certificates can be used",
            ));
        }
        let webpki =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
                .with_crls(revocation_lists)
                .enforce_revocation_expiration()
                .build()
                .map_err(|error| {
                    Error::new(
                        ErrorKind::Connection,
                        "the certificate revocation lists cannot be used",
                    )
                    .with_source(error)
                })?;
        Ok(Verifier {
            chain: Some(Chain { roots: certificates, webpki }),
            name,
            algorithms: provider.signature_verification_algorithms,
        })
    }

    fn check_name(&self, end_entity: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let Some(name) = &self.name else { return Ok(()) };
        let judged = match ServerName::try_from(name.as_str()) {
            Ok(server_name) => {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, &server_name)
            }
            Err(_) => Err(CertificateError::NotValidForName.into()),
        };
        match judged {
            Err(error) if is_name_error(&error) => match common_name(end_entity, name) {
                Some(common_name) if name_matches(&common_name, name) => Ok(()),
                _ => Err(error),
            },
            judged => judged,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            Ok(_) => {}
            // webpki looks at the name last, so the chain is good.
            Err(error) if is_name_error(&error) => {}
            // Byte for byte a root: nothing but its dates can be wrong with it.
            Err(error) if chain.roots.iter().any(|root| root == end_entity) => {
                if matches!(
                    error,
                    rustls::Error::InvalidCertificate(
                        CertificateError::Revoked
                            | CertificateError::Expired
                            | CertificateError::NotValidYet
                    )
                ) {
                    return Err(error);
                }
                check_dates(end_entity, now)?;
            }
            Err(error) => return Err(error),
        }
        self.check_name(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn is_name_error(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let parsed = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Returns the common name, if the certificate has no alternative name that could stand for `host`.
fn common_name(certificate: &CertificateDer<'_>, host: &str) -> Option<String> {
    let parsed = Certificate::from_der(certificate).ok()?;
    let is_address = host.parse::<IpAddr>().is_ok();
    if let Ok(Some((_, SubjectAltName(names)))) = parsed.tbs_certificate.get::<SubjectAltName>()
        && names.iter().any(|name| match name {
            GeneralName::DnsName(_) => true,
            GeneralName::IpAddress(_) => is_address,
            _ => false,
        })
    {
        return None;
    }
    let subject = parsed.tbs_certificate.subject;
    let attribute = subject
        .0
        .iter()
        .flat_map(|name| name.0.iter())
        .find(|attribute| attribute.oid.to_string() == COMMON_NAME)?;
    // A zero byte inside is an old trick to make C programs see only half of the name.
    std::str::from_utf8(attribute.value.value())
        .ok()
        .filter(|name| !name.contains('\0'))
        .map(str::to_owned)
}

/// Compares a certificate's name with a host's; `*.` at its front stands for one label.
fn name_matches(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = pattern.strip_prefix('*').filter(|suffix| suffix.starts_with('.')) else {
        return false;
    };
    match host.split_once('.') {
        Some((label, _)) => !label.is_empty() && host[label.len()..].eq_ignore_ascii_case(suffix),
        None => false,
    }
}

/// What a chain may end in.
#[derive(Debug, Default)]
pub(super) struct Roots {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// Roots of which only name and key are known.
    pub(super) anchors: Vec<TrustAnchor<'static>>,
}

impl Roots {
    /// Returns the certificates that the system trusts, or Mozilla's where the system has none.
    ///
    /// A static binary in an empty container finds none, and there `system` is used most.
    pub(super) fn of_system() -> Roots {
        let certificates = rustls_native_certs::load_native_certs().certs;
        let anchors = if certificates.is_empty() {
            webpki_roots::TLS_SERVER_ROOTS.to_vec()
        } else {
            Vec::new()
        };
        Roots { certificates, anchors }
    }
}

/// Hashes a certificate for `tls-server-end-point` (RFC 5929); `None` where no hash is defined.
///
/// The hash is the one of the certificate's signature, except that MD5 and SHA-1 become SHA-256.
pub(super) fn end_point_hash(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = Certificate::from_der(certificate).ok()?;
    let algorithm = parsed.signature_algorithm;
    let mut oid = algorithm.oid.to_string();
    if oid == RSA_PSS {
        // The parameters begin with the hash: SEQUENCE { [0] SEQUENCE { hash oid ... } ... }; SHA-1 if absent.
        oid = pss_hash(
            algorithm.parameters.as_ref().map(|parameters| parameters.value()).unwrap_or_default(),
        );
    }
    Some(match oid.as_str() {
        // md5, sha1 with RSA; sha1 with ECDSA; the hash SHA-1 itself
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" | "1.3.14.3.2.26" => {
            Sha256::digest(certificate).to_vec()
        }
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" | "2.16.840.1.101.3.4.2.1" => {
            Sha256::digest(certificate).to_vec()
        }
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.2.2" => {
            Sha384::digest(certificate).to_vec()
        }
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.2.3" => {
            Sha512::digest(certificate).to_vec()
        }
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" | "2.16.840.1.101.3.4.2.4" => {
            Sha224::digest(certificate).to_vec()
        }
        _ => return None,
    })
}

/// `id-RSASSA-PSS`.
const RSA_PSS: &str = "1.2.840.113549.1.1.10";

/// Reads the hash's oid out of the content of RSASSA-PSS-params.
fn pss_hash(parameters: &[u8]) -> String {
    use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
    let sha1 = || "1.3.14.3.2.26".to_owned();
    let Some((0xa0, rest)) = parameters.split_first().map(|(tag, rest)| (*tag, rest)) else {
        return sha1();
    };
    // The context tag's length is one byte for every hash there is.
    let Some(sequence) =
        rest.split_first().and_then(|(length, rest)| rest.get(..usize::from(*length)))
    else {
        return sha1();
    };
    AnyRef::from_der(sequence)
        .ok()
        .and_then(|sequence| {
            let content = sequence.value();
            let length = usize::from(*content.get(1)?) + 2;
            ObjectIdentifier::from_der(content.get(..length)?).ok()
        })
        .map_or_else(sha1, |oid| oid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (pattern, host, expected) in [
            ("db.example.com", "DB.example.COM", true),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "example.com", false),
            ("*", "db", false),
            ("*com", "xcom", false),
            ("d*.example.com", "db.example.com", false),
        ] {
            assert_eq!(name_matches(pattern, host), expected, "{pattern} {host}");
        }
    }
}
