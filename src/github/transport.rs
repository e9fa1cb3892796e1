//! The connection to GitHub: octocrab over hyper, with rustls and ring.
//!
//! octocrab's own client fails without CA files, which a `FROM scratch` image does not have, supports no proxies, and retries
//! POST. Here the roots are Mozilla's, compiled in, together with those of the machine (`SSL_CERT_FILE` and `SSL_CERT_DIR` name
//! a company's), and proxies are those of the environment; [`super::retry`] handles retries.

use std::time::Duration;

use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderName, HeaderValue, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioExecutor;
use octocrab::service::middleware::auth_header::AuthHeaderLayer;
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::service::middleware::extra_headers::ExtraHeadersLayer;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::{CertificateResult, load_native_certs};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::{GithubError, GithubProblem, Operation};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The proxy variables, which a runner passes to containers in both cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proxies {
    all: String,
    http: String,
    https: String,
    no: String,
}

impl Proxies {
    /// Reads the environment by curl's rules: `HTTPS_PROXY` or `https_proxy`, and so on.
    pub(crate) fn from(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            let found = [name.to_owned(), name.to_lowercase()]
                .iter()
                .find_map(|name| lookup(name).filter(|value| !value.is_empty()));
            found.unwrap_or_default()
        };
        Self {
            all: either("ALL_PROXY"),
            http: either("HTTP_PROXY"),
            https: either("HTTPS_PROXY"),
            no: either("NO_PROXY"),
        }
    }

    fn matcher(&self) -> Matcher {
        let Self { all, http, https, no } = self.clone();
        Matcher::builder().all(all).http(http).https(https).no(no).build()
    }
}

/// Requires a tokio runtime. Sends nothing.
pub(super) fn connect(
    base: &Uri,
    token: &SecretString,
    proxies: &Proxies,
) -> Result<Octocrab, GithubError> {
    connect_trusting(load_native_certs(), base, token, proxies)
}

fn connect_trusting(
    machine: CertificateResult,
    base: &Uri,
    token: &SecretString,
    proxies: &Proxies,
) -> Result<Octocrab, GithubError> {
    let tls = tls(machine)?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_WITHIN));
    match proxies.matcher().intercept(base) {
        None => build(base, token, https(&tls, tcp)),
        Some(proxy) if matches!(proxy.uri().scheme_str(), Some("http" | "https")) => {
            // CONNECT for http, too: such servers are rare, and inside the company.
            let tunnel = Tunnel::new(proxy.uri().clone(), https(&tls, tcp));
            let tunnel = match proxy.basic_auth() {
                Some(login) => tunnel.with_auth(login.clone()),
                None => tunnel,
            };
            build(base, token, https(&tls, tunnel))
        }
        Some(_) => Err(setup("the proxy variables contain a proxy that is neither http nor https")),
    }
}

fn build<C>(base: &Uri, token: &SecretString, connector: C) -> Result<Octocrab, GithubError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .map_err(|_| setup("the token contains invalid characters (a line break?)"))?;
    bearer.set_sensitive(true);
    let headers: Vec<(HeaderName, HeaderValue)> = vec![
        (USER_AGENT, HeaderValue::from_static(concat!("mig-ci/", env!("CARGO_PKG_VERSION")))),
        (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
    ];
    // The token is sent to this authority only, even if a link leads elsewhere.
    let built = OctocrabBuilder::new_empty()
        .with_service(client)
        .with_layer(&ExtraHeadersLayer::new(headers.into()))
        .with_layer(&BaseUriLayer::new(base.clone()))
        .with_layer(&AuthHeaderLayer::new(Some(bearer), base.clone(), base.clone()))
        .with_auth(AuthState::None)
        .build();
    built.map_err(|never| match never {})
}

fn https<C>(tls: &ClientConfig, connector: C) -> HttpsConnector<C> {
    HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector)
}

/// Trusts Mozilla's roots and those of the machine.
fn tls(machine: CertificateResult) -> Result<ClientConfig, GithubError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for error in &machine.errors {
        // An image usually has none; a company's file that cannot be read explains later failures.
        tracing::warn!("a CA file cannot be read: {error}");
    }
    roots.add_parsable_certificates(machine.certs);
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| setup(&error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn setup(reason: &str) -> GithubError {
    GithubError::new(Operation::Connect, GithubProblem::Setup { reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::github::fake::{Fake, TOKEN};

    /// A company: its CA's file, and a server with a certificate of this CA in front of the fake GitHub.
    async fn company(fake: &Fake) -> (tempfile::NamedTempFile, Uri) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&ca_key).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), ca.pem()).unwrap();

        let issuer = Issuer::new(params, ca_key);
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let server = server.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![server.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let behind = fake.url().replace("http://", "");
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                // A client that does not trust the certificate closes the connection.
                let Ok(mut client) = acceptor.accept(client).await else { continue };
                let mut server = tokio::net::TcpStream::connect(&behind).await.unwrap();
                tokio::spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        (file, format!("https://localhost:{port}").parse().unwrap())
    }

    async fn ask(
        machine: CertificateResult,
        base: &Uri,
        proxies: &Proxies,
    ) -> Result<serde_json::Value, GithubError> {
        let crab = connect_trusting(machine, base, &TOKEN.into(), proxies)?;
        let answer = crab.get("/repos/shop/app/issues/7/comments", None::<&()>).await;
        answer
            .map_err(|error| crate::github::error::classify(Operation::ListComments, &error, TOKEN))
    }

    /// As in an image `FROM scratch`.
    fn none() -> CertificateResult {
        CertificateResult::default()
    }

    /// The effect of SSL_CERT_FILE.
    fn named(file: &tempfile::NamedTempFile) -> CertificateResult {
        let certificates = rustls_native_certs::load_certs_from_paths(Some(file.path()), None);
        assert_eq!((certificates.certs.len(), certificates.errors.len()), (1, 0));
        certificates
    }

    #[tokio::test]
    async fn a_companys_ca_is_trusted_if_configured() {
        let fake = Fake::start();
        let (file, base) = company(&fake).await;
        let untrusted = ask(none(), &base, &Proxies::default()).await.unwrap_err();
        let GithubProblem::Untrusted { reason } = &untrusted.problem else {
            panic!("{untrusted:?}")
        };
        assert!(reason.contains("UnknownIssuer"), "{reason}");
        assert!(untrusted.advice().contains("SSL_CERT_FILE"), "{}", untrusted.advice());
        assert_eq!(fake.requests(), Vec::<String>::new(), "the token was not sent");
        let answer = ask(named(&file), &base, &Proxies::default()).await.unwrap();
        assert_eq!(answer, serde_json::json!([]));
    }

    #[tokio::test]
    async fn a_proxy_sees_only_encrypted_data() {
        let fake = Fake::start();
        let (file, base) = company(&fake).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let target = base.authority().unwrap().to_string();
        let seen = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            String::from_utf8(head).unwrap()
        });
        let proxies = Proxies::from(|name| (name == "https_proxy").then(|| proxy.clone()));
        ask(named(&file), &base, &proxies).await.unwrap();
        let head = seen.await.unwrap();
        assert!(head.starts_with(&format!("CONNECT {} ", base.authority().unwrap())), "{head}");
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }

    #[tokio::test]
    async fn mozillas_roots_are_compiled_in() {
        let roots = webpki_roots::TLS_SERVER_ROOTS.len();
        assert!(roots > 50, "{roots}");
        assert!(tls(none()).is_ok());
    }

    #[tokio::test]
    async fn an_unsupported_proxy_is_refused_with_a_message() {
        let base: Uri = "https://api.github.com".parse().unwrap();
        let proxies =
            Proxies::from(|name| (name == "ALL_PROXY").then(|| "socks5://10.0.0.1:1080".into()));
        let error = ask(none(), &base, &proxies).await.unwrap_err();
        assert!(error.to_string().contains("neither http nor https"), "{error}");
    }
}
