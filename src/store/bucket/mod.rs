//! Object storage: a bucket of S3 and what speaks its language, of Google Cloud Storage or of Azure.
//!
//! ```text
//! s3://BUCKET/PREFIX   gs://BUCKET/PREFIX   az://CONTAINER/PREFIX
//! ```
//!
//! Requests run on threads of their own, so that whoever writes or reads may block as with a disk. An
//! object appears when it is complete: nothing is written under another name first.

mod claim;
mod folder;
mod place;
mod read;
mod runtime;
mod staged;
mod upload;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{ClientConfigKey, ClientOptions};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::multipart::MultipartStore;
use object_store::{ObjectStore, RetryConfig};

pub use place::ObjectPlace;
pub(super) use staged::StagedObjects;
pub(super) use upload::SharedUpload;

use crate::error::{Error, ErrorKind, Result};

/// How long a request may take: a part of 16 MiB at 64 KB/s takes four minutes.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(600);

/// How long a request is repeated: longer than one over a slow line takes.
const RETRY_TIME_MAX: Duration = Duration::from_secs(900);

/// What parts are sent in. All parts of an upload have this size but the last, because some stores demand
/// it; with at most 10,000 parts an object has at most 160 GB.
pub(super) const PART_BYTES: usize = 16 << 20;

/// The names that URLs of object storage begin with.
const SCHEMES: [&str; 6] = ["s3", "s3a", "gs", "az", "azure", "abfs"];

/// Tells whether a text is the URL of a place in object storage.
pub fn is_object_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| SCHEMES.contains(&scheme))
}

/// How a bucket is reached: settings with the names that the clouds' own tools have for them, such as
/// `AWS_ACCESS_KEY_ID` or `AWS_ENDPOINT_URL_S3`.
#[derive(Clone, Default)]
pub struct BucketOptions {
    settings: Vec<(String, String)>,
}

impl BucketOptions {
    /// Takes over settings; names that mean nothing to a bucket's service are passed over.
    pub fn new(settings: impl IntoIterator<Item = (String, String)>) -> Self {
        BucketOptions { settings: settings.into_iter().collect() }
    }

    fn value(&self, name: &str) -> Option<&str> {
        let found = self.settings.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for BucketOptions {
    /// Names only: values are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.settings.iter().map(|(name, _)| name)).finish()
    }
}

/// A bucket, opened; cheap to clone.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) uploads: Arc<dyn MultipartStore>,
    /// `s3://BUCKET`.
    pub(super) url: String,
    /// The class in which objects are stored, unless it is the bucket's own.
    pub(super) storage_class: Option<String>,
}

impl Bucket {
    /// Makes what talks to a bucket; nothing is asked yet.
    fn open(scheme: &str, name: &str, options: &BucketOptions) -> Result<Self> {
        // Whoever was first has chosen the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = format!("{scheme}://{name}");
        let failed = |error: object_store::Error| {
            let text = redacted(&error);
            let what = format!("could not prepare the access to \"{url}\"");
            let failure = Error::new(ErrorKind::Usage, what);
            match hint(&error, &text, "", &url) {
                Some(hint) => failure.with_hint(hint).with_source(text),
                None => failure.with_source(text),
            }
        };
        let client = client(scheme, options);
        let (objects, uploads): (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>) = match scheme {
            "s3" | "s3a" => {
                let mut builder = AmazonS3Builder::new()
                    .with_bucket_name(name)
                    // The service compares it with what has arrived.
                    .with_checksum_algorithm(object_store::aws::Checksum::SHA256);
                for (key, value) in settings::<AmazonS3ConfigKey>(options) {
                    builder = builder.with_config(key, value);
                }
                if let Some(region) = options.value("AWS_DEFAULT_REGION") {
                    builder = builder.with_config(AmazonS3ConfigKey::Region, region);
                }
                if let Some(region) = options.value("AWS_REGION") {
                    builder = builder.with_config(AmazonS3ConfigKey::Region, region);
                }
                let builder = builder.with_retry(retry()).with_client_options(client);
                let store = Arc::new(builder.build().map_err(failed)?);
                (store.clone(), store)
            }
            "gs" => {
                let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(name);
                for (key, value) in settings::<GoogleConfigKey>(options) {
                    builder = builder.with_config(key, value);
                }
                let builder = builder.with_retry(retry()).with_client_options(client);
                let store = Arc::new(builder.build().map_err(failed)?);
                (store.clone(), store)
            }
            _ => {
                let mut builder = MicrosoftAzureBuilder::new().with_container_name(name);
                for (key, value) in settings::<AzureConfigKey>(options) {
                    builder = builder.with_config(key, value);
                }
                let builder = builder.with_retry(retry()).with_client_options(client);
                let store = Arc::new(builder.build().map_err(failed)?);
                (store.clone(), store)
            }
        };
        let storage_class = match scheme {
            "s3" | "s3a" => options.value("AWS_STORAGE_CLASS").map(str::to_owned),
            _ => None,
        };
        Ok(Bucket { objects, uploads, url, storage_class })
    }

    /// Returns what an object is called in messages.
    pub(super) fn shown(&self, path: &object_store::path::Path) -> PathBuf {
        PathBuf::from(format!("{}/{path}", self.url))
    }

    /// Returns the error of a request that failed.
    pub(super) fn failed(
        &self,
        what: &str,
        path: &object_store::path::Path,
        error: &object_store::Error,
    ) -> Error {
        let kind = match error {
            object_store::Error::NotFound { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Storage,
        };
        let shown = self.shown(path);
        let text = redacted(error);
        let failure = Error::new(kind, format!("could not {what} \"{}\"", shown.display()));
        let failure = match hint(error, &text, path.as_ref(), &self.url) {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        };
        failure.with_source(text)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.url)
    }
}

/// Returns the settings that a service knows.
fn settings<K: std::str::FromStr>(options: &BucketOptions) -> Vec<(K, &str)> {
    let known = options.settings.iter().filter_map(|(name, value)| {
        Some((name.to_ascii_lowercase().parse().ok()?, value.as_str()))
    });
    known.collect()
}

fn retry() -> RetryConfig {
    RetryConfig { retry_timeout: RETRY_TIME_MAX, ..RetryConfig::default() }
}

/// The names of an endpoint of S3.
const S3_ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

fn client(scheme: &str, options: &BucketOptions) -> ClientOptions {
    let mut client = ClientOptions::new();
    for (name, value) in &options.settings {
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("aws_").unwrap_or(&name);
        if let Ok(key) = name.parse::<ClientConfigKey>() {
            client = client.with_config(key, value);
        }
    }
    // Who names an endpoint without TLS wants it.
    let plain = |(name, value): &(String, String)| {
        name.to_ascii_lowercase().contains("endpoint") && value.starts_with("http://")
    };
    if options.settings.iter().any(plain) {
        client = client.with_allow_http(true);
    }
    let is_plain = |name: &&str| options.value(name).is_some_and(|url| url.starts_with("http://"));
    if scheme.starts_with("s3")
        && S3_ENDPOINTS.iter().any(is_plain)
        && options.value("AWS_WEB_IDENTITY_TOKEN_FILE").is_none()
    {
        // No request goes over TLS, and a container without certificates will do.
        client = client.with_no_system_certificates(true);
    }
    // A limit of silence would count from the first byte that is sent: a part takes minutes on a slow line.
    client.with_timeout(REQUEST_TIME_MAX).with_read_timeout(REQUEST_TIME_MAX)
}

/// Returns an error's text without what could be a secret in a URL.
fn redacted(error: &object_store::Error) -> String {
    let mut text = String::new();
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        let own = error.to_string();
        if !text.ends_with(&own) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&own);
        }
        source = error.source();
    }
    without_queries(&without_markup(&text))
}

/// Puts code and message of the answer of a service in the place of its markup.
fn without_markup(text: &str) -> String {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(content, _)| content)
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => {
            let before = text.split_once('<').map_or("", |(before, _)| before);
            format!("{}: {code}: {message}", before.trim_end().trim_end_matches(':'))
        }
        _ => text.to_owned(),
    }
}

/// Takes the query strings off the URLs in a text: signatures are there.
fn without_queries(text: &str) -> String {
    let mut out = String::new();
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            out.push(' ');
        }
        match word.split_once('?') {
            Some((address, query)) if address.contains("://") => {
                out.push_str(address);
                // What closes a bracket or a sentence belongs to the text.
                let end = query.trim_end_matches([')', ',', '"', ':', '.']).len();
                out.push_str("?...");
                out.push_str(&query[end..]);
            }
            _ => out.push_str(word),
        }
    }
    out
}

/// Returns what can be done about a failure.
fn hint(error: &object_store::Error, text: &str, key: &str, url: &str) -> Option<String> {
    use object_store::Error as E;
    if text.contains("InvalidObjectState") {
        let bucket = url.rsplit('/').next().unwrap_or_default();
        return Some(format!(
            "it is in cold storage; bring it back with: aws s3api restore-object --bucket {bucket} --key {key} --restore-request Days=7"
        ));
    }
    if text.contains("No CA certificates") {
        return Some("install the certificates of the system (ca-certificates), or name a file with them in SSL_CERT_FILE".to_owned());
    }
    if text.contains("Missing") && text.contains("AccessKeyId") {
        return Some("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned());
    }
    if text.contains("NoSuchBucket") {
        return Some(format!("create the bucket \"{url}\", or correct its name"));
    }
    match error {
        E::PermissionDenied { .. } => Some(
            "the credentials need the rights to list the bucket and to get, put and delete objects under the prefix, and to abort uploads"
                .to_owned(),
        ),
        E::Unauthenticated { .. } => {
            Some("the service refuses the credentials; are they the ones of this bucket, and is the clock right?".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_known_by_their_beginning() {
        assert!(is_object_url("s3://bucket/prefix") && is_object_url("az://container"));
        for other in ["/s3://x", "postgresql://host/db", "s3:/x", "S3"] {
            assert!(!is_object_url(other), "{other}");
        }
    }

    #[test]
    fn signatures_stay_out_of_messages() {
        let text = "error sending request (url: https://a.example/c/x?sv=2020&sig=secret): refused";
        let shown = "error sending request (url: https://a.example/c/x?...): refused";
        assert_eq!(without_queries(text), shown);
        assert_eq!(without_queries("really? yes"), "really? yes");
        let options =
            BucketOptions::new([("AWS_SECRET_ACCESS_KEY".to_owned(), "geheim".to_owned())]);
        assert!(!format!("{options:?}").contains("geheim"));
    }

    #[test]
    fn cold_storage_names_the_request_that_thaws_it() {
        let answer = "403 Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>InvalidObjectState</Code><Message>not now</Message></Error>";
        let error =
            object_store::Error::PermissionDenied { path: "a/b".to_owned(), source: answer.into() };
        let text = redacted(&error);
        assert!(text.ends_with("403 Forbidden: InvalidObjectState: not now"), "{text}");
        let hint = hint(&error, &text, "a/b", "s3://cold").expect("a hint");
        assert!(hint.contains("restore-object --bucket cold --key a/b"), "{hint}");
    }
}
