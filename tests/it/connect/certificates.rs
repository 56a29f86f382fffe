//! Authorities and certificates made on the fly.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    SignatureAlgorithm,
};

/// Somebody who signs certificates.
pub(super) struct Authority {
    /// Its own certificate, PEM.
    pub(super) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Authority {
        let key = KeyPair::generate().expect("key");
        let params = authority_params(name);
        let certificate = params.self_signed(&key).expect("certificate").pem();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// Issues a certificate for host names; its common name says nothing.
    pub(super) fn issue(&self, names: &[&str]) -> Identity {
        self.issue_with(names, "unimportant", 1, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    /// Issues a certificate with a common name alone.
    pub(super) fn issue_common_name(&self, name: &str) -> Identity {
        self.issue_with(&[], name, 1, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub(super) fn issue_with(
        &self,
        names: &[&str],
        common_name: &str,
        serial: u64,
        algorithm: &'static SignatureAlgorithm,
    ) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name = distinguished_name(common_name);
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate_for(algorithm).expect("key");
        let certificate = params.signed_by(&key, &self.issuer).expect("certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// Issues a list that revokes the certificates with these serial numbers.
    pub(super) fn revoke(&self, serials: &[u64]) -> String {
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(*serial),
                    revocation_time: rcgen::date_time_ymd(2020, 1, 1),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("list").pem().expect("pem")
    }
}

/// Makes what PostgreSQL's manual tells people to make: one certificate that is server and root at once.
pub(super) fn self_signed(name: &str) -> Identity {
    let key = KeyPair::generate().expect("key");
    let mut params = authority_params(name);
    params.subject_alt_names =
        CertificateParams::new(vec![name.to_owned()]).expect("name").subject_alt_names;
    let certificate = params.self_signed(&key).expect("certificate").pem();
    Identity { certificate, key: key.serialize_pem() }
}

/// Makes a self-signed certificate of a kind that rcgen cannot make; `arguments` follow `-newkey`.
pub(super) fn made_by_openssl(arguments: &str) -> Option<Identity> {
    let directory = tempfile::tempdir().expect("directory");
    let path = |name: &str| directory.path().join(name);
    let output = std::process::Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .arg("-keyout")
        .arg(path("key"))
        .arg("-out")
        .arg(path("certificate"))
        .arg("-newkey")
        .args(arguments.split(' '))
        .output();
    let Ok(output) = output else {
        crate::support::missing("certificates with RSA and Ed25519: openssl is not installed");
        return None;
    };
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(path(name)).expect("openssl wrote it");
    Some(Identity { certificate: read("certificate"), key: read("key") })
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name = distinguished_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}
