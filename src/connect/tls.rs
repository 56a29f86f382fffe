//! TLS the way libpq sets it up: modes, files, versions; and the handshake.
//!
//! Files are read when a connection is opened, as libpq does, because whether a root file exists decides
//! whether the server's certificate is checked at all.
//! Authority: `initialize_SSL` in `src/interfaces/libpq/fe-secure-openssl.c` (18).

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SignatureScheme, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::{self, Roots, Verifier};
use super::environment::Environment;
use super::keyword::{Settings, choice, invalid};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::text;

/// The protocol name that servers since 17 want to hear.
const ALPN: &[u8] = b"postgresql";

/// `sslmode`, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only if the server does not take us without.
    Allow,
    /// TLS if the server has it.
    Prefer,
    /// TLS; the certificate is checked only if there is a root file.
    Require,
    /// TLS, with a certificate that leads to a root we trust.
    VerifyCa,
    /// The same, and the certificate names the host we asked for.
    VerifyFull,
}

/// `sslcertmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CertificateMode {
    Disable,
    Allow,
    Require,
}

/// Where trust comes from.
#[derive(Debug, Clone)]
enum Root {
    /// The certificates the operating system trusts.
    System,
    /// A file, which may be missing.
    File(PathBuf),
    /// There is no home directory and no file was named.
    Nowhere,
}

/// Everything that was asked for about TLS.
#[derive(Debug, Clone)]
pub(super) struct TlsOptions {
    pub(super) mode: SslMode,
    /// `sslnegotiation=direct`: TLS from the first byte.
    pub(super) direct: bool,
    root: Root,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    crl: Option<PathBuf>,
    crl_directory: Option<PathBuf>,
    certificate_mode: CertificateMode,
    names_host: bool,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl TlsOptions {
    pub(super) fn from_settings(
        settings: &Settings,
        environment: &Environment,
    ) -> Result<TlsOptions> {
        let home =
            |name: &str| environment.home.as_ref().map(|home| home.join(".postgresql").join(name));
        let file = |key: &str, name: &str| settings.get(key).map(text::path).or_else(|| home(name));
        let root = match settings.get("sslrootcert") {
            Some("system") => Root::System,
            _ => file("sslrootcert", "root.crt").map_or(Root::Nowhere, Root::File),
        };
        let mode = choice(
            settings,
            "sslmode",
            &[
                ("disable", SslMode::Disable),
                ("allow", SslMode::Allow),
                ("prefer", SslMode::Prefer),
                ("require", SslMode::Require),
                ("verify-ca", SslMode::VerifyCa),
                ("verify-full", SslMode::VerifyFull),
            ],
        )?;
        let is_system = matches!(root, Root::System);
        let default = if is_system {
            SslMode::VerifyFull
        } else if environment.variable("PGREQUIRESSL").is_some_and(|value| value.starts_with('1')) {
            SslMode::Require
        } else {
            SslMode::Prefer
        };
        let mode = mode.unwrap_or(default);
        if is_system && mode != SslMode::VerifyFull {
            return Err(Error::new(
                ErrorKind::Usage,
                "sslrootcert=system trusts hundreds of authorities and is not accepted with a weaker sslmode than verify-full",
            ));
        }
        let direct = choice(settings, "sslnegotiation", &[("postgres", false), ("direct", true)])?
            .unwrap_or(false);
        if direct && mode < SslMode::Require {
            return Err(Error::new(
                ErrorKind::Usage,
                "sslnegotiation=direct is not accepted with an sslmode weaker than require",
            ));
        }
        let certificate_mode = choice(
            settings,
            "sslcertmode",
            &[
                ("disable", CertificateMode::Disable),
                ("allow", CertificateMode::Allow),
                ("require", CertificateMode::Require),
            ],
        )?;
        Ok(TlsOptions {
            mode,
            direct,
            root,
            certificate: file("sslcert", "postgresql.crt"),
            key: file("sslkey", "postgresql.key"),
            crl: file("sslcrl", "root.crl"),
            crl_directory: settings.get("sslcrldir").map(text::path),
            certificate_mode: certificate_mode.unwrap_or(CertificateMode::Allow),
            names_host: choice(settings, "sslsni", &[("0", false), ("1", true)])?.unwrap_or(true),
            versions: versions(settings)?,
        })
    }

    /// Reads the files and prepares handshakes with the server called `host`.
    pub(super) fn prepare(&self, host: &str) -> Result<Connector> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = self.verifier(&provider, host)?;
        let resolver = Arc::new(ClientCertificate {
            key: self.client_key(&provider)?,
            asked: AtomicBool::new(false),
        });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "could not set up TLS").with_source(error)
            })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::clone(&resolver) as Arc<dyn ResolvesClientCert>);
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A name that is no valid DNS name cannot be sent, nor is it needed: names are checked by `Verifier`.
        let name = ServerName::try_from(host.to_owned()).ok();
        config.enable_sni = self.names_host && matches!(name, Some(ServerName::DnsName(_)));
        let name =
            name.unwrap_or(ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into()));
        Ok(Connector {
            config: Arc::new(config),
            name,
            resolver,
            wants_alpn: self.direct,
            certificate_mode: self.certificate_mode,
        })
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>, host: &str) -> Result<Verifier> {
        let name = (self.mode == SslMode::VerifyFull).then(|| host.to_owned());
        if name.as_deref() == Some("") {
            return Err(Error::new(
                ErrorKind::Usage,
                "sslmode=verify-full needs the name of the host, not only its address",
            ));
        }
        let roots = match &self.root {
            Root::System => Roots::of_system(),
            Root::File(path) if path.exists() => Roots {
                certificates: read_certificates(path, "root certificate")?,
                ..Roots::default()
            },
            Root::File(path) if self.mode >= SslMode::VerifyCa => {
                return Err(Error::new(
                    ErrorKind::Connection,
                    format!("the root certificate file {} does not exist, so the server cannot be verified", path.display()),
                )
                .with_hint("name the authority's certificate with sslrootcert=FILE, or use sslrootcert=system"));
            }
            Root::Nowhere if self.mode >= SslMode::VerifyCa => {
                return Err(Error::new(ErrorKind::Connection, "there is no root certificate file to verify the server with")
                    .with_hint("name the authority's certificate with sslrootcert=FILE, or use sslrootcert=system"));
            }
            Root::File(_) | Root::Nowhere => return Ok(Verifier::trusting_everybody(provider)),
        };
        Verifier::new(provider, roots, self.revocation_lists()?, name)
    }

    /// As in libpq a revocation list that is not there is none.
    fn revocation_lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>> {
        let mut paths: Vec<PathBuf> = self.crl.iter().cloned().collect();
        if let Some(directory) = &self.crl_directory
            && let Ok(entries) = std::fs::read_dir(directory)
        {
            paths.extend(entries.flatten().map(|entry| entry.path()));
        }
        let mut lists = Vec::new();
        for path in paths.iter().filter(|path| path.is_file()) {
            let read = CertificateRevocationListDer::pem_file_iter(path)
                .and_then(|items| items.collect::<Result<Vec<_>, _>>());
            lists.extend(
                read.map_err(|error| unreadable(path, "certificate revocation list", error))?,
            );
        }
        Ok(lists)
    }

    fn client_key(&self, provider: &CryptoProvider) -> Result<Option<Arc<CertifiedKey>>> {
        let (Some(path), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        if self.certificate_mode == CertificateMode::Disable || !path.exists() {
            return Ok(None);
        }
        let chain = read_certificates(path, "client certificate")?;
        let key = provider.key_provider.load_private_key(read_key(key)?).map_err(|error| {
            Error::new(
                ErrorKind::Connection,
                format!("the private key {} cannot be used", key.display()),
            )
            .with_source(error)
        })?;
        let certified = CertifiedKey::new(chain, key);
        // A key whose public half is not known cannot be compared; the server will.
        if let Err(error @ rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) =
            certified.keys_match()
        {
            return Err(Error::new(
                ErrorKind::Connection,
                format!(
                    "the private key does not belong to the client certificate {}",
                    path.display()
                ),
            )
            .with_source(error));
        }
        Ok(Some(Arc::new(certified)))
    }
}

/// Works out which versions lie between `ssl_min_protocol_version` and `ssl_max_protocol_version`.
fn versions(settings: &Settings) -> Result<Vec<&'static SupportedProtocolVersion>> {
    // libpq compares these without regard to case.
    let known = [("tlsv1", 10), ("tlsv1.1", 11), ("tlsv1.2", 12), ("tlsv1.3", 13)];
    let version = |name: &str| match settings.get(name) {
        None => Ok(None),
        Some(text) => match known.iter().find(|(known, _)| text.eq_ignore_ascii_case(known)) {
            Some((_, version)) => Ok(Some(*version)),
            None => Err(invalid(settings, name, "one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3")),
        },
    };
    let minimum = version("ssl_min_protocol_version")?.unwrap_or(12);
    let maximum = version("ssl_max_protocol_version")?.unwrap_or(13);
    let versions: Vec<_> = [(12, &TLS12), (13, &TLS13)]
        .into_iter()
        .filter(|(version, _)| (minimum..=maximum).contains(version))
        .map(|(_, version)| version)
        .collect();
    if minimum > maximum {
        return Err(Error::new(
            ErrorKind::Usage,
            "ssl_min_protocol_version is above ssl_max_protocol_version",
        ));
    }
    if versions.is_empty() {
        return Err(Error::new(
            ErrorKind::Usage,
            "pgark speaks TLS 1.2 and 1.3, and ssl_max_protocol_version allows neither",
        ));
    }
    Ok(versions)
}

fn read_certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read =
        CertificateDer::pem_file_iter(path).and_then(|items| items.collect::<Result<Vec<_>, _>>());
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(unreadable(path, what, pem::Error::NoItemsFound))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unreadable(path, what, error)),
    }
}

fn unreadable(path: &Path, what: &str, error: pem::Error) -> Error {
    Error::new(ErrorKind::Connection, format!("could not read the {what} file {}", path.display()))
        .with_source(error)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let failed = |what: &str| {
        Error::new(ErrorKind::Connection, format!("the private key file {} {what}", path.display()))
    };
    if path.to_str().is_some_and(|text| text.starts_with("engine:")) {
        return Err(failed("names an OpenSSL engine, and pgark has no OpenSSL"));
    }
    let metadata =
        std::fs::metadata(path).map_err(|error| failed("cannot be read").with_source(error))?;
    if !metadata.is_file() {
        return Err(failed("is not a plain file"));
    }
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        return Err(failed("can be read by others").with_hint(
            "its permissions must be 0600 or less, or 0640 or less if it belongs to root",
        ));
    }
    let bytes = zeroize::Zeroizing::new(
        std::fs::read(path).map_err(|error| failed("cannot be read").with_source(error))?,
    );
    let text = String::from_utf8_lossy(&bytes);
    if text.contains("ENCRYPTED") {
        return Err(failed("is encrypted, which pgark cannot undo")
            .with_hint("\"openssl pkey\" writes it without a passphrase"));
    }
    if text.contains("-----BEGIN") {
        return PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|error| failed("holds no usable key").with_source(error));
    }
    PrivateKeyDer::try_from(bytes.to_vec()).map_err(|_| failed("holds no usable key"))
}

/// Our certificate, and whether the server wanted to see one.
#[derive(Debug)]
struct ClientCertificate {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(
        &self,
        _root_hints: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Release);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

/// Prepared handshakes with one server.
#[derive(Clone)]
pub(super) struct Connector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    resolver: Arc<ClientCertificate>,
    wants_alpn: bool,
    certificate_mode: CertificateMode,
}

impl Connector {
    /// Performs the handshake; returns the stream and what a login can be bound to.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
    ) -> io::Result<(Box<TlsStream<TcpStream>>, Vec<u8>)> {
        let stream =
            TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), stream).await?;
        let (_, connection) = stream.get_ref();
        if self.wants_alpn && connection.alpn_protocol() != Some(ALPN) {
            return Err(io::Error::other(
                "the server did not confirm that it speaks PostgreSQL's protocol (ALPN)",
            ));
        }
        if self.certificate_mode == CertificateMode::Require {
            if !self.resolver.asked.load(Ordering::Acquire) {
                return Err(io::Error::other(
                    "sslcertmode=require, and the server did not ask for a certificate",
                ));
            }
            if self.resolver.key.is_none() {
                return Err(io::Error::other(
                    "sslcertmode=require, and there is no client certificate",
                ));
            }
        }
        let end_point = connection
            .peer_certificates()
            .and_then(|certificates| certificates.first())
            .and_then(|certificate| certificate::end_point_hash(certificate))
            .unwrap_or_default();
        Ok((Box::new(stream), end_point))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("name", &self.name).finish_non_exhaustive()
    }
}
