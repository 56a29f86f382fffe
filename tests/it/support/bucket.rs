//! An S3 server in the test process, over a folder; it can be told to fail.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpResponse};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const KEY: &str = "pgark-test";
const SECRET: &str = "geheim-9f3c";

/// What the server does with a request before it answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Answers it with this status.
    Status(u16),
    /// Takes it in and ends the connection without an answer.
    Silence,
}

type Rule = Box<dyn Fn(&str, &str) -> Option<Trouble> + Send + Sync>;

/// An S3 server with one bucket; it ends with the value.
pub(crate) struct TestBucket {
    folder: TempDir,
    endpoint: String,
    rule: Arc<Mutex<Option<Rule>>>,
    requests: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl TestBucket {
    /// Starts it.
    pub(crate) fn start() -> TestBucket {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("backups")).expect("a bucket");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let files = FileSystem::new(folder.path()).expect("a file system");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let rule: Arc<Mutex<Option<Rule>>> = Arc::default();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        runtime.spawn(serve(listener, service, Arc::clone(&rule), Arc::clone(&requests)));
        TestBucket { folder, endpoint, rule, requests, _runtime: runtime }
    }

    /// Returns the URL of a prefix.
    pub(crate) fn url(&self, prefix: &str) -> String {
        format!("s3://backups/{prefix}")
    }

    /// Returns the variables that a command needs to reach it.
    pub(crate) fn variables(&self) -> Vec<(&str, &str)> {
        vec![
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_S3", &self.endpoint),
        ]
    }

    /// Returns where an object lies on the server's disk.
    pub(crate) fn object(&self, key: &str) -> PathBuf {
        self.folder.path().join("backups").join(key)
    }

    /// Returns the names of all objects.
    pub(crate) fn objects(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, names: &mut Vec<String>) {
            for item in std::fs::read_dir(folder).expect("lists") {
                let path = item.expect("an item").path();
                match path.is_dir() {
                    true => walk(&path, root, names),
                    false => {
                        let name = path.strip_prefix(root).expect("inside");
                        names.push(name.display().to_string());
                    }
                }
            }
        }
        let root = self.folder.path().join("backups");
        let mut names = Vec::new();
        walk(&root, &root, &mut names);
        names.sort();
        names
    }

    /// Returns the uploads that nobody has ended.
    pub(crate) fn open_uploads(&self) -> Vec<String> {
        let listing = std::fs::read_dir(self.folder.path()).expect("lists");
        let names = listing.map(|item| item.expect("an item").file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name.contains("upload")).collect()
    }

    /// Gives the requests that come from now on a rule: method and path tell what happens to one.
    pub(crate) fn when(
        &self,
        rule: impl Fn(&str, &str) -> Option<Trouble> + Send + Sync + 'static,
    ) {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(rule));
    }

    /// Forgets the rule and returns the requests that came since the last time, as `METHOD /path?query`.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = None;
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve(
    listener: TcpListener,
    service: S3Service,
    rule: Arc<Mutex<Option<Rule>>>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    while let Ok((socket, _)) = listener.accept().await {
        let (service, rule, requests) = (service.clone(), Arc::clone(&rule), Arc::clone(&requests));
        let answer = service_fn(move |request: hyper::Request<Incoming>| {
            let method = request.method().to_string();
            let target = request.uri().path_and_query().map_or("", |target| target.as_str());
            let target = target.to_owned();
            let trouble = {
                let rule = rule.lock().unwrap_or_else(PoisonError::into_inner);
                rule.as_ref().and_then(|rule| rule(&method, &target))
            };
            let shown = format!("{method} {target}");
            requests.lock().unwrap_or_else(PoisonError::into_inner).push(shown);
            let service = service.clone();
            async move {
                match trouble {
                    None => {
                        service.call(request.map(Body::from)).await.map_err(std::io::Error::other)
                    }
                    Some(Trouble::Status(status)) => {
                        let mut response = HttpResponse::new(Body::empty());
                        *response.status_mut() = status.try_into().expect("a status");
                        Ok(response)
                    }
                    Some(Trouble::Silence) => Err(std::io::Error::other("silence")),
                }
            }
        });
        tokio::spawn(async move {
            let served = Builder::new(TokioExecutor::new());
            // A client that goes away is no failure of the server.
            let _ = served.serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}
